using System.Collections.Concurrent;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

/// <summary>
/// What the API server of a private cluster says of a token whose signature is good (Kubernetes TokenReview): whether its service account and its pod are still there.
/// Nobody can call that API server from here, so the question waits in the database for a call of whoever pushes the cluster's keys (<see cref="ReviewPolls"/>), at
/// whatever replica. No answer is a refusal. An answer is kept for <see cref="KeptFor"/>.
/// </summary>
internal sealed class TokenReviews : IDisposable
{
    /// <summary>Notifications: a record has a question; a question has its answer (the payload is its id).</summary>
    public const string AskedChannel = "review-asked";
    public const string AnsweredChannel = "review-answered";

    /// <summary>For so long a pod's token is taken after its pod has gone.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(10);

    /// <summary>The longest wait for an answer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Questions of one record that wait here at one time.</summary>
    private const int MaxWaiting = 256;
    private const int MaxKept = 100_000;

    /// <summary>A word that came may have been lost; the row has the last word.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AlarmEvery = TimeSpan.FromMinutes(10);

    private readonly Database _database;
    private readonly Instance _instance;
    private readonly ReviewSeal _seal;
    private readonly AuditLog _audit;
    private readonly TimeProvider _time;
    private readonly ILogger<TokenReviews> _log;
    private readonly IDisposable _answers;
    private readonly ConcurrentDictionary<(string Record, TokenHash Token), Kept> _kept = new();
    private readonly ConcurrentDictionary<(string Record, TokenHash Token), Lazy<Task<Refusal?>>> _asking = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiting = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _count = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _alarmed = new(StringComparer.Ordinal);

    public TokenReviews(Database database, Instance instance, ReviewSeal seal, AuditLog audit, TimeProvider time, ILogger<TokenReviews> log)
    {
        (_database, _instance, _seal, _audit, _time, _log) = (database, instance, seal, audit, time, log);
        _answers = database.Notifications.Subscribe(AnsweredChannel, Wake);
    }

    /// <summary>Step 10 for a token of a cluster that wants it; a yes for every other.</summary>
    /// <param name="presented">The token as it came.</param>
    /// <param name="trace">With a trace the API server is asked anew.</param>
    public async ValueTask<Refusal?> CheckAsync(KnownIssuer record, VerifiedToken token, string presented, Trace? trace, CancellationToken cancellation)
    {
        if (!record.IsReviewed) return null;
        var key = (record.Record.Id, token.Sha256);
        if (trace is null && _kept.TryGetValue(key, out var kept) && _time.GetElapsedTime(kept.At) < KeptFor) return kept.Refusal;
        var asking = _asking.GetOrAdd(key, _ => new Lazy<Task<Refusal?>>(() => AskOnceAsync(key, record, token, presented)));
        var refusal = await asking.Value.WaitAsync(cancellation);
        if (refusal is null) trace?.Pass(Stage.Liveness, $"the API server of {record.PolicyName} knows the token (TokenReview)");
        return refusal;
    }

    /// <summary>Drops what nobody waits for any more.</summary>
    public async Task SweepAsync(CancellationToken cancellation)
    {
        foreach (var (key, kept) in _kept)
            if (_time.GetElapsedTime(kept.At) >= KeptFor) _kept.TryRemove(key, out _);
        await _database.ExecuteAsync($"delete from token_reviews where until <= {_time.GetUtcNow()}", cancellation);
    }

    public void Dispose() => _answers.Dispose();

    /// <summary>Not the caller's cancellation: others may wait for the same answer.</summary>
    private async Task<Refusal?> AskOnceAsync((string Record, TokenHash Token) key, KnownIssuer record, VerifiedToken token, string presented)
    {
        try
        {
            if (_count.AddOrUpdate(record.Record.Id, 1, static (_, n) => n + 1) > MaxWaiting)
                return new Refusal(RefusalReason.Unavailable, $"more than {MaxWaiting} tokens of {record.PolicyName} wait for their review");
            var refusal = await AskAsync(record, token, presented);
            // "Nobody answered" is no answer.
            if (refusal?.Reason != RefusalReason.Unavailable && _kept.Count < MaxKept) _kept[key] = new Kept(_time.GetTimestamp(), refusal);
            return refusal;
        }
        finally
        {
            _count.AddOrUpdate(record.Record.Id, 0, static (_, n) => n - 1);
            _asking.TryRemove(key, out _);
        }
    }

