using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>
/// An answer in JSON that leaves in one piece, with its length said: the framework's own is sent in chunks, and the last of them, which is empty, costs the system another
/// message. For what is small and made often.
/// </summary>
internal sealed class JsonAnswer<T>(T value, JsonTypeInfo<T> type) : IResult
{
    public Task ExecuteAsync(HttpContext httpContext) => JsonAnswer.WriteAsync(httpContext.Response, value, type, "application/json; charset=utf-8");
}

/// <summary>The same for whoever has a response.</summary>
internal static class JsonAnswer
{
    public static JsonAnswer<T> Of<T>(T value, JsonTypeInfo<T> type) => new(value, type);

    public static Task WriteAsync<T>(HttpResponse response, T value, JsonTypeInfo<T> type, string contentType)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        response.ContentType = contentType;
        response.ContentLength = body.Length;
        return response.Body.WriteAsync(body, 0, body.Length, response.HttpContext.RequestAborted);
    }
}
