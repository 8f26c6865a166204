using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Protocol.Runs;

namespace Lanyard.Server.Tests.Runs;

/// <summary>Says what a runner says, over HTTP, and runs nothing.</summary>
internal sealed class SimulatedRunner(HttpClient http, string bearer, string id)
{
    private static readonly string EmptyHash = Convert.ToHexStringLower(SHA256.HashData([]));
    private static readonly RunnerJson Json = RunnerJson.Default;

    public string Id => id;

    public string Session { get; private set; } = "";

    public async Task<SessionResponse> OpenAsync(string nonce = "nonce-of-16-chars", bool sandboxed = true, string[]? labels = null)
    {
        var answer = await TryOpenAsync(nonce, sandboxed, labels);
        Session = answer.Value!.Session;
        return answer.Value;
    }

    public Task<Said<SessionResponse>> TryOpenAsync(string nonce, bool sandboxed, string[]? labels) =>
        PostAsync("session", new SessionRequest(nonce, "1.0", 4, labels ?? [], ["process"], sandboxed), Json.SessionRequest, Json.SessionResponse);

    public Task<Said<PollResponse>> PollAsync(int free = 1, int wait = 0, params Hold[] holds) =>
        PostAsync("poll", new PollRequest(Session, free, wait, holds), Json.PollRequest, Json.PollResponse);

    /// <summary>A poll of a runner that could begin nothing.</summary>
    public Task<Said<PollResponse>> PollWithoutRoomAsync(string? why) =>
        PostAsync("poll", new PollRequest(Session, 0, 0, [], why), Json.PollRequest, Json.PollResponse);

    public Task<Said<HeartbeatResponse>> HeartbeatAsync(params Hold[] holds) =>
        PostAsync("heartbeat", new HeartbeatRequest(Session, holds), Json.HeartbeatRequest, Json.HeartbeatResponse);

    public Task<Said<AttemptPayload>> AcceptAsync(string run, int attempt = 1) =>
        PostAsync($"attempts/{run}/{attempt}/accept", new AcceptRequest(Session), Json.AcceptRequest, Json.AttemptPayload);

    public Task<Said<AttemptAnswer>> StartAsync(string run, int attempt = 1) =>
        PostAsync($"attempts/{run}/{attempt}/start", new StartRequest(Session), Json.StartRequest, Json.AttemptAnswer);

    public Task<Said<AttemptAnswer>> StepAsync(string run, int step, string state, int? exitCode = null, int attempt = 1) =>
        SendAsync(HttpMethod.Put, $"attempts/{run}/{attempt}/steps/{step}", Body(new StepReport(Session, state, exitCode, null), Json.StepReport), Json.AttemptAnswer);

    public Task<Said<AttemptAnswer>> EndAsync(string run, string outcome = "succeeded", int attempt = 1, byte[]? log = null, string? hash = null, long? masked = null) => PostAsync(
        $"attempts/{run}/{attempt}/end",
        new EndRequest(Session, outcome, null, log?.Length ?? 0, hash ?? (log is null ? EmptyHash : Convert.ToHexStringLower(SHA256.HashData(log))), masked),
        Json.EndRequest,
        Json.AttemptAnswer);

    public Task<Said<LogAppended>> LogAsync(string run, long offset, byte[] chunk, int attempt = 1) => SendAsync(
        HttpMethod.Post,
        $"attempts/{run}/{attempt}/log?offset={offset}",
        new ByteArrayContent(chunk) { Headers = { ContentType = new("application/octet-stream") } },
        Json.LogAppended);

    /// <summary>With no length that is told before, as a proxy may send it on.</summary>
    public Task<Said<LogAppended>> ChunkedLogAsync(string run, long offset, byte[] chunk) =>
        SendAsync(HttpMethod.Post, $"attempts/{run}/1/log?offset={offset}", new ChunkedContent(chunk), Json.LogAppended);

    public Task<Said<AttemptAnswer>> PlannedAsync(string run, int add, int attempt = 1) => PostAsync(
        $"attempts/{run}/{attempt}/end", new EndRequest(Session, "succeeded", null, 0, EmptyHash, Plan: new PlanSummary(add, 0, 0, false, 0)), Json.EndRequest, Json.AttemptAnswer);

    /// <summary>Several calls in one.</summary>
    public Task<Said<BatchResponse>> BatchAsync(params IEnumerable<BatchedCall> calls) => PostAsync("calls", new BatchRequest([.. calls]), Json.BatchRequest, Json.BatchResponse);

    public BatchedCall Accept(string run, int attempt = 1) => new(BatchedKinds.Accept, run, attempt, JsonSerializer.SerializeToElement(new AcceptRequest(Session), Json.AcceptRequest));

    public BatchedCall Start(string run, int attempt = 1) => new(BatchedKinds.Start, run, attempt, JsonSerializer.SerializeToElement(new StartRequest(Session), Json.StartRequest));

    public BatchedCall End(string run, string outcome = "succeeded", int attempt = 1) =>
        new(BatchedKinds.End, run, attempt, JsonSerializer.SerializeToElement(new EndRequest(Session, outcome, null, 0, EmptyHash), Json.EndRequest));

    /// <summary>A call of an attempt whose body is not of the protocol.</summary>
    public async Task<(HttpStatusCode Status, string Body)> RawAsync(HttpMethod method, string run, string path, string? body = null, int attempt = 1)
    {
        using var request = new HttpRequestMessage(method, $"/v1/runner/attempts/{run}/{attempt}/{path}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        request.Headers.Add("Lanyard-Session", Session);
        if (body is not null)
            request.Content = new ByteArrayContent(System.Text.Encoding.UTF8.GetBytes(body)) { Headers = { ContentType = new("application/octet-stream") } };
        using var response = await http.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Polls, accepts and starts: the run that it got.</summary>
    public async Task<string> TakeAsync()
    {
        var offer = (await PollAsync(1, 20)).Value!.Offers.Single();
        await AcceptAsync(offer.Run, offer.Attempt);
        await StartAsync(offer.Run, offer.Attempt);
        return offer.Run;
    }

    private static ByteArrayContent Body<T>(T value, JsonTypeInfo<T> type) =>
        new(JsonSerializer.SerializeToUtf8Bytes(value, type)) { Headers = { ContentType = new("application/json") } };

    private Task<Said<TAnswer>> PostAsync<TBody, TAnswer>(string path, TBody body, JsonTypeInfo<TBody> shape, JsonTypeInfo<TAnswer> answer)
        where TAnswer : class => SendAsync(HttpMethod.Post, path, Body(body, shape), answer);

    private async Task<Said<TAnswer>> SendAsync<TAnswer>(HttpMethod method, string path, HttpContent body, JsonTypeInfo<TAnswer> shape)
        where TAnswer : class
    {
        using var request = new HttpRequestMessage(method, "/v1/runner/" + path) { Content = body };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        request.Headers.Add("Lanyard-Session", Session);
        using var response = await http.SendAsync(request);
        var bytes = await response.Content.ReadAsByteArrayAsync();
        var isProblem = response.Content.Headers.ContentType?.MediaType == "application/problem+json";
        return new(response.StatusCode, isProblem ? null : JsonSerializer.Deserialize(bytes, shape), System.Text.Encoding.UTF8.GetString(bytes));
    }
}

internal sealed record Said<T>(HttpStatusCode Status, T? Value, string Body)
    where T : class;

internal sealed class ChunkedContent(byte[] bytes) : HttpContent
{
    protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
    {
        foreach (var part in bytes.Chunk(10_000)) await stream.WriteAsync(part);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
