using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Bench.Parts;
using Lanyard.Protocol.Runs;

namespace Lanyard.Bench.Dispatch;

/// <summary>Says what a runner says, and runs nothing.</summary>
internal sealed class BenchRunner(LeanHttp http, Uri server, string bearer) : IDisposable
{
    private const string Json = "application/json";
    private static readonly string EmptyLog = Convert.ToHexStringLower(SHA256.HashData([]));
    private string _session = "";

    /// <param name="atOnce">Attempts that it takes at most at once.</param>
    public static async Task<BenchRunner> OpenAsync(Uri server, string bearer, int atOnce = 4)
    {
        var runner = new BenchRunner(await LeanHttp.ConnectAsync(server), server, bearer);
        var nonce = Guid.NewGuid().ToString("N");
        var body = new SessionRequest(nonce, "bench", atOnce, [], ["process"], true);
        runner._session = (await runner.SayAsync("session", body, RunnerJson.Default.SessionRequest, RunnerJson.Default.SessionResponse)).Session;
        return runner;
    }

    /// <summary>The same runner by one more connection.</summary>
    public async Task<BenchRunner> AgainAsync() => new(await LeanHttp.ConnectAsync(server), server, bearer) { _session = _session };

    /// <summary>The offers that come, at most <paramref name="free"/>.</summary>
    public async Task<IReadOnlyList<Offer>> PollManyAsync(int free, int seconds)
    {
        var answer = await SayAsync("poll", new PollRequest(_session, free, seconds, []), RunnerJson.Default.PollRequest, RunnerJson.Default.PollResponse);
        return answer.Offers;
    }

    public async Task StartAsync(Offer offer) =>
        await SayAsync(Of(offer, "start"), new StartRequest(_session), RunnerJson.Default.StartRequest, RunnerJson.Default.AttemptAnswer);

    /// <summary>A piece of the attempt's log.</summary>
    public async Task AppendAsync(Offer offer, long offset, ReadOnlyMemory<byte> chunk)
    {
        var path = FormattableString.Invariant($"/v1/runner/{Of(offer, "log")}?offset={offset}");
        await http.SendAsync(LeanHttp.Request(server, "POST", path, bearer, "application/octet-stream", chunk.Span, ("Lanyard-Session", _session)));
    }

    /// <summary>The offer that comes, or null when none came in time.</summary>
    public async Task<Offer?> PollAsync(int seconds)
    {
        var answer = await SayAsync("poll", new PollRequest(_session, 1, seconds, []), RunnerJson.Default.PollRequest, RunnerJson.Default.PollResponse);
        return answer.Offers.Count == 0 ? null : answer.Offers[0];
    }

    public Task<AttemptPayload> AcceptAsync(Offer offer) =>
        SayAsync(Of(offer, "accept"), new AcceptRequest(_session), RunnerJson.Default.AcceptRequest, RunnerJson.Default.AttemptPayload);

    /// <summary>Starts and ends a run that does nothing.</summary>
    public async Task FinishAsync(Offer offer)
    {
        await SayAsync(Of(offer, "start"), new StartRequest(_session), RunnerJson.Default.StartRequest, RunnerJson.Default.AttemptAnswer);
        var end = new EndRequest(_session, "succeeded", null, 0, EmptyLog);
        await SayAsync(Of(offer, "end"), end, RunnerJson.Default.EndRequest, RunnerJson.Default.AttemptAnswer);
    }

    public void Dispose() => http.Dispose();

    private static string Of(Offer offer, string word) => FormattableString.Invariant($"attempts/{offer.Run}/{offer.Attempt}/{word}");

    private async Task<TAnswer> SayAsync<TBody, TAnswer>(string path, TBody body, JsonTypeInfo<TBody> shape, JsonTypeInfo<TAnswer> answer)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body, shape);
        var received = await http.SendAsync(LeanHttp.Request(server, "POST", "/v1/runner/" + path, bearer, Json, bytes));
        return JsonSerializer.Deserialize(received.Span, answer) ?? throw new InvalidOperationException(Encoding.UTF8.GetString(received.Span));
    }
}
