using System.Collections.Concurrent;

namespace Lanyard.Server.Runs;

/// <summary>Wakes those who follow a log on this replica. Nothing is kept for a log that nobody follows.</summary>
internal sealed class LogSignals
{
    private readonly ConcurrentDictionary<(string Run, int Attempt), TaskCompletionSource> _followers = new();

    /// <summary>Completes when the log grows or ends; to be taken before looking.</summary>
    public Task Next(string run, int attempt) =>
        _followers.GetOrAdd((run, attempt), static _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public void Appended(string run, int attempt)
    {
        if (_followers.TryRemove((run, attempt), out var signal))
            signal.TrySetResult();
    }
}