    private async Task<Refusal?> AskAsync(KnownIssuer record, VerifiedToken token, string presented)
    {
        var (id, now) = (Ids.New("rvw", _time), _time.GetUtcNow());
        IReadOnlyList<string> audiences = record.Issuer.Audiences.Count == 0 ? [_instance.Url] : record.Issuer.Audiences;
        var word = _waiting[id] = NewWord();
        try
        {
            await _database.ExecuteAsync(
                $"""
                insert into token_reviews (id, record, token, audiences, asked_at, until)
                values ({id}, {record.Record.Id}, {_seal.Close(presented, id)}, {JsonSerializer.Serialize(audiences, KeysJson.Default.IReadOnlyListString)}, {now}, {now + Patience})
                """);
            _database.Notifications.Publish(AskedChannel, record.Record.Id);
            if (await AnswerAsync(id, word) is { } answer) return Judge(answer, record, token, audiences);
            await AlarmAsync(record);
            return new Refusal(RefusalReason.Unavailable, $"the API server of {record.PolicyName} could not be asked: nobody answered within {Patience.TotalSeconds:0} s (lanyard runner --review-tokens)");
        }
        finally
        {
            _waiting.TryRemove(id, out _);
            await _database.ExecuteAsync($"delete from token_reviews where id = {id}");
        }
    }

    /// <returns>Null: there was none in time.</returns>
    private async Task<ReviewAnswer?> AnswerAsync(string id, TaskCompletionSource word)
    {
        for (var began = _time.GetTimestamp(); ;)
        {
            var rows = await _database.QueryAsync($"select answer from token_reviews where id = {id}", static row => row.GetStringOrNull(0));
            if (rows is [{ } json]) return JsonSerializer.Deserialize(json, KeysJson.Default.ReviewAnswer);
            if (rows.Count == 0 || _time.GetElapsedTime(began) >= Patience) return null;
            await Task.WhenAny(word.Task, Task.Delay(LookEvery, _time));
            if (word.Task.IsCompleted) word = _waiting[id] = NewWord();
        }
    }

    private static Refusal? Judge(ReviewAnswer answer, KnownIssuer record, VerifiedToken token, IReadOnlyList<string> audiences)
    {
        if (answer.Error is { } error) return new Refusal(RefusalReason.Unavailable, $"the API server of {record.PolicyName} could not be asked: {StaleKeys.Printable(error)}");
        if (!answer.Authenticated) return new Refusal(RefusalReason.SubjectEnded, $"the API server of {record.PolicyName} no longer takes the token: its service account or its pod is gone");
        if (answer.Username != token.Subject)
            return new Refusal(RefusalReason.SubjectEnded, $"the API server of {record.PolicyName} says that it is {StaleKeys.Printable(answer.Username ?? "nobody")}, and not {token.Subject}");
        return answer.Audiences is { } taken && taken.Intersect(audiences, StringComparer.Ordinal).Any()
            ? null
            : new Refusal(RefusalReason.SubjectEnded, $"the API server of {record.PolicyName} does not take the token for any of its audiences");
    }

    private async Task AlarmAsync(KnownIssuer record)
    {
        var now = _time.GetTimestamp();
        if (_alarmed.TryGetValue(record.Record.Id, out var before) && _time.GetElapsedTime(before, now) < AlarmEvery) return;
        _alarmed[record.Record.Id] = now;
        _log.ReviewsUnanswered(record.Record.Id);
        await _audit.RecordAsync(new AuditEvent("reviews.unanswered")
        {
            WorkspaceId = record.Record.WorkspaceId,
            Target = record.Record.Id,
            Details = new Dictionary<string, string> { ["alarm"] = "true", ["reason"] = "nobody asks the cluster's API server about tokens" },
        });
    }

    private void Wake(string? id)
    {
        if (id is null) foreach (var word in _waiting.Values) word.TrySetResult();
        else if (_waiting.TryGetValue(id, out var word)) word.TrySetResult();
    }

    private static TaskCompletionSource NewWord() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed record Kept(long At, Refusal? Refusal);
}
