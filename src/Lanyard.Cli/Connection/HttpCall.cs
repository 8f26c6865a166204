using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;

namespace Lanyard.Cli.Connection;

/// <summary>One HTTP call with a time limit, whose failures on the way become words for the person who waits.</summary>
internal static class HttpCall
{
    private const int MaxTextBytes = 16 * 1024 * 1024;

    /// <param name="trust">How an authority is named that the other side's certificate is to be of.</param>
    public static async Task<HttpResponseMessage> SendAsync(
        HttpClient http, HttpRequestMessage request, TimeSpan limit, CancellationToken cancellationToken, string trust = "--ca-file FILE")
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timer.CancelAfter(limit);
        var server = request.RequestUri!.GetLeftPart(UriPartial.Authority);
        try
        {
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timer.Token);
        }
        catch (HttpRequestException exception)
        {
            throw new CommandStopped(ExitCode.Unreachable, $"{server} can't be reached: {ConnectionFault.Words(exception, request.RequestUri, trust)}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandStopped(ExitCode.Unreachable, $"{server} did not answer within {limit.TotalSeconds:0} s.");
        }
    }

    public static async Task<string> ReadTextAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[16 * 1024];
        using var all = new MemoryStream();
        while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            if (all.Length + read > MaxTextBytes)
            {
                throw new CommandStopped(ExitCode.Unreachable, $"the answer is longer than {MaxTextBytes} bytes.");
            }

            all.Write(buffer, 0, read);
        }

        return Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length);
    }

    /// <summary>Behind a sentence, by which id the server knows the request; <c>lanyard explain</c> takes it.</summary>
    public static string RequestOf(HttpResponseMessage response) => response.Headers.TryGetValues("X-Request-Id", out var ids) ? $" (request {Printing.Plain(ids.First())})" : "";

    /// <summary>JSON, or null where the text is none.</summary>
    public static JsonNode? TryParse(string text)
    {
        try
        {
            return text.Length == 0 ? null : JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>A member of a JSON object that is text; null in every other case.</summary>
    public static string? Member(string text, string name) => Text((TryParse(text) as JsonObject)?[name]);

    public static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
