using System.Globalization;
using Lanyard.ClusterProxy.Limits;

namespace Lanyard.ClusterProxy;

/// <summary>The flags of limits; 0 always means none.</summary>
internal static class LimitFlags
{
    public static readonly IReadOnlyList<Flag> Flags =
    [
        new("--max-requests-inflight", "Short requests at once (default 3000); 0 for no limit."),
        new("--max-long-running", "Watches, execs and other streams at once (default 20000)."),
        new("--max-user-requests-inflight", "Short requests of one user at once (default 1000)."),
        new("--max-user-long-running", "Streams of one user at once (default 10000)."),
        new("--max-user-requests-per-second", "Requests a second of one user (default 0, no limit)."),
        new("--max-user-burst", "Requests that one user may send at once after a pause (default 200)."),
        new("--max-request-body-bytes", "Bytes of a request's body (default 104857600)."),
    ];

    public static LimitOptions Read(CommandLine line)
    {
        var standard = LimitOptions.Default;
        var limits = new LimitOptions
        {
            InFlight = (int)Number(line, "--max-requests-inflight", standard.InFlight, int.MaxValue),
            LongRunning = (int)Number(line, "--max-long-running", standard.LongRunning, int.MaxValue),
            UserInFlight = (int)Number(line, "--max-user-requests-inflight", standard.UserInFlight, int.MaxValue),
            UserLongRunning = (int)Number(line, "--max-user-long-running", standard.UserLongRunning, int.MaxValue),
            UserRate = (int)Number(line, "--max-user-requests-per-second", standard.UserRate, int.MaxValue),
            UserBurst = (int)Number(line, "--max-user-burst", standard.UserBurst, int.MaxValue),
            MaxBody = Number(line, "--max-request-body-bytes", standard.MaxBody, long.MaxValue),
        };
        if (limits.UserBurst < 1)
        {
            line.Mistakes.Add("--max-user-burst", "must be at least 1");
        }

        return limits;
    }

    internal static long Number(CommandLine line, string name, long standard, long max)
    {
        if (line.Text(name) is not { } text)
        {
            return standard;
        }

        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= max)
        {
            return number;
        }

        line.Mistakes.Add(name, "must be a whole number");
        return standard;
    }
}
