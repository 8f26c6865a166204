namespace Lanyard.Testing;

/// <summary>For things outside the process that give no event to wait for: asks again until it holds, with a deadline.</summary>
public static class Eventually
{
    /// <summary>Asks every 100 ms, for 120 s unless told; fails with <paramref name="what"/>.</summary>
    public static Task HoldsAsync(Func<Task<bool>> condition, string what, TimeSpan? deadline = null) => HoldsAsync(condition, () => what, deadline);

    /// <summary>As the other, for words that show what others have said: they are asked for at the end, and not before the waiting.</summary>
    public static async Task HoldsAsync(Func<Task<bool>> condition, Func<string> what, TimeSpan? deadline = null)
    {
        using var limit = new CancellationTokenSource(deadline ?? TimeSpan.FromSeconds(120));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (!await condition())
        {
            try
            {
                await tick.WaitForNextTickAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Awaited in vain: {what()}.");
            }
        }
    }
}
