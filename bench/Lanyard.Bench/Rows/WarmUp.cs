namespace Lanyard.Bench.Rows;

/// <summary>
/// What runs before the first round counts: a process compiles its code while it runs, hot code several times, and a server's figure is that of the weeks
/// behind its first minute. Peers are warmed up in the same way.
/// </summary>
internal static class WarmUp
{
    private const int Least = 4;
    private const int Most = 15;

    /// <summary>A slice that is not faster than the best one before by this factor: it has settled.</summary>
    private const double Settled = 1.03;

    /// <param name="slice">Works for two or three seconds.</param>
    /// <returns>A rate; more is better.</returns>
    public static async Task RunAsync(Func<Task<double>> slice)
    {
        var best = 0.0;
        for (var i = 1; i <= Most; i++)
        {
            var rate = await slice();
            if (i >= Least && rate < best * Settled)
                return;
            best = Math.Max(best, rate);
        }
    }
}
