using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>The other end of <see cref="TokenReviews"/>: hands questions to whoever pushes a cluster's keys, and takes the answers.</summary>
internal sealed class ReviewPolls(Database database, ReviewSeal seal, TimeProvider time)
{
    private const int MaxBatch = 32;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    /// <summary>An answer to a question of another record, or to one that is over, is nobody's.</summary>
    public async Task TakeAsync(IReadOnlyList<string> records, IReadOnlyList<ReviewAnswer> answers, CancellationToken cancellation)
    {
        foreach (var answer in answers)
        {
            var json = JsonSerializer.Serialize(answer, KeysJson.Default.ReviewAnswer);
            foreach (var record in records)
            {
                if (await database.ExecuteAsync($"update token_reviews set answer = {json} where id = {answer.Id} and record = {record} and answer is null", cancellation) == 0) continue;
                database.Notifications.Publish(TokenReviews.AnsweredChannel, answer.Id);
                break;
            }
        }
    }

    /// <summary>Waits for questions about tokens of these records; empty when none came.</summary>
    public async Task<IReadOnlyList<ReviewQuestion>> WaitAsync(IReadOnlyList<string> records, TimeSpan wait, CancellationToken cancellation)
    {
        var word = new Word();
        using var asked = database.Notifications.Subscribe(TokenReviews.AskedChannel, record =>
        {
            if (record is null || records.Contains(record, StringComparer.Ordinal)) word.Say();
        });
        for (var began = time.GetTimestamp(); ;)
        {
            var said = word.Next();
            if (await LookAsync(records, cancellation) is { Count: > 0 } found) return found;
            var left = wait - time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero) return [];
            await Task.WhenAny(said, Task.Delay(left < LookEvery ? left : LookEvery, time, cancellation));
            cancellation.ThrowIfCancellationRequested();
        }
    }

    private async Task<List<ReviewQuestion>> LookAsync(IReadOnlyList<string> records, CancellationToken cancellation)
    {
        var found = new List<ReviewQuestion>();
        var now = time.GetUtcNow();
        foreach (var record in records)
        {
            found.AddRange(await database.QueryAsync(
                $"select id, token, audiences from token_reviews where record = {record} and answer is null and until > {now} order by asked_at limit {MaxBatch}",
                row => new ReviewQuestion(
                    row.GetString(0), seal.Open(row.GetString(1), row.GetString(0)), JsonSerializer.Deserialize(row.GetString(2), KeysJson.Default.IReadOnlyListString)!),
                cancellation));
        }

        return found;
    }

    /// <summary>Whether something was said since the last look.</summary>
    private sealed class Word
    {
        private TaskCompletionSource _source = New();

        public void Say() => Volatile.Read(ref _source).TrySetResult();

        public Task Next()
        {
            var next = New();
            Volatile.Write(ref _source, next);
            return next.Task;
        }

        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
