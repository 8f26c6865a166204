using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner;

/// <summary>Whether a further run could begin, whatever slots are free. That it could not, and that it can again, is said once.</summary>
internal sealed class RoomWatch(Executor executor, ILogger log)
{
    private int _isFull;

    public bool IsThere()
    {
        var reason = executor.NoRoom;
        var isFull = reason is null ? 0 : 1;
        if (Interlocked.Exchange(ref _isFull, isFull) != isFull)
        {
            if (reason is not null)
            {
                log.TakesNothing(reason);
            }
            else
            {
                log.TakesRunsAgain();
            }
        }

        return reason is null;
    }
}
