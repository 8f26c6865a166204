using System.Security.Cryptography;

namespace Lanyard.Cli.Runner.Server;

/// <summary>Exponential backoff with full jitter; a server's <c>Retry-After</c> is the least that is waited, up to a minute.</summary>
internal sealed class Backoff(TimeProvider time, TimeSpan? longest = null)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan MaxRetryAfter = TimeSpan.FromMinutes(1);
    private readonly TimeSpan _longest = longest ?? TimeSpan.FromSeconds(15);
    private int _failures;

    public void Reset() => _failures = 0;

    public Task WaitAsync(TimeSpan? retryAfter, CancellationToken cancellationToken) => Task.Delay(Next(retryAfter), time, cancellationToken);

    internal TimeSpan Next(TimeSpan? retryAfter)
    {
        var window = TimeSpan.FromTicks(Math.Min(_longest.Ticks, First.Ticks << Math.Min(_failures++, 20)));
        var least = retryAfter is { } asked && asked > TimeSpan.Zero ? asked : TimeSpan.Zero;
        return (least > MaxRetryAfter ? MaxRetryAfter : least) + (window * Jitter.Fraction());
    }
}

/// <summary>Random spread, so that many runners do not come at the same moment.</summary>
internal static class Jitter
{
    /// <summary>Uniform in 0 to 1.</summary>
    public static double Fraction() => RandomNumberGenerator.GetInt32(1 << 20) / (double)(1 << 20);
}
