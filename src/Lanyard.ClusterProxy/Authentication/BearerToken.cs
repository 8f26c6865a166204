using System.Text;
using Lanyard.Identity.Tokens;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>The token of a request and where it stood.</summary>
/// <param name="Token">Null when the request brings none that can be read.</param>
/// <param name="Hash">Of the token, where there is one.</param>
/// <param name="Protocols">Not null when the token was a WebSocket sub-protocol: the others, which alone may go on.</param>
internal readonly record struct BearerToken(string? Token, TokenHash Hash, string? Protocols)
{
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

        var bearer = OfValue(header) is { } token ? new BearerToken(token, TokenHash.Of(token), null) : default;
        memo?.Last = new(header, bearer);
        return bearer;
    }

    private static string? OfValue(string value)
    {
        value = value.Trim(' ', '\t');
        var space = value.IndexOf(' ', StringComparison.Ordinal);
        if (space < 0 || !value.AsSpan(0, space).Equals("bearer", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var rest = value.AsSpan(space + 1);
        var end = rest.IndexOf(' ');
        var token = end < 0 ? rest : rest[..end];
        return token.IsEmpty ? null : token.ToString();
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

        return token is null || others.Count == 0 ? default : new(token, TokenHash.Of(token), string.Join(", ", others));
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
