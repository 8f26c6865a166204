using System.Collections.Concurrent;
using System.Globalization;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>Wakes those who wait for an attempt to go on, on whatever replica it does. Nothing is kept for an attempt that nobody waits for.</summary>
internal sealed class AttemptNews : IDisposable
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiting = new(StringComparer.Ordinal);
    private readonly IDisposable _subscription;

    public AttemptNews(Database database) => _subscription = database.Notifications.Subscribe(AttemptLiveness.Channel, Tell);

    /// <summary>Completes with the attempt's next change; to be taken before looking.</summary>
    public Task Next(string run, int attempt) =>
        _waiting.GetOrAdd(
            string.Create(CultureInfo.InvariantCulture, $"{run} {attempt}"),
            static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public void Dispose() => _subscription.Dispose();

    private void Tell(string? attempt)
    {
        foreach (var key in attempt is null ? [.. _waiting.Keys] : (IReadOnlyCollection<string>)[attempt])
        {
            if (_waiting.TryRemove(key, out var waiting))
                waiting.TrySetResult();
        }
    }
}
