using System.Text.Json;
using System.Text.RegularExpressions;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteBatchEqualityTests() : BatchEqualityTests(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresBatchEqualityTests() : BatchEqualityTests(DatabaseKind.Postgres);

/// <summary>The same calls made one by one and in batches: the same answers, the same rows, the same audit.</summary>
public abstract class BatchEqualityTests(DatabaseKind kind)
{
    private const int Runs = 6;
    private const string NoRun = "run_01k00000000000000000000000";

    /// <summary>Each list is a batch; a call is its kind, its run by number, its attempt and its body without the session.</summary>
    private static readonly (string Kind, int Run, int Attempt, string Body)[][] Script =
    [
        [("accept", 0, 1, ""), ("start", 1, 1, ""), ("accept", 2, 2, ""), ("accept", 3, 1, ""), ("accept", 4, 1, "\"more\":1"), ("accept", 5, 1, "")],
        [("start", 0, 1, ""), ("accept", 0, 1, ""), ("accept", 1, 1, ""), ("end", 2, 1, End("succeeded")), ("accept", 2, 1, ""), ("start", 3, 1, ""), ("start", -1, 1, ""), ("accept", -2, 1, "")],
        [("end", 0, 1, End("failed")), ("end", 1, 1, End("runner_error")), ("end", 2, 1, End("timed_out")), ("end", 3, 1, End("nonsense")), ("end", 5, 1, End("succeeded", 7))],
        [("end", 0, 1, End("failed")), ("start", 0, 1, ""), ("accept", 1, 1, ""), ("start", 2, 1, ""), ("end", 3, 0, End("succeeded")), ("end", 3, 1, End("canceled")), ("start", 5, 1, ""), ("accept", 4, 1, ""), ("start", 4, 1, "")],
    ];

    [Fact]
    public async Task The_same_calls_singly_and_in_batches_are_answered_alike_and_leave_the_same_rows_and_events()
    {
        var singly = await PlayAsync(async (server, batch) =>
        {
            var answers = new List<string>();
            foreach (var (kind, run, attempt, body) in batch)
            {
                var answer = await server.SendAsync(HttpMethod.Post, $"/v1/runner/attempts/{run}/{attempt}/{kind}", "runner-r1", body);
                answers.Add($"{(int)answer.Status} {answer.Body}");
            }
            return answers;
        });
        var together = await PlayAsync(async (server, batch) =>
        {
            var calls = batch.Select(call => $$"""{"kind":"{{call.Kind}}","run":"{{call.Run}}","attempt":{{call.Attempt}},"body":{{call.Body}}}""");
            var answer = await server.SendAsync(HttpMethod.Post, "/v1/runner/calls", "runner-r1", $$"""{"calls":[{{string.Join(',', calls)}}]}""");
            return [.. answer.Json.GetProperty("answers").EnumerateArray().Select(one => $"{one.GetProperty("status").GetInt32()} {BodyOf(one)}")];
        });

        Assert.Equal(singly.Answers, together.Answers);
        Assert.Equal(singly.Rows, together.Rows);
        Assert.Equal(singly.Events, together.Events);
        Assert.Contains(singly.Answers, answer => answer.StartsWith("409", StringComparison.Ordinal));
        Assert.Contains(singly.Rows, row => row.Contains("AttemptState = running", StringComparison.Ordinal));
    }

    private static string End(string outcome, long bytes = 0) => $"\"outcome\":\"{outcome}\",\"reason\":\"because\",\"logBytes\":{bytes},\"logSha256\":\"{new string('0', 64)}\"";

    private static string BodyOf(JsonElement answer) =>
        (answer.TryGetProperty("payload", out var body) || answer.TryGetProperty("answer", out body) ? body : answer.GetProperty("problem")).GetRawText();

    private async Task<(List<string> Answers, List<string> Rows, List<string> Events)> PlayAsync(
        Func<TestServer, List<(string Kind, string Run, int Attempt, string Body)>, Task<List<string>>> send)
    {
        var time = new ManualTime(new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero));
        await using var runs = await RunsServer.StartAsync(kind, time: time);
        var (runner, stranger) = (await runs.RunnerAsync("r1", "one"), await runs.RunnerAsync("r2", "two"));
        await runner.OpenAsync();
        await stranger.OpenAsync();
        var ids = new List<string>();
        for (var i = 0; i < Runs; i++)
        {
            ids.Add(await runs.CreateAsync());
            time.Advance(TimeSpan.FromMilliseconds(1));
        }
        var foreign = await runs.CreateAsync(path: "/v1/workspaces/demo/collections/two/runs");
        Assert.Equal(ids.Order(), (await runner.PollAsync(Runs)).Value!.Offers.Select(offer => offer.Run).Order());
        await stranger.PollAsync();

        var answers = new List<string>();
        foreach (var batch in Script)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            answers.AddRange(await send(runs.Server, [.. batch.Select(call => (
                call.Kind, call.Run switch { -1 => NoRun, -2 => foreign, var i => ids[i] }, call.Attempt, $"{{\"session\":\"{runner.Session}\"{(call.Body.Length == 0 ? "" : ",")}{call.Body}}}"))]));
        }
        var rows = new List<string>();
        foreach (var run in ids)
            rows.Add((await runs.Get<RunStore>().FindAsync(run))!.ToString());
        var events = await runs.Server.Database.QueryAsync($"select event from audit_events order by seq", static row => row.GetString(0));
        Assert.True((await runs.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
        List<string> Plain(IEnumerable<string> texts) => [.. texts.Select(text => Nameless(text, [.. ids, foreign]))];

        // What different runs did at the same time has no order; what one did has.
        return (Plain(answers), Plain(rows), [.. Plain(events).Order(StringComparer.Ordinal)]);
    }

    private static string Nameless(string text, List<string> runs)
    {
        for (var i = 0; i < runs.Count; i++)
            text = text.Replace(runs[i], $"run {i}", StringComparison.Ordinal);
        return Regex.Replace(text, "(?<kind>[a-z]{2,4})_[0-9a-z]{26}|[0-9a-f]{8}-[0-9a-f-]{27}", "${kind}");
    }
}
