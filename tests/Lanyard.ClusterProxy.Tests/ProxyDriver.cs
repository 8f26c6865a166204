using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.ClusterProxy.Limits;
using Lanyard.ClusterProxy.Serving;
using Lanyard.ClusterProxy.Telemetry;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Identity;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lanyard.ClusterProxy.Tests;

/// <summary>A proxy on a real port before a raw upstream. The token "good" is its user's; "defect" makes the proxy throw, every other token is refused.</summary>
internal sealed class ProxyDriver : IAsyncDisposable
{
    public const string Bearer = "Authorization: Bearer good\r\n";

    private readonly Door _door;
    private readonly UpstreamPool _pool;

    private ProxyDriver(Door door, UpstreamPool pool)
    {
        _door = door;
        _pool = pool;
    }

    public Uri Address => _door.Address;

    public static async Task<ProxyDriver> StartAsync(Uri upstream, KubernetesUser? user = null, TrustedProxies? trusted = null, string prefix = "", IReadOnlyList<string>? passthrough = null, LimitOptions? limits = null, AuditTrail? audit = null, Action<ProxyMetrics>? metrics = null, Func<LineQueue>? accessLog = null,
        TimeProvider? time = null, Action<HttpContext>? observe = null, bool tellClientAddress = false,
        Func<System.Net.Security.SslServerAuthenticationOptions>? certificate = null,
        Action<Admission>? admitted = null)
    {
        var clock = time ?? TimeProvider.System;
        var identity = ImpersonationHeaders.Create(user ?? new KubernetesUser("ci:1") { Groups = ["a", "b"] }).Value;
        var pool = new UpstreamPool(new UpstreamOptions { Addresses = [upstream] }, clock);
        var credential = new OwnCredential();
        credential.Set("own-token");
        var target = new UpstreamTarget("api.test:6443", prefix, credential);
        var client = new UpstreamClient(pool);
        var calls = new OwnCalls(client, target);
        var review = new ImpersonationReview(new AccessReviews(calls, clock), new ClusterVersion(calls, clock), clock);
        var callers = new CallerIdentification(
            (bearer, _) => new(Judge(bearer.Text, identity)), passthrough is null ? null : new TokenReviews(calls, passthrough, clock));
        var forwarder = new RequestForwarder(client, target, trusted ?? TrustedProxies.None, NullLogger<RequestForwarder>.Instance, tellClientAddress);
        var admission = new Admission(limits ?? LimitOptions.Default, clock);
        admitted?.Invoke(admission);
        var counts = new ProxyMetrics(admission, []);
        metrics?.Invoke(counts);
        var observer = new RequestObserver(counts, audit, accessLog is null ? null : new AccessLog(accessLog(), clock), clock);
        var handler = new ProxyHandler(callers, review, forwarder, admission, observer, NullLogger<ProxyHandler>.Instance);
        var listen = new ServingOptions { Listen = new(System.Net.IPAddress.Loopback, 0), MaxBody = limits?.MaxBody, Certificate = certificate };
        async Task Handle(HttpContext context)
        {
            await handler.HandleAsync(context);
            observe?.Invoke(context);
        }

        var door = ProxyServer.Build(listen, Handle, NullLoggerFactory.Instance);
        await door.OpenAsync();
        return new ProxyDriver(door, pool);
    }

    /// <summary>As SIGTERM does it: ends when what runs is done.</summary>
    public Task StopAsync() => _door.CloseAsync(CancellationToken.None);

    public Task<RawConnection> ConnectAsync() => RawClient.ConnectAsync(Address);

    /// <summary>Sends a whole request on a connection of its own and reads head and body of the answer.</summary>
    public async Task<(RawHead Head, string Body)> SendAsync(string request)
    {
        using var connection = await ConnectAsync();
        await connection.WriteAsync(request);
        var head = await connection.ReadHeadAsync() ?? throw new IOException("closed without an answer");
        return (head, await connection.ReadBodyAsync(head));
    }

    public async ValueTask DisposeAsync()
    {
        await _door.DisposeAsync();
        _pool.Dispose();
    }

    private static Outcome<ImpersonationHeaders> Judge(string token, ImpersonationHeaders identity) =>
        token switch
        {
            "good" => identity,
            "defect" => throw new InvalidOperationException("a defect of the proxy itself"),
            "expired" => new Refusal(RefusalReason.Expired, "it was good"),
            _ => new Refusal(RefusalReason.SignatureInvalid, "not the good token"),
        };
}
