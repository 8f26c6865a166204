using Lanyard.Cli.Runner.Logs;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>One step's process from its start to its end: output, limits of time and silence, and the end of all of it.</summary>
internal sealed class StepExecution(AttemptPayload payload, StepPlace place, AttemptLog log, StopSwitch stop, TimeProvider time)
{
    /// <summary>No attempt may take so long.</summary>
    private static readonly TimeSpan LongerThanAll = TimeSpan.FromDays(40);
    private static readonly TimeSpan LastOutput = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(50);
    private long _lastOutput;

    /// <summary>The outcome and state for a stop.</summary>
    public static string StateOf(StopReason reason) => reason is StopReason.TimedOut ? RunStates.TimedOut : RunStates.Canceled;

    public async Task<StepResult> RunAsync(StepPayload step, StepCommand command)
    {
        stop.Stopped.ThrowIfCancellationRequested();
        using var process = await place.StartAsync(command);
        using var copying = new CancellationTokenSource();
        Volatile.Write(ref _lastOutput, time.GetTimestamp());
        var copied = CopyAsync(process.Output, copying.Token);
        var exited = process.WaitAsync();
        using var over = new CancellationTokenSource();
        var watched = place.WatchAsync(process, over.Token);
        var timedOut = await TimesOutAsync(exited, step);
        if (!exited.IsCompleted)
        {
            await EndAsync(process, exited);
        }

        var exit = await exited;
        await over.CancelAsync();
        var exceeded = await watched;
        if (!await EndsWithinAsync(copied, LastOutput))
        {
            await copying.CancelAsync();
        }

        return Judge(exit, timedOut, exceeded);
    }

    /// <summary>A step without a limit of its own has the attempt's, which can be extended.</summary>
    private TimeSpan LimitOf(StepPayload step) => step.TimeoutSeconds >= payload.TimeoutSeconds ? LongerThanAll : TimeSpan.FromSeconds(step.TimeoutSeconds);

    private StepResult Judge(StepExit exit, string? timedOut, string? exceeded)
    {
        if (stop.Reason is not StopReason.None)
        {
            return new StepResult(StateOf(stop.Reason), exit);
        }

        if (exceeded is not null)
        {
            log.AppendNote(exceeded);
            return new StepResult(RunStates.Failed, exit, exceeded);
        }

        if (timedOut is not null)
        {
            log.AppendNote(timedOut);
            return new StepResult(RunStates.TimedOut, exit, timedOut);
        }

        if (exit.IsSuccess)
        {
            return new StepResult(RunStates.Succeeded, exit);
        }

        var reason = exit.Signal is { } signal ? $"the step was ended by signal {signal}" : $"the step exited with code {exit.ExitCode}";
        reason += exit.IsOutOfMemory ? ": it reached its memory limit, and the kernel killed a process of it (OOMKilled)" : "";
        log.AppendNote(reason);
        return new StepResult(RunStates.Failed, exit, reason);
    }

    /// <summary>What has taken too long, for people; null when the process ended or the attempt is being stopped.</summary>
    private async Task<string?> TimesOutAsync(Task exited, StepPayload step)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop.Stopped);
        var began = time.GetTimestamp();
        var limit = LimitOf(step);
        var silence = payload.SilenceSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : Timeout.InfiniteTimeSpan;
        while (true)
        {
            var left = limit - time.GetElapsedTime(began);
            var quiet = silence == Timeout.InfiniteTimeSpan ? left : silence - time.GetElapsedTime(Volatile.Read(ref _lastOutput));
            if (left <= TimeSpan.Zero)
            {
                return $"the step took longer than its {step.TimeoutSeconds} s";
            }

            if (quiet <= TimeSpan.Zero)
            {
                return $"the step has written nothing for {payload.SilenceSeconds} s";
            }

            await Task.WhenAny(exited, Task.Delay(quiet < left ? quiet : left, time, over.Token));
            if (exited.IsCompleted || stop.Stopped.IsCancellationRequested)
            {
                await over.CancelAsync();
                return null;
            }
        }
    }

    private async Task<bool> EndsWithinAsync(Task task, TimeSpan limit)
    {
        using var over = new CancellationTokenSource();
        var first = await Task.WhenAny(task, Task.Delay(limit, time, over.Token));
        await over.CancelAsync();
        return first == task;
    }

    /// <summary>SIGTERM, the grace period, SIGKILL. The signal is repeated until there was somebody to hear it: the sandbox may still be starting.</summary>
    private async Task EndAsync(RunningStep process, Task exited)
    {
        log.AppendNoteMeanwhile(stop.Reason is StopReason.None ? "time is over: the step is asked to end" : "the step is asked to end");
        var grace = TimeSpan.FromSeconds(payload.GraceSeconds);
        using var over = new CancellationTokenSource(grace, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, stop.Killed);
        try
        {
            while (!process.Terminate())
            {
                await Task.Delay(AskAgain, time, either.Token);
            }

            await exited.WaitAsync(either.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
        }
    }

    private async Task CopyAsync(Stream output, CancellationToken cancellationToken)
    {
        var buffer = new byte[32 * 1024];
        try
        {
            while (await output.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                Volatile.Write(ref _lastOutput, time.GetTimestamp());
                log.Append(buffer.AsSpan(0, read));
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // The pipe is gone with the process.
        }
    }
}
