using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Lanyard.ClusterProxy.Audit;

/// <summary>
/// The proxy's own Kubernetes audit: who really called (the pipeline), whom it asked to be, and every refusal. The API server's audit knows only
/// the proxy and the impersonated user; both name a request by the same audit id.
/// </summary>
internal sealed class AuditTrail(AuditPolicy policy, IReadOnlyList<LineQueue> queues, TrustedProxies trusted, TimeProvider time)
{
    private AuditPolicy _policy = policy;

    public void Replace(AuditPolicy policy) => Volatile.Write(ref _policy, policy);

    /// <summary>The client's own id where it has the form of one, as the API server takes it.</summary>
    public static string IdOf(HttpRequest request) =>
        request.Headers["Audit-Id"] is [{ Length: > 0 and <= 64 } id] && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? id : Guid.NewGuid().ToString();

    /// <summary>The caller is known: its first event. Everything later of this request follows what the policy says now.</summary>
    public async ValueTask ReceivedAsync(HttpContext context, Passage passage)
    {
        passage.Audit = Record(context, passage);
        passage.Started = (p, code) => EmitAsync(AuditStages.ResponseStarted, p, code, null);
        await EmitAsync(AuditStages.RequestReceived, passage, 0, null);
    }

    /// <summary>The last event; for a request of nobody the only one, as the API server has it.</summary>
    public async ValueTask CompletedAsync(HttpContext context, Passage passage)
    {
        if (passage.User is null)
        {
            passage.Audit = Record(context, passage);
            var isUnauthenticated = context.Response.StatusCode == StatusCodes.Status401Unauthorized;
            await EmitAsync(
                isUnauthenticated ? AuditStages.ResponseStarted : AuditStages.ResponseComplete,
                passage,
                context.Response.StatusCode,
                isUnauthenticated ? Attempt(context.Request) : null);
            return;
        }

        await EmitAsync(AuditStages.ResponseComplete, passage, context.Response.StatusCode, null);
    }

    private static string Attempt(HttpRequest request) => request.Headers.Authorization is [{ } value, ..] && value.StartsWith("bearer ", StringComparison.OrdinalIgnoreCase)
        ? "Authentication failed, attempted: bearer"
        : "Authentication failed, no credentials provided";

    private AuditRecord? Record(HttpContext context, Passage passage)
    {
        var request = context.Request;
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var info = passage.InfoOf(request.Method, target);
        var groups = passage.User is { } user ? ImpersonateCheck.GroupsOf(user).ToList() : [];
        var (level, omit) = Volatile.Read(ref _policy).Judge(info, passage.User?.Name, groups);
        return level == AuditLevel.None
            ? null
            : new AuditRecord(passage.AuditId!, level, omit, info, target, SourceIps(context), request.Headers.UserAgent.ToString(), time.GetUtcNow());
    }

    /// <summary>The peer, and before it what a trusted one says of those behind it.</summary>
    private List<string> SourceIps(HttpContext context)
    {
        var addresses = new List<string>();
        var peer = context.Connection.RemoteIpAddress;
        if (trusted.Contains(peer))
        {
            addresses.AddRange(context.Request.Headers["X-Forwarded-For"].ToString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Where(a => System.Net.IPAddress.TryParse(a, out _)).Take(32));
        }

        if (peer is not null)
        {
            addresses.Add((peer.IsIPv4MappedToIPv6 ? peer.MapToIPv4() : peer).ToString());
        }

        return addresses;
    }

    private async ValueTask EmitAsync(AuditStages stage, Passage passage, int code, string? message)
    {
        if (passage.Audit is not { } record || record.Omit.HasFlag(stage))
        {
            return;
        }

        var bytes = record.Event(stage, passage, code, message, time.GetUtcNow());
        foreach (var queue in queues)
        {
            await queue.AddAsync(bytes);
        }
    }
}
