using System.Text;
using Lanyard.Identity.Tokens;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>The token of a request and where it stood. Its text is not copied out of the header: whoever knows the hash has no need of it.</summary>
/// <param name="Source">The header or sub-protocol that the token is in; null when the request brings none that can be read.</param>
/// <param name="Place">Where in the source it is.</param>
/// <param name="Hash">Of the token, where there is one.</param>
/// <param name="Protocols">Not null when the token was a WebSocket sub-protocol: the others, which alone may go on.</param>
internal readonly record struct BearerToken(string? Source, Range Place, TokenHash Hash, string? Protocols)
{
    public bool Exists => Source is not null;

    /// <summary>Made anew for each who asks.</summary>
    public string Text => Source![Place];

    public ReadOnlySpan<char> Letters => Source.AsSpan(Place);

    private const string SubProtocol = "base64url.bearer.authorization.k8s.io.";
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// As the API server reads it: <c>Authorization: Bearer TOKEN</c>, scheme in any case; else, on a WebSocket request, exactly one
    /// sub-protocol <c>base64url.bearer.authorization.k8s.io.TOKEN</c> beside at least one other.
    /// </summary>
    public static BearerToken Read(HttpRequest request, bool isWebSocket)
    {
        var authorization = request.Headers.Authorization;
        if (authorization.Count > 0)
        {
            return authorization.Count == 1 ? OfHeader(authorization[0]!, request.HttpContext.Features.Get<BearerMemo>()) : default;
        }

        return isWebSocket ? OfSubProtocols(request) : default;
    }

    private static BearerToken OfHeader(string header, BearerMemo? memo)
    {
        if (memo?.Last is { } last && ReferenceEquals(last.Header, header))
        {
            return last.Bearer;
        }

        var bearer = PlaceIn(header) is { } place ? new BearerToken(header, place, TokenHash.Of(header.AsSpan(place)), null) : default;
        memo?.Last = new(header, bearer);
        return bearer;
    }

    private static Range? PlaceIn(string header)
    {
        var (start, end) = (0, header.Length);
        while (start < end && header[start] is ' ' or '\t') start++;
        while (end > start && header[end - 1] is ' ' or '\t') end--;
        var value = header.AsSpan(start..end);
        var space = value.IndexOf(' ');
        if (space < 0 || !value[..space].Equals("bearer", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var rest = value[(space + 1)..];
        var length = rest.IndexOf(' ') is >= 0 and var next ? next : rest.Length;
        start += space + 1;
        return length == 0 ? null : start..(start + length);
    }

    private static BearerToken OfSubProtocols(HttpRequest request)
    {
        string? token = null;
        var others = new List<string>();
        foreach (var protocol in request.Headers.SecWebSocketProtocol.SelectMany(l => l!.Split(',', StringSplitOptions.TrimEntries)))
        {
            if (!protocol.StartsWith(SubProtocol, StringComparison.Ordinal))
            {
                others.Add(protocol);
            }
            else if (token is not null)
            {
                return default;
            }
            else
            {
                token = Decode(protocol[SubProtocol.Length..]);
                if (token is null)
                {
                    return default;
                }
            }
        }

        return token is null || others.Count == 0 ? default : new(token, .., TokenHash.Of(token), string.Join(", ", others));
    }

    private static string? Decode(string encoded)
    {
        try
        {
            return encoded.Length == 0 || encoded.Contains('=', StringComparison.Ordinal)
                ? null
                : Strict.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(encoded));
        }
        catch (Exception e) when (e is FormatException or DecoderFallbackException)
        {
            return null;
        }
    }
}
