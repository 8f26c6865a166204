using Lanyard.Cli.Runner.Server;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// Sends an attempt's log in order, one chunk at a time. The server's offset rules: a chunk that it has already is fine, a gap (416)
/// says where to go on, and after a cut the next chunk simply starts at what was last acknowledged.
/// </summary>
internal sealed class LogUploader(ControlPlane plane, AttemptKey key, AttemptLog log, int maxChunkBytes, TimeProvider time)
{
    /// <summary>Between chunks of a log that still grows: output of many small writes becomes few calls.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>Runs until the whole log is with the server (<c>Ok</c>), or the server wants nothing more of this attempt.</summary>
    public async Task<AnswerKind> RunAsync(CancellationToken cancellationToken)
    {
        var buffer = new byte[Math.Clamp(maxChunkBytes, 1024, 4 * 1024 * 1024)];
        var backoff = new Backoff(time);
        var offset = 0L;
        while (true)
        {
            var length = await log.WaitForMoreAsync(offset, cancellationToken);
            if (length <= offset)
            {
                return AnswerKind.Ok;
            }

            var read = await log.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, length - offset)), offset, cancellationToken);
            var answer = await plane.AppendLogAsync(key, offset, buffer.AsMemory(0, read), cancellationToken);
            if (answer.Kind is AnswerKind.Ok or AnswerKind.Gap && answer.Value is { NextOffset: var next } && next >= 0 && next <= length
                && next != offset)
            {
                offset = next;
                backoff.Reset();
                if (!log.IsComplete)
                {
                    await Task.Delay(Pause, time, cancellationToken);
                }
            }
            else if (answer.IsFinal)
            {
                return answer.Kind;
            }
            else
            {
                await backoff.WaitAsync(answer.RetryAfter, cancellationToken);
            }
        }
    }
}
