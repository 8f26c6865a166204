using Lanyard.Identity;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Lanyard.ClusterProxy.Hygiene;

/// <summary>What a request is, after everything ambiguous has been refused. Nothing later reads the raw request for these again.</summary>
/// <param name="Target">The request target exactly as the client sent it.</param>
/// <param name="Upgrade">The protocol to switch to: <c>SPDY/3.1</c> or <c>websocket</c>; null for none.</param>
/// <param name="Nominated">Header names that the client's <c>Connection</c> declares hop-by-hop.</param>
/// <param name="HasBody">A body may follow; its length may still be unknown.</param>
/// <param name="Impersonates">The client sent <c>Impersonate-*</c> of its own.</param>
internal readonly record struct RequestShape(string Target, string? Upgrade, IReadOnlyList<string> Nominated, bool HasBody, bool Impersonates)
{
    /// <summary>Chars of all header names and values together. The API server's own limit is 1 MiB.</summary>
    public const int MaxHeaders = 256 * 1024;

    /// <summary>Header lines. Four times what a client may ask to become.</summary>
    public const int MaxLines = 1024;

    public static Outcome<RequestShape> Read(HttpContext context)
    {
        var request = context.Request;
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (target.Length == 0 || target[0] != '/' || target.AsSpan().ContainsAnyExceptInRange('!', '~') || request.Method is "CONNECT" or "TRACE")
        {
            return Malformed("method or request target");
        }

        var impersonates = false;
        if (ReadHeaders(request, ref impersonates) is { } refusal)
        {
            return refusal;
        }

        var nominated = Nominations(request.Headers.Connection);
        foreach (var name in nominated)
        {
            if (HeaderRules.IsIdentity(name))
            {
                return Malformed($"Connection nominates {name}");
            }
        }

        var upgrade = ReadUpgrade(context, out var bad);
        var hasBody = context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody ?? true;
        return bad ? Malformed("an Upgrade other than SPDY/3.1 or websocket") : new RequestShape(target, upgrade, nominated, hasBody, impersonates);
    }

    private static Refusal? ReadHeaders(HttpRequest request, ref bool impersonates)
    {
        var (total, lines) = (0, 0);
        foreach (var (name, values) in request.Headers)
        {
            var fate = HeaderRules.Judge(name);
            if (fate == HeaderFate.Refuse)
            {
                return Malformed($"unknown impersonation header {name}");
            }

            impersonates |= fate == HeaderFate.Impersonation;
            lines += Math.Max(1, values.Count);
            total += name.Length * Math.Max(1, values.Count);
            for (var i = 0; i < values.Count; i++)
            {
                total += values[i]?.Length ?? 0;
            }
        }

        if (total > MaxHeaders || lines > MaxLines)
        {
            return new Refusal(RefusalReason.RequestTooLarge, $"headers of {total} chars in {lines} lines");
        }

        return ReadFraming(request);
    }

    /// <summary>Kestrel keeps a length that stood beside chunks as X-Content-Length: two framings are two readings of where the request ends.</summary>
    private static Refusal? ReadFraming(HttpRequest request)
    {
        var coding = request.Headers.TransferEncoding;
        if (coding.Count == 0)
        {
            return null;
        }

        var strict = coding.Count == 1 && coding[0]!.Equals("chunked", StringComparison.OrdinalIgnoreCase);
        return !strict || request.Headers.ContainsKey("X-Content-Length") || request.ContentLength is not null
            ? Malformed("ambiguous body framing")
            : null;
    }

    private static string? ReadUpgrade(HttpContext context, out bool bad)
    {
        bad = false;
        var values = context.Request.Headers.Upgrade;
        if (values.Count == 0)
        {
            return null;
        }

        var value = values.Count == 1 ? values[0] : null;
        var known = "websocket".Equals(value, StringComparison.OrdinalIgnoreCase) || "SPDY/3.1".Equals(value, StringComparison.OrdinalIgnoreCase);
        bad = !known || context.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true };
        return bad ? null : value;
    }

    /// <summary>
    /// Kestrel gives <c>keep-alive, X</c> as <c>keep-alive</c>: a name nominated beside it is not seen here and goes on. That is safe because
    /// nothing is ever taken from the lines that we write; see the tests of nominated identity headers.
    /// </summary>
    private static IReadOnlyList<string> Nominations(StringValues connection)
    {
        if (connection.Count == 0 || (connection.Count == 1 && connection[0] is "keep-alive" or "Keep-Alive" or "Upgrade" or "close"))
        {
            return [];
        }

        return [.. connection.SelectMany(line => line!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];
    }

    private static Refusal Malformed(string detail) => new(RefusalReason.RequestMalformed, detail);
}
