namespace Lanyard.Cli.Runner;

/// <summary>
/// How far polls are apart that bring no work. An attempt that is being canceled, or whose end is on its way, makes the server answer at once until that is over: the first such
/// answer costs a busy runner nothing, and many of them end in a poll a second.
/// </summary>
internal sealed class PollPace
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);
    private TimeSpan _apart;

    /// <param name="broughtWork">Offers.</param>
    /// <param name="took">The poll, from its sending on.</param>
    /// <returns>How long to wait before the next.</returns>
    public TimeSpan After(bool broughtWork, TimeSpan took)
    {
        if (broughtWork || took >= Longest)
        {
            _apart = TimeSpan.Zero;
            return TimeSpan.Zero;
        }

        var left = _apart - took;
        _apart = _apart == TimeSpan.Zero ? First : _apart * 2 > Longest ? Longest : _apart * 2;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
