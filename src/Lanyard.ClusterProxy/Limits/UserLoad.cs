namespace Lanyard.ClusterProxy.Limits;

/// <summary>What one user has running, and its allowance of requests (a token bucket). Guarded by its own lock.</summary>
internal sealed class UserLoad(int burst, long now)
{
    private double _allowance = burst;
    private long _filledAt = now;

    public int Short { get; private set; }

    public int Long { get; private set; }

    /// <summary>Swept away while nobody held it: whoever finds it must make a new one.</summary>
    public bool IsGone { get; private set; }

    /// <returns>Null when it may go on, else what is exhausted.</returns>
    public string? Enter(LimitOptions options, bool isLong, long now, long frequency)
    {
        var limit = isLong ? options.UserLongRunning : options.UserInFlight;
        if (limit > 0 && (isLong ? Long : Short) >= limit)
        {
            return isLong ? $"over {limit} streams of this user" : $"over {limit} requests of this user at once";
        }

        if (options.UserRate > 0)
        {
            _allowance = Math.Min(options.UserBurst, _allowance + ((now - _filledAt) * (double)options.UserRate / frequency));
            _filledAt = now;
            if (_allowance < 1)
            {
                return $"over {options.UserRate} requests a second of this user";
            }

            _allowance--;
        }

        _ = isLong ? Long++ : Short++;
        return null;
    }

    public void Leave(bool isLong) => _ = isLong ? Long-- : Short--;

    /// <summary>True, and gone, when it has nothing running and its allowance is full again.</summary>
    public bool TryRetire(LimitOptions options, long now, long frequency)
    {
        var full = options.UserRate == 0 || _allowance + ((now - _filledAt) * (double)options.UserRate / frequency) >= options.UserBurst;
        IsGone = Short == 0 && Long == 0 && full;
        return IsGone;
    }
}
