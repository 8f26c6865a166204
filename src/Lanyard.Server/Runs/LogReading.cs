using Lanyard.Protocol.Runs;

namespace Lanyard.Server.Runs;

/// <param name="Bytes">Stands at the offset; null when there is nothing behind it now.</param>
/// <param name="Length">Bytes from there to the present end; the stream may grow beyond it.</param>
/// <param name="IsOver">Nothing more will come after these bytes.</param>
internal sealed record OpenedLog(int Attempt, Stream? Bytes, long Length, bool IsOver);

/// <summary>Gives logs out, at once or, for those who follow, when there is something new.</summary>
internal sealed class LogReading(RunLogs logs, LogSignals signals, RunStore store, TimeProvider time)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(25);

    /// <summary>Another replica may have written: so often the file itself is looked at.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <param name="attempt">0: the last that has a log, or else the last.</param>
    public async Task<OpenedLog> OpenAsync(RunRecord run, int attempt, long offset, bool follow, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var chosen = attempt != 0 ? attempt : LastWithLog(run);
            var next = signals.Next(run.Id, chosen);
            var isOver = run.IsFinal || chosen < run.Attempt;
            if (logs.Length(run.Id, chosen) is var length && length > offset)
                return new(chosen, logs.OpenRead(run.Id, chosen, offset), length - offset, isOver);
            if (!follow || isOver || time.GetElapsedTime(began) >= LongestWait)
                return new(chosen, null, 0, isOver);
            try
            {
                await next.WaitAsync(Look, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                // Looks again.
            }
            run = await store.FindAsync(run.Id, cancellationToken) ?? run;
        }
    }

    private int LastWithLog(RunRecord run)
    {
        for (var attempt = run.Attempt; attempt > 0; attempt--)
        {
            if (run.Attempt == attempt && run.AttemptState is AttemptStates.Accepted or AttemptStates.Running or AttemptStates.Canceling
                || logs.Length(run.Id, attempt) > 0)
                return attempt;
        }
        return run.Attempt;
    }
}
