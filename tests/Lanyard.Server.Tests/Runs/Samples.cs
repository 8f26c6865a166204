using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;

namespace Lanyard.Server.Tests.Runs;

internal static class Samples
{
    public static RunRecord Queued(TimeProvider time, string id = "run_1", string collection = "col_1") => new(
        id, "ws_1", collection, collection, "run", 600, RunStates.Queued, 0, "", 0, null, null, 0, 0, 0, 0, 0, 0, null, null, 0, null, false, 0,
        time.GetUtcNow().ToUnixTimeMilliseconds(), 0, 1, 3);

    public static RunRecord Offered(RunRecord run, string runner, string session, int attempt, long deadline) => run with
    {
        State = RunStates.Queued,
        Attempt = attempt,
        AttemptState = AttemptStates.Offered,
        Runner = runner,
        Session = session,
        Deadline = deadline,
        AcceptedAt = 0,
        StartedAt = 0,
        EndedAt = 0,
        Outcome = null,
        Reason = null,
        Version = run.Version + 1,
    };
}
