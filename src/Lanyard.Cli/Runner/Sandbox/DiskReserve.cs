namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>An attempt's share of the disk that all attempts write to.</summary>
internal sealed class DiskUser(Func<long> measure)
{
    private volatile bool _isCondemned;

    /// <summary>It uses most while too little is free.</summary>
    public bool IsCondemned => _isCondemned;

    public long Measure() => measure();

    public void Condemn() => _isCondemned = true;
}

/// <summary>
/// Keeps some of the disk free for the runner and for everybody else: below that, the attempt that uses most is condemned, one at a time. Those that use
/// little are left alone.
/// </summary>
internal sealed class DiskReserve(string folder, long reserve)
{
    /// <summary>Ending who uses less than this frees nothing.</summary>
    private const long Little = 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly List<DiskUser> _users = [];

    public void Enter(DiskUser user)
    {
        lock (_gate)
        {
            _users.Add(user);
        }
    }

    public void Leave(DiskUser user)
    {
        lock (_gate)
        {
            _users.Remove(user);
        }
    }

    /// <summary>How many bytes are free, where that is less than must stay free. What can't be asked is not said to be full.</summary>
    public long? Shortage()
    {
        try
        {
            return Free() is var free && free < reserve ? free : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Cheap while enough is free.</summary>
    public void Look()
    {
        if (Free() >= reserve)
        {
            return;
        }

        lock (_gate)
        {
            // Who was condemned just now gives its space back first.
            if (!_users.Exists(static user => user.IsCondemned)
                && _users.Select(static user => (User: user, Bytes: user.Measure())).MaxBy(static measured => measured.Bytes) is { User: { } most, Bytes: > Little })
            {
                most.Condemn();
            }
        }
    }

    private long Free() => new DriveInfo(folder).AvailableFreeSpace;
}
