using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Cli.Connection;
using Lanyard.Identity.Federation;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// The run protocol from the runner's side: one method a call, each with a timeout of its own, each answering a value. Whoever calls
/// decides about repeating. An answer that is cut off or can't be read counts as none.
/// </summary>
internal sealed class ControlPlane
{
    private const string SessionHeader = "Lanyard-Session";
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan RawTimeout = TimeSpan.FromSeconds(60);
    private static readonly RunnerJson Json = RunnerJson.Default;

    private readonly HttpClient _http;
    private readonly RunnerCredential _credential;
    private readonly TimeProvider _time;
    private readonly CallGatherer? _gatherer;

    /// <param name="gathers">Accepts, starts and ends of several attempts may travel together.</param>
    public ControlPlane(HttpClient http, RunnerCredential credential, TimeProvider time, bool gathers = false)
    {
        (_http, _credential, _time) = (http, credential, time);
        _gatherer = gathers ? new CallGatherer(CallTogetherAsync, time) : null;
    }

    /// <summary>The session that every call names; set by whoever opened it.</summary>
    public string Session { get; set; } = "";

    public Task<Answer<SessionResponse>> OpenSessionAsync(SessionRequest request, CancellationToken cancellationToken) =>
        PostAsync("v1/runner/session", request, Json.SessionRequest, Json.SessionResponse, CallTimeout, cancellationToken);

    public Task<Answer<PollResponse>> PollAsync(PollRequest request, CancellationToken cancellationToken) =>
        PostAsync("v1/runner/poll", request, Json.PollRequest, Json.PollResponse, CallTimeout + TimeSpan.FromSeconds(request.WaitSeconds), cancellationToken);

    public Task<Answer<HeartbeatResponse>> HeartbeatAsync(HeartbeatRequest request, TimeSpan timeout, CancellationToken cancellationToken) =>
        PostAsync("v1/runner/heartbeat", request, Json.HeartbeatRequest, Json.HeartbeatResponse, timeout, cancellationToken);

    public Task<Answer<AttemptPayload>> AcceptAsync(AttemptKey key, CancellationToken cancellationToken) => AskAsync(
        BatchedKinds.Accept, key, () => new AcceptRequest(Session), Json.AcceptRequest, Json.AttemptPayload,
        answer => answer.Payload is { } payload && payload.Run == key.Run && payload.Attempt == key.Attempt ? payload : null, cancellationToken);

    public Task<Answer<AttemptAnswer>> StartAsync(AttemptKey key, CancellationToken cancellationToken) => AskAsync(
        BatchedKinds.Start, key, () => new StartRequest(Session), Json.StartRequest, Json.AttemptAnswer, static answer => answer.Answer, cancellationToken);

    public Task<Answer<AttemptAnswer>> EndAsync(AttemptKey key, EndRequest request, CancellationToken cancellationToken) => AskAsync(
        BatchedKinds.End, key, () => request with { Session = Session }, Json.EndRequest, Json.AttemptAnswer, static answer => answer.Answer, cancellationToken);

    public Task<Answer<AttemptAnswer>> ReportStepAsync(AttemptKey key, int index, StepReport report, CancellationToken cancellationToken) =>
        SendAsync(
            () => new HttpRequestMessage(HttpMethod.Put, PathOf(key, $"steps/{index}")) { Content = Body(report with { Session = Session }, Json.StepReport) },
            Json.AttemptAnswer,
            CallTimeout,
            cancellationToken);

