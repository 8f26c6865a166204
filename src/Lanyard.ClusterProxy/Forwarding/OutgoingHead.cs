using System.Globalization;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>What a head says otherwise than the client did.</summary>
/// <param name="Protocols">Replaces <c>Sec-WebSocket-Protocol</c> when a bearer was taken out of it.</param>
/// <param name="AuditId">Replaces <c>Audit-Id</c> where we keep an audit.</param>
/// <param name="Client">The client's address, where users are to have it as an extra.</param>
internal readonly record struct HeadChanges(string? Protocols, string? AuditId, string? Client = null);

/// <summary>Writes the head that goes to the API server: what the client may say first, then who it is and who we are.</summary>
internal static class OutgoingHead
{
    public static void Write(
        HeadBuffer head,
        HttpContext context,
        in RequestShape shape,
        UpstreamTarget target,
        UpstreamIdentity identity,
        TrustedProxies trusted,
        HeadChanges changes)
    {
        var request = context.Request;
        head.Latin1(request.Method);
        head.Raw(" "u8);
        head.Latin1(target.PathPrefix);
        head.Latin1(shape.Target);
        head.Raw(" HTTP/1.1\r\n"u8);
        head.Raw(target.HostLine);
        var isTrusted = trusted.Contains(context.Connection.RemoteIpAddress);
        Forwarded(head, request, shape, isTrusted, changes, identity.IsPassedOn);
        if (changes.AuditId is { } id)
        {
            head.Header("Audit-Id", id);
        }

        ClientAddress(head, context, isTrusted);
        Framing(head, request, shape);
        head.Raw(identity.AuthorizationLine(target.Credential));
        head.Raw(identity.ImpersonationLines);
        if (changes.Client is { } client && !identity.IsPassedOn)
        {
            head.Header("Impersonate-Extra-Remote-Client-Ip", client);
        }

        head.Raw("\r\n"u8);
    }

    private static void Forwarded(HeadBuffer head, HttpRequest request, in RequestShape shape, bool isTrusted, HeadChanges changes, bool isPassedOn)
    {
        foreach (var (name, values) in request.Headers)
        {
            var fate = HeaderRules.Judge(name);
            var isXff = fate == HeaderFate.Forwarding && name.Equals("X-Forwarded-For", StringComparison.OrdinalIgnoreCase);
            var passes = fate == HeaderFate.Forward || (fate == HeaderFate.Forwarding && isTrusted && !isXff) || (fate == HeaderFate.Impersonation && isPassedOn);
            if (!passes || (shape.Nominated.Count > 0 && shape.Nominated.Contains(name, StringComparer.OrdinalIgnoreCase)))
            {
                continue;
            }

            if (changes.AuditId is not null && name.Equals("Audit-Id", StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            if (changes.Protocols is { } protocols && name.Equals("Sec-WebSocket-Protocol", StringComparison.OrdinalIgnoreCase))
            {
                head.Header(name, protocols);
                continue;
            }

            for (var i = 0; i < values.Count; i++)
            {
                head.Header(name, values[i] ?? "");
            }
        }
    }

    /// <summary>The API server's audit takes source addresses from here; what an untrusted peer wrote is not passed on.</summary>
    private static void ClientAddress(HeadBuffer head, HttpContext context, bool isTrusted)
    {
        if (context.Connection.RemoteIpAddress is not { } peer)
        {
            return;
        }

        Span<byte> text = stackalloc byte[64];
        var address = peer.IsIPv4MappedToIPv6 ? peer.MapToIPv4() : peer;
        address.TryFormat(text, out var length);
        head.Raw("X-Forwarded-For: "u8);
        if (isTrusted && context.Request.Headers["X-Forwarded-For"] is { Count: > 0 } before && !before.ToString().AsSpan().ContainsAny('\r', '\n', '\0'))
        {
            head.Latin1(before.ToString());
            head.Raw(", "u8);
        }

        head.Raw(text[..length]);
        head.Raw("\r\n"u8);
    }

    private static void Framing(HeadBuffer head, HttpRequest request, in RequestShape shape)
    {
        if (shape.Upgrade is not null)
        {
            head.Raw("Connection: Upgrade\r\n"u8);
            head.Header("Upgrade", shape.Upgrade);
        }

        if (request.ContentLength is { } length)
        {
            head.Header("Content-Length", length.ToString(CultureInfo.InvariantCulture));
        }
        else if (shape.HasBody && shape.Upgrade is null)
        {
            head.Raw("Transfer-Encoding: chunked\r\n"u8);
        }
    }
}
