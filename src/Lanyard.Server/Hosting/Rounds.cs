using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Hosting;

/// <summary>
/// What is done again and again in the background. Whatever goes wrong ends one round, not the rounds: a hosted service that lets anything out, were it a time-out of some
/// library in the form of a cancellation, takes the whole server with it.
/// </summary>
internal static partial class Rounds
{
    /// <summary>Until the server stops.</summary>
    /// <param name="name">For the log, such as <c>sweep of machines</c>.</param>
    /// <param name="isAtOnce">The first round is now, and not after the first pause.</param>
    public static async Task RepeatAsync(
        string name, TimeSpan every, Func<CancellationToken, Task> round, TimeProvider time, ILogger logger, CancellationToken stop, bool isAtOnce = false)
    {
        using var timer = new PeriodicTimer(every, time);
        if (isAtOnce) await TryAsync(name, round, logger, stop);
        try
        {
            while (await timer.WaitForNextTickAsync(stop)) await TryAsync(name, round, logger, stop);
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    /// <returns>Whether it went well.</returns>
    public static async Task<bool> TryAsync(string name, Func<CancellationToken, Task> round, ILogger logger, CancellationToken stop)
    {
        try
        {
            await round(stop);
            return true;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception exception)
        {
            Failed(logger, exception, name);
            return false;
        }
    }

    [LoggerMessage(LogLevel.Error, "The {Round} failed; it is tried again")]
    private static partial void Failed(ILogger logger, Exception exception, string round);
}
