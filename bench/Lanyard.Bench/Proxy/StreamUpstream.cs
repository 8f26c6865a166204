using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Bench.Proxy;

/// <summary>Plays the API server for watches (a chunk an event, at the rate that the query names; 0 is silence) and for execs (101, then the end).</summary>
internal sealed class StreamUpstream : IAsyncDisposable
{
    private static readonly byte[] Event = Encoding.ASCII.GetBytes(
        $$"""{"type":"MODIFIED","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"small","namespace":"shop"},"data":{"x":"{{new string('e', 320)}}"} } }""" + "\n");

    private readonly WebApplication _app;

    private StreamUpstream(WebApplication app) => _app = app;

    public static int EventLength => Event.Length;

    public Uri Plain { get; private set; } = null!;

    public Uri Secured { get; private set; } = null!;

    public static async Task<StreamUpstream> StartAsync(X509Certificate2 certificate)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddLogging(static logging => logging.ClearProviders());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.UseHttps(certificate);
            });
            kestrel.Limits.MinResponseDataRate = null;
        });
        var upstream = new StreamUpstream(builder.Build());
        upstream._app.Run(AnswerAsync);
        await upstream._app.StartAsync();
        var addresses = ((IApplicationBuilder)upstream._app).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Select(static a => new Uri(a)).ToList();
        (upstream.Plain, upstream.Secured) = (addresses.First(static a => a.Scheme == "http"), addresses.First(static a => a.Scheme == "https"));
        return upstream;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static Task AnswerAsync(HttpContext context) =>
        context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } upgrade ? SwitchAsync(context, upgrade)
            : context.Request.Query.ContainsKey("watch") ? WatchAsync(context)
            : context.Response.Body.WriteAsync(Event).AsTask();

    private static async Task SwitchAsync(HttpContext context, IHttpUpgradeFeature upgrade)
    {
        context.Response.Headers.Upgrade = context.Request.Headers.Upgrade;
        await using var stream = await upgrade.UpgradeAsync();
        await stream.WriteAsync("x"u8.ToArray());
    }

    private static async Task WatchAsync(HttpContext context)
    {
        var rate = int.Parse(context.Request.Query["eventsPerSecond"].ToString(), System.Globalization.CultureInfo.InvariantCulture);
        context.Response.ContentType = "application/json";
        try
        {
            await context.Response.Body.WriteAsync(Event, context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            if (rate == 0)
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / rate));
            while (await timer.WaitForNextTickAsync(context.RequestAborted))
            {
                await context.Response.Body.WriteAsync(Event, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The watcher has gone.
        }
    }
}
