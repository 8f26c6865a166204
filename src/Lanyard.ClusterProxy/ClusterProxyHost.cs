using System.Net.Security;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Cluster;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Limits;
using Lanyard.ClusterProxy.Serving;
using Lanyard.ClusterProxy.Telemetry;
using Lanyard.Identity.Tokens;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy;

/// <summary>The proxy put together: one part a line, in the order that they are needed. Files are read again while it runs.</summary>
internal sealed class ClusterProxyHost : IAsyncDisposable
{
    private readonly List<IDisposable> _parts = [];
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Observation _observation;
    private readonly TimeSpan _drain;
    private readonly StopSignals _stop;
    private readonly Door _door;
    private readonly Door? _health;
    private volatile bool _isOpen;

    /// <exception cref="Configuration.ConfigurationException">A file has mistakes; all are listed.</exception>
    public ClusterProxyHost(ClusterProxyOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        _time = time;
        _log = loggers.CreateLogger<ClusterProxyHost>();
        var access = Keep(new ClusterAccess(options, time, Watch, _log));
        var (client, target) = (access.Client, access.Target);
        var keys = Keep(new IssuerKeys(time, options.Limits.WaitingForKeys));
        var authentication = Authentication(options, keys);
        var calls = new OwnCalls(client, target);
        var review = new ImpersonationReview(new AccessReviews(calls, time), new ClusterVersion(calls, time), time);
        var forwarder = new RequestForwarder(client, target, options.TrustedProxies, loggers.CreateLogger<RequestForwarder>(), options.TellClientAddress);
        var callers = new CallerIdentification(
            authentication.AuthenticateAsync, options.PassthroughAudiences is { } audiences ? new TokenReviews(calls, audiences, time) : null);
        var admission = new Admission(options.Limits, time);
        _observation = new Observation(options.Observation, options.TrustedProxies, admission, time, loggers.CreateLogger<Observation>());
        _observation.Watch(Watch);
        var handler = new ProxyHandler(callers, review, forwarder, admission, _observation.Observer, loggers.CreateLogger<ProxyHandler>());
        var serving = new ServingOptions { Listen = options.Listen, Certificate = Certificate(options), MaxBody = options.Limits.MaxBody > 0 ? options.Limits.MaxBody : null };
        (_drain, _stop) = (serving.DrainTimeout, Keep(new StopSignals()));
        _door = ProxyServer.Build(serving, handler.HandleAsync, loggers);
        _health = options.HealthListen is { } listen ? HealthServer.Build(listen, IsServing, keys.StateAsync, () => MetricsText.Write(_observation.Metrics), loggers) : null;
    }

    public Uri Address => _door.Address;

    /// <summary>Health is told first and until the end, so that a probe sees the start and the stop.</summary>
    public async Task StartAsync()
    {
        await (_health?.OpenAsync() ?? Task.CompletedTask);
        await _door.OpenAsync();
        _isOpen = true;
    }

    /// <summary>Ends after SIGTERM or SIGINT, when the requests that run are done or their time is over.</summary>
    public async Task WaitForShutdownAsync()
    {
        await _stop.Asked;
        using var limit = new CancellationTokenSource(_drain, _time);
        await _door.CloseAsync(limit.Token);
    }

    public async ValueTask DisposeAsync()
    {
        // Requests first, then what is told of them: nothing that was taken is lost.
        await _door.DisposeAsync();
        await _observation.DisposeAsync();
        await (_health?.DisposeAsync() ?? ValueTask.CompletedTask);
        lock (_parts)
        {
            _parts.ForEach(static p => p.Dispose());
        }
    }

    private bool IsServing() => _isOpen && !_stop.Asked.IsCompleted;

    private TokenAuthentication Authentication(ClusterProxyOptions options, IssuerKeys keys)
    {
        var files = new AuthenticationFiles(options);
        var introspection = options.Introspection is { } ask ? Keep(new TokenIntrospection(ask, _time)) : null;
        var authentication = new TokenAuthentication(new TokenVerifier(_time), keys.GetAsync, files.Rules, _time, introspection);
        keys.Changed = authentication.Forget;
        keys.Use(files.Rules.Issuers);
        foreach (var (file, text) in files.Texts)
        {
            Watch(file, text, changed => files.Change(file, changed, next =>
            {
                keys.Use(next.Issuers);
                authentication.Replace(next);
            }));
        }

        return authentication;
    }

    private Func<SslServerAuthenticationOptions>? Certificate(ClusterProxyOptions options)
    {
        if (options.Tls is not { } files)
        {
            return null;
        }

        var certificate = Keep(new ServingCertificate(files.Certificate, files.Key));
        // Both: a renewal writes two files, and it is done with the second, whichever that is.
        foreach (var file in (string[])[files.Certificate, files.Key])
        {
            Watch(file, File.ReadAllText(file), _ => certificate.Reload());
        }

        return certificate.Get;
    }

    private void Watch(string file, string current, Action<string> changed) => Keep(new FileWatch(
        file,
        current,
        text =>
        {
            changed(text);
            _log.Reloaded(file);
        },
        (name, e) => _log.ReloadRefused(name, e.Message),
        _time));

    private T Keep<T>(T part)
        where T : IDisposable
    {
        // A file that a changed kubeconfig names is watched from then on, which a timer's thread finds out.
        lock (_parts)
        {
            _parts.Add(part);
        }

        return part;
    }
}
