namespace Lanyard.Testing;

/// <summary>Lets time pass for code that sleeps, steps of a quarter of a second, each only when it does sleep: nothing is late because the machine is slow.</summary>
public static class PassingTime
{
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(0.25);

    /// <summary>Until the task has come to its end, or for as long as it may take.</summary>
    /// <param name="sleepers">How many timers wait where everything sleeps.</param>
    /// <exception cref="TimeoutException">It takes longer.</exception>
    public static async Task<T> PassAsync<T>(this ManualTime time, Task<T> running, TimeSpan longest, int sleepers = 1)
    {
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(running);
        var until = time.GetUtcNow() + longest;
        while (await SleepsAsync(time, running, sleepers) && time.GetUtcNow() < until)
        {
            time.Advance(Step);
        }

        return await running.WaitAsync(running.IsCompleted ? Timeout.InfiniteTimeSpan : TimeSpan.Zero);
    }

    /// <summary>For a while, whatever goes on in it.</summary>
    /// <inheritdoc cref="PassAsync{T}"/>
    public static async Task PassAsync(this ManualTime time, TimeSpan span, int sleepers = 1) =>
        await PassAsync(time, Task.Delay(span, time).ContinueWith(static _ => 0, TaskScheduler.Default), span * 2, sleepers + 1);

    private static async Task<bool> SleepsAsync(ManualTime time, Task running, int sleepers)
    {
        bool Sleeps() => running.IsCompleted || time.TimerCount >= sleepers;
        for (var turn = 0; turn < 1000 && !Sleeps(); turn++) Thread.Yield();
        await Eventually.HoldsAsync(() => Task.FromResult(Sleeps()), "everything sleeps");
        return !running.IsCompleted;
    }
}
