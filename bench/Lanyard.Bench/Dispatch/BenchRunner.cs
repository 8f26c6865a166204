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

    public static async Task<BenchRunner> OpenAsync(Uri server, string bearer)
    {
        var runner = new BenchRunner(await LeanHttp.ConnectAsync(server), server, bearer);
        var nonce = Guid.NewGuid().ToString("N");
        var body = new SessionRequest(nonce, "bench", 4, [], ["process"], true);
        runner._session = (await runner.SayAsync("session", body, RunnerJson.Default.SessionRequest, RunnerJson.Default.SessionResponse)).Session;
        return runner;
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
