using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>Reads <c>Authorization: Bearer</c> (RFC 6750 §2.1). No other place is looked at: tokens in URLs end up in logs.</summary>
internal static class Bearer
{
    private const string Scheme = "Bearer ";

    /// <returns>The token; null where there is no such header, or more than one.</returns>
    public static string? Of(HttpRequest request)
    {
        var values = request.Headers.Authorization;
        if (values.Count != 1 || values[0] is not { } header || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)) return null;
        return header[Scheme.Length..];
    }
}
