using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Protocol;

/// <summary>Reads a body that must be small.</summary>
internal static class SmallBody
{
    /// <returns>Null when it is larger.</returns>
    public static async Task<byte[]?> ReadAsync(HttpRequest request, int maxBytes)
    {
        if (request.ContentLength > maxBytes) return null;
        using var content = new MemoryStream((int)(request.ContentLength ?? 0));
        var buffer = new byte[4096];
        int read;
        while ((read = await request.Body.ReadAsync(buffer, request.HttpContext.RequestAborted)) > 0)
        {
            if (content.Length + read > maxBytes) return null;
            content.Write(buffer, 0, read);
        }

        return content.ToArray();
    }
}
