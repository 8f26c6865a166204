using System.Threading.Channels;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>
/// Tells the server how steps go, in order and in the background: a short cut of the network does not hold a step up, and nothing
/// is lost by it.
/// </summary>
internal sealed class StepReports(ControlPlane plane, AttemptKey key, StopSwitch stop, TimeProvider time)
{
    private readonly Channel<(int Index, StepReport Report)> _queue = Channel.CreateUnbounded<(int, StepReport)>();

    public void Add(int index, string state, int? exitCode = null, int? signal = null) =>
        _queue.Writer.TryWrite((index, new StepReport("", state, exitCode, signal)));

    public void Complete() => _queue.Writer.TryComplete();

    /// <summary>Ends when everything is told after <see cref="Complete"/>, or the server wants nothing more of the attempt.</summary>
    public async Task RunAsync()
    {
        var backoff = new Backoff(time);
        await foreach (var (index, report) in _queue.Reader.ReadAllAsync(stop.Silenced))
        {
            while (true)
            {
                var answer = await plane.ReportStepAsync(key, index, report, stop.Silenced);
                if (answer.Kind is AnswerKind.Stale or AnswerKind.Over)
                {
                    stop.Stop(StopReason.Abandoned);
                    return;
                }

                if (answer.Kind is AnswerKind.Ok or AnswerKind.Refused)
                {
                    backoff.Reset();
                    break;
                }

                await backoff.WaitAsync(answer.RetryAfter, stop.Silenced);
            }
        }
    }
}
