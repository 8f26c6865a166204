using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// Kestrel by itself, with one handler for all that comes. The host that ASP.NET puts around it (services, configuration, diagnostics of each request) has nothing to do here, and
/// made the start of the proxy longer (decision 0190).
/// </summary>
internal sealed class Door : IAsyncDisposable
{
    private static readonly CancellationToken AtOnce = new(canceled: true);
    private readonly KestrelServer _kestrel;
    private readonly Requests _requests;
    private readonly Services _services;

    public Door(Action<KestrelServerOptions> configure, SocketTransportOptions sockets, RequestDelegate handle, ILoggerFactory loggers)
    {
        _services = new Services(loggers);
        var options = new KestrelServerOptions { AddServerHeader = false, ApplicationServices = _services };
        configure(options);
        _kestrel = new KestrelServer(Options.Create(options), new SocketTransportFactory(Options.Create(sockets), loggers), loggers);
        _requests = new Requests(handle);
    }

    /// <summary>Where it listens, with the real port; once it is open.</summary>
    public Uri Address => new(_kestrel.Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <exception cref="IOException">It can't listen there.</exception>
    public Task OpenAsync() => _kestrel.StartAsync(_requests, CancellationToken.None);

    /// <summary>Takes nothing more and ends when what runs is done.</summary>
    /// <param name="limit">From here on connections are closed, whatever runs on them.</param>
    public Task CloseAsync(CancellationToken limit) => _kestrel.StopAsync(limit);

    public async ValueTask DisposeAsync()
    {
        await _kestrel.StopAsync(AtOnce);
        _kestrel.Dispose();
        _services.Dispose();
    }

    /// <summary>What Kestrel's TLS asks of a container: where to log, and the meters of Kestrel's own assembly, which nobody else can make.</summary>
    private sealed class Services(ILoggerFactory loggers) : IServiceProvider, IMeterFactory
    {
        private readonly List<Meter> _meters = [];

        public object? GetService(Type serviceType) =>
            serviceType == typeof(ILoggerFactory) ? loggers
            : serviceType == typeof(IMeterFactory) ? this
            : serviceType.Assembly == typeof(KestrelServer).Assembly && serviceType.IsClass ? ActivatorUtilities.CreateInstance(this, serviceType)
            : null;

        public Meter Create(MeterOptions options)
        {
            var meter = new Meter(options);
            _meters.Add(meter);
            return meter;
        }

        public void Dispose() => _meters.ForEach(static m => m.Dispose());
    }

    /// <summary>A connection has one context for all of its requests, as with ASP.NET's own host.</summary>
    private sealed class Requests(RequestDelegate handle) : IHttpApplication<DefaultHttpContext>
    {
        public DefaultHttpContext CreateContext(IFeatureCollection contextFeatures)
        {
            if (contextFeatures is not IHostContextContainer<DefaultHttpContext> connection)
            {
                return new DefaultHttpContext(contextFeatures);
            }

            if (connection.HostContext is { } kept)
            {
                kept.Initialize(contextFeatures);
                return kept;
            }

            var context = new DefaultHttpContext(contextFeatures);
            contextFeatures.Get<BareRefusals>()?.Learn(context);
            return connection.HostContext = context;
        }

        public Task ProcessRequestAsync(DefaultHttpContext context) => handle(context);

        public void DisposeContext(DefaultHttpContext context, Exception? exception) => context.Uninitialize();
    }
}
