using System.Text.Json;
using Lanyard.Protocol.Runs;

namespace Lanyard.Testing.Runs;

/// <summary>What <see cref="FakeControlPlane"/> answers to one of several calls that came together.</summary>
internal static class FakeBatch
{
    /// <param name="fault">One that breaks connections is a failure of this call alone: done where the answer is lost.</param>
    public static BatchedAnswer Answer(BatchedCall call, FakeAttempt attempt, Fault fault) => fault switch
    {
        Fault.None => Do(call, attempt),
        Fault.Stale => new BatchedAnswer(409),
        Fault.Over => new BatchedAnswer(410),
        Fault.LoseAnswer => Do(call, attempt) with { Status = 503, Payload = null, Answer = null },
        _ => new BatchedAnswer(503),
    };

    private static BatchedAnswer Do(BatchedCall call, FakeAttempt attempt)
    {
        lock (attempt)
        {
            switch (call.Kind)
            {
                case BatchedKinds.Accept:
                    attempt.Accepts++;
                    attempt.State = AttemptStates.Accepted;
                    return new BatchedAnswer(200, attempt.Payload);
                case BatchedKinds.Start:
                    attempt.Starts++;
                    attempt.State = AttemptStates.Running;
                    break;
                default:
                    attempt.End(call.Body.Deserialize(RunnerJson.Default.EndRequest)!);
                    break;
            }

            return new BatchedAnswer(200, Answer: new AttemptAnswer(attempt.State));
        }
    }
}
