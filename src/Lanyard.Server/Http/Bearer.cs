using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>Reads <c>Authorization: Bearer</c> (RFC 6750 §2.1). No other place is looked at: tokens in URLs end up in logs.</summary>
internal static class Bearer
{
    private const string Scheme = "Bearer ";
    private const string BoundScheme = "DPoP ";

    /// <returns>The token; null where there is no such header, or more than one.</returns>
    public static string? Of(HttpRequest request) => Of(request, Scheme);

    /// <summary>A token that is shown with a proof of possession (RFC 9449 §7.1).</summary>
    public static string? BoundOf(HttpRequest request) => Of(request, BoundScheme);

    private static string? Of(HttpRequest request, string scheme)
    {
        var values = request.Headers.Authorization;
        if (values.Count != 1 || values[0] is not { } header || !header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)) return null;
        return header[scheme.Length..];
    }
}
