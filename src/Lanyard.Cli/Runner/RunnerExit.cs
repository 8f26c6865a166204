namespace Lanyard.Cli.Runner;

/// <summary>Exit codes of <c>lanyard runner</c>.</summary>
internal static class RunnerExit
{
    public const int Done = 0;

    /// <summary>With <c>--once</c>: the run did not succeed.</summary>
    public const int RunFailed = 1;

    public const int Usage = 2;

    /// <summary>Another process has taken this runner's place.</summary>
    public const int TakenOver = 3;

    /// <summary>This host can't give what was asked: no sandbox that works, or no sandbox and several collections.</summary>
    public const int NotSafe = 4;

    /// <summary>sysexits.h EX_SOFTWARE: no progress; a supervisor starts a fresh runner.</summary>
    public const int NoProgress = 70;
}
