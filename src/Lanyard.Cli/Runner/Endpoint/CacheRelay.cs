using System.Buffers;
using System.Net.Http.Headers;
using Lanyard.Protocol.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Lanyard.Cli.Runner.Endpoint;

/// <summary>One request of a step's client, passed on to the server and back, bytes as they come.</summary>
internal sealed class CacheRelay(HttpClient http, HttpContext context)
{
    private const int BufferBytes = 256 * 1024;

    /// <summary>Of this connection alone (RFC 9110 §7.6.1), and what is put in anew.</summary>
    private static readonly HashSet<string> Own = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
        "Host", "Authorization", "Content-Length", CacheHeaders.Origin,
    };

    /// <param name="path">At the server, without the leading slash, with the query.</param>
    /// <param name="place">Whose runtime token goes with it; null: none does.</param>
    public async Task RunAsync(string path, CachePlace? place)
    {
        using var request = Request(path, place);
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, context.RequestAborted);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            if (!context.RequestAborted.IsCancellationRequested) await CacheListener.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "unavailable", "the server can not be reached");
            return;
        }

        using (response)
        {
            context.Response.StatusCode = (int)response.StatusCode;
            foreach (var (name, values) in response.Headers.Concat(response.Content.Headers))
            {
                if (!Own.Contains(name)) context.Response.Headers.Append(name, new StringValues([.. values]));
            }

            context.Response.ContentLength = response.Content.Headers.ContentLength;
            if (!HttpMethods.IsHead(context.Request.Method)) await CopyAsync(response);
        }
    }

    /// <summary>A body that breaks off must break off here too: what has come so far is not to be used.</summary>
    private async Task CopyAsync(HttpResponseMessage response)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(context.RequestAborted);
            while (await body.ReadAsync(buffer, context.RequestAborted) is > 0 and var read) await context.Response.Body.WriteAsync(buffer.AsMemory(0, read), context.RequestAborted);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            context.Abort();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private HttpRequestMessage Request(string path, CachePlace? place)
    {
        var incoming = context.Request;
        var request = new HttpRequestMessage(new HttpMethod(incoming.Method), new Uri(http.BaseAddress!.AbsoluteUri + path));
        if (incoming.ContentLength is not null || incoming.Headers.TransferEncoding.Count > 0)
        {
            request.Content = new StreamContent(incoming.Body, BufferBytes);
            request.Content.Headers.ContentLength = incoming.ContentLength;
        }

        var named = incoming.Headers.Connection.ToString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        foreach (var (name, values) in incoming.Headers)
        {
            if (Own.Contains(name) || named.Contains(name, StringComparer.OrdinalIgnoreCase)) continue;
            if (!request.Headers.TryAddWithoutValidation(name, values.AsEnumerable())) request.Content?.Headers.TryAddWithoutValidation(name, values.AsEnumerable());
        }

        if (place is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", place.RuntimeToken);
            request.Headers.TryAddWithoutValidation(CacheHeaders.Origin, place.Origin);
        }

        return request;
    }
}