    public Task<Answer<LogAppended>> AppendLogAsync(AttemptKey key, long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        SendAsync(() => LogChunk(key, offset, bytes), Json.LogAppended, CallTimeout, cancellationToken);

    /// <summary>The pod that the runner has made for the attempt. <c>Stale</c>: the attempt has another.</summary>
    public Task<Answer<AttemptAnswer>> PutPodAsync(AttemptKey key, PodReport pod, CancellationToken cancellationToken) =>
        SendAsync(
            () => new HttpRequestMessage(HttpMethod.Put, PathOf(key, "pod")) { Content = Body(pod with { Session = Session }, Json.PodReport) },
            Json.AttemptAnswer,
            CallTimeout,
            cancellationToken);

    public Task<Answer<AttemptAnswer>> AddEventsAsync(AttemptKey key, IReadOnlyList<AttemptEvent> events, CancellationToken cancellationToken) =>
        PostAsync(PathOf(key, "events"), new EventsReport(Session, events), Json.EventsReport, Json.AttemptAnswer, CallTimeout, cancellationToken);

    /// <summary>An attempt's own pod renews its lease, and hears what there is to hear.</summary>
    public Task<Answer<HoldAnswer>> HoldAsync(AttemptKey key, int waitSeconds, CancellationToken cancellationToken) =>
        PostAsync(
            PathOf(key, "hold"), new HoldRequest(waitSeconds), Json.HoldRequest, Json.HoldAnswer, CallTimeout + TimeSpan.FromSeconds(waitSeconds), cancellationToken);

    /// <summary>A call of an attempt whose body is not of the protocol: its plan, its state. Null: there was no answer.</summary>
    public async Task<RawAnswer?> RawAsync(HttpMethod method, AttemptKey key, string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(RawTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            if (!(await _credential.GetAsync(both.Token)).TryGet(out var bearer, out _))
            {
                return null;
            }

            using var request = new HttpRequestMessage(method, PathOf(key, path)) { Headers = { { SessionHeader, Session } } };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
            if (method != HttpMethod.Get)
            {
                request.Content = new ReadOnlyMemoryContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
            }

            using var response = await _http.SendAsync(request, both.Token);
            Note(KindOf(response.StatusCode), bearer);
            return new RawAnswer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(both.Token), response.Content.Headers.ContentType?.ToString());
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private Task<Answer<BatchResponse>> CallTogetherAsync(BatchRequest request) =>
        PostAsync("v1/runner/calls", request, Json.BatchRequest, Json.BatchResponse, CallTimeout, CancellationToken.None);

    private Task<Answer<TResponse>> AskAsync<TRequest, TResponse>(
        string kind,
        AttemptKey key,
        Func<TRequest> make,
        JsonTypeInfo<TRequest> requestType,
        JsonTypeInfo<TResponse> responseType,
        Func<BatchedAnswer, TResponse?> read,
        CancellationToken cancellationToken)
        where TResponse : class
    {
        Task<Answer<TResponse>> SinglyAsync(CancellationToken token) => PostAsync(PathOf(key, kind), make(), requestType, responseType, CallTimeout, token);
        return _gatherer is null
            ? SinglyAsync(cancellationToken)
            : _gatherer.AskAsync(new GatheredCall<TResponse>(
                () => new BatchedCall(kind, key.Run, key.Attempt, JsonSerializer.SerializeToElement(make(), requestType)), SinglyAsync, read, cancellationToken));
    }

    private static string PathOf(AttemptKey key, string rest) => $"v1/runner/attempts/{key.Run}/{key.Attempt}/{rest}";

    private static ByteArrayContent Body<T>(T value, JsonTypeInfo<T> type) =>
        new(JsonSerializer.SerializeToUtf8Bytes(value, type)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    internal static AnswerKind KindOf(HttpStatusCode status) => (int)status switch
    {
        >= 200 and < 300 => AnswerKind.Ok,
        409 => AnswerKind.Stale,
        404 or 410 => AnswerKind.Over,
        416 => AnswerKind.Gap,
        401 or 403 => AnswerKind.Unauthenticated,
        408 or 429 or >= 500 => AnswerKind.Retry,
        _ => AnswerKind.Refused,
    };

    private HttpRequestMessage LogChunk(AttemptKey key, long offset, ReadOnlyMemory<byte> bytes) =>
        new(HttpMethod.Post, PathOf(key, $"log?offset={offset}"))
        {
            Headers = { { SessionHeader, Session } },
            Content = new ReadOnlyMemoryContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } },
        };

    private Task<Answer<TResponse>> PostAsync<TRequest, TResponse>(
        string path, TRequest body, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TResponse> responseType, TimeSpan timeout, CancellationToken cancellationToken)
        where TResponse : class =>
        SendAsync(() => new HttpRequestMessage(HttpMethod.Post, path) { Content = Body(body, requestType) }, responseType, timeout, cancellationToken);

    private async Task<Answer<T>> SendAsync<T>(
        Func<HttpRequestMessage> make, JsonTypeInfo<T> type, TimeSpan timeout, CancellationToken cancellationToken)
        where T : class
    {
        using var limit = new CancellationTokenSource(timeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var bearer = await _credential.GetAsync(both.Token);
            if (bearer.IsRefused)
            {
                return new Answer<T>(AnswerKind.Unauthenticated, Detail: bearer.Refusal.Detail);
            }

            using var request = make();
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer.Value);
            using var response = await _http.SendAsync(request, both.Token);
            return await ReadAsync(response, type, bearer.Value, both.Token);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            var why = exception switch
            {
                OperationCanceledException => $"no answer within {timeout.TotalSeconds:0} s",
                JsonException => "the answer is no Lanyard server's, or was cut off",
                _ => ConnectionFault.Words(exception, _http.BaseAddress, "--ca-file FILE"),
            };
            return new Answer<T>(AnswerKind.Retry, Detail: why);
        }
    }

    private async Task<Answer<T>> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, string bearer, CancellationToken cancellationToken)
        where T : class
    {
        var kind = KindOf(response.StatusCode);
        Note(kind, bearer);
        var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        if (kind is not (AnswerKind.Ok or AnswerKind.Gap))
        {
            var skew = kind is AnswerKind.Unauthenticated ? ClockSkew.Words(response, _time) : "";
            return new Answer<T>(kind, RetryAfter: RetryAfterOf(response), Detail: Words(response.StatusCode, bytes) + skew);
        }

        var detail = $"status {(int)response.StatusCode}";
        var value = JsonSerializer.Deserialize(bytes, type);
        return value is null ? new Answer<T>(AnswerKind.Retry, Detail: detail + " without a body") : new Answer<T>(kind, value, Detail: detail);
    }

    private void Note(AnswerKind kind, string bearer)
    {
        if (kind is AnswerKind.Unauthenticated)
        {
            _credential.Refused(bearer);
        }
        else if (kind is AnswerKind.Ok)
        {
            _credential.Accepted(bearer);
        }
    }

    /// <summary>What the server said of a refusal (RFC 9457), for the runner's log: its title, and the request by which an admin finds the cause.</summary>
    internal static string Words(HttpStatusCode status, byte[] body)
    {
        var problem = HttpCall.TryParse(Encoding.UTF8.GetString(body)) as JsonObject;
        var title = HttpCall.Text(problem?["title"]) is { } text ? $": {Printing.Plain(text)}" : "";
        return $"status {(int)status}{title}{(HttpCall.Text(problem?["requestId"]) is { } request ? $" (request {Printing.Plain(request)})" : "")}";
    }

    private TimeSpan? RetryAfterOf(HttpResponseMessage response) =>
        response.Headers.RetryAfter is { } after ? after.Delta ?? (after.Date - _time.GetUtcNow()) : null;
}
