using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Lanyard.Cli.Connection;

/// <summary>What the server answered, read to its end.</summary>
internal sealed record ApiAnswer(HttpStatusCode Status, string Body, string? ETag)
{
    public bool IsSuccess => (int)Status is >= 200 and < 300;

    public JsonNode? Json { get; } = HttpCall.TryParse(Body);
}

/// <summary>The server's <c>/v1</c> API as a person with a bearer sees it.</summary>
internal sealed class ApiClient(Uri server, HttpClient http, BearerSource bearer, TimeProvider time) : IDisposable
{
    /// <summary>Longer than the server's longest long poll.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    public string Server { get; } = server.AbsoluteUri.TrimEnd('/');

    public TimeProvider Time { get; } = time;

    public async Task<ApiAnswer> SendAsync(
        HttpMethod method, string path, JsonNode? body = null, EntityTagHeaderValue? ifMatch = null, bool onlyIfNew = false,
        CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(method, Server + path);
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        if (ifMatch is not null)
        {
            request.Headers.IfMatch.Add(ifMatch);
        }

        if (onlyIfNew)
        {
            request.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        }

        using var response = await SendAsync(request, cancellationToken);
        return new ApiAnswer(response.StatusCode, await HttpCall.ReadTextAsync(response, cancellationToken), response.Headers.ETag?.ToString());
    }

    /// <summary>The raw answer, for logs and streams; the caller disposes it.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await bearer.GetAsync(cancellationToken));
        return await HttpCall.SendAsync(http, request, Limit, cancellationToken);
    }

    public async Task<JsonNode> GetAsync(string path, CancellationToken cancellationToken) =>
        Expect(await SendAsync(HttpMethod.Get, path, cancellationToken: cancellationToken), path);

    public async Task<JsonNode> PostAsync(string path, JsonNode? body, CancellationToken cancellationToken) =>
        Expect(await SendAsync(HttpMethod.Post, path, body, cancellationToken: cancellationToken), path);

    /// <summary>A list to its end, page by page.</summary>
    public async Task<List<JsonObject>> ListAsync(string path, CancellationToken cancellationToken, int atMost = int.MaxValue)
    {
        var items = new List<JsonObject>();
        string? cursor = null;
        do
        {
            var page = await GetAsync(cursor is null ? path : $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}after={Uri.EscapeDataString(cursor)}", cancellationToken);
            items.AddRange(page["items"]?.AsArray().OfType<JsonObject>() ?? []);
            cursor = HttpCall.Text(page["next"]);
        }
        while (cursor is not null && items.Count < atMost);
        return items;
    }

    /// <summary>The JSON of a success; everything else ends the command in the server's own words.</summary>
    public static JsonNode Expect(ApiAnswer answer, string what) =>
        !answer.IsSuccess ? throw Stopped(answer, what)
        : answer.Json ?? (answer.Body.Length == 0 ? new JsonObject() : throw new CommandStopped(ExitCode.Unreachable, $"{what}: the answer is no Lanyard server's: is the URL right?"));

    public static CommandStopped Stopped(ApiAnswer answer, string what)
    {
        var exit = answer.Status switch
        {
            HttpStatusCode.Unauthorized => ExitCode.NotAuthenticated,
            >= HttpStatusCode.InternalServerError => ExitCode.Unreachable,
            _ => ExitCode.Refused,
        };
        return new CommandStopped(exit, $"{what}: {Words(answer)}");
    }

    /// <summary>The problem (RFC 9457) for people: its title, its mistakes, and the request id to ask the operator with.</summary>
    public static string Words(ApiAnswer answer)
    {
        var problem = answer.Json as JsonObject;
        var words = new StringBuilder(HttpCall.Text(problem?["title"]) ?? $"HTTP {(int)answer.Status}");
        foreach (var mistake in Mistakes(answer))
        {
            words.Append("\n  ").Append(mistake.Path.Length == 0 ? "" : mistake.Path + ": ").Append(mistake.Text);
        }

        if (HttpCall.Text(problem?["requestId"]) is { } request)
        {
            words.Append(" (request ").Append(request).Append(')');
        }

        return words.ToString();
    }

    /// <summary>The mistakes that the server found in a document, each with its path.</summary>
    public static List<(string Path, string Text)> Mistakes(ApiAnswer answer) =>
    [
        .. ((answer.Json as JsonObject)?["mistakes"] as JsonArray ?? []).OfType<JsonObject>()
            .Select(mistake => (HttpCall.Text(mistake["path"]) ?? "", HttpCall.Text(mistake["text"]) ?? "is wrong")),
    ];

    public void Dispose()
    {
        bearer.Dispose();
        http.Dispose();
    }
}
