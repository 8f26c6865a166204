namespace Lanyard.Cli.Runner.Endpoint;

/// <summary>A token bucket: <paramref name="burst"/> requests at once, then <paramref name="perSecond"/>. Safe for many threads.</summary>
internal sealed class RequestBudget(int burst, double perSecond, TimeProvider time)
{
    private readonly Lock _gate = new();
    private double _left = burst;
    private long _last = time.GetTimestamp();

    public bool TryTake()
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            _left = Math.Min(burst, _left + (time.GetElapsedTime(_last, now).TotalSeconds * perSecond));
            _last = now;
            if (_left < 1)
            {
                return false;
            }

            _left--;
            return true;
        }
    }
}
