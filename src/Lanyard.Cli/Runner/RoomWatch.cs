using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner;

/// <summary>Whether a further run could begin, whatever slots are free. That it could not, and that it can again, is said once.</summary>
internal sealed class RoomWatch(Executor executor, ILogger log)
{
    private int _isFull;

    /// <summary>What is missing, by its code; null: one could begin.</summary>
    public string? Look()
    {
        var shortage = executor.NoRoom;
        var isFull = shortage is null ? 0 : 1;
        if (Interlocked.Exchange(ref _isFull, isFull) != isFull)
        {
            if (shortage is not null)
            {
                log.TakesNothing(shortage.Text);
            }
            else
            {
                log.TakesRunsAgain();
            }
        }

        return shortage?.Code;
    }
}
