using Lanyard.Cli.Runner.Server;

namespace Lanyard.Cli.Runner.Opentofu;

/// <summary>A call about a plan or a state, made again for a while where it got no answer that counts: longer than the lease lasts, which ends the attempt before.</summary>
internal static class PatientCall
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <returns>The last answer; null: there was none.</returns>
    public static async Task<RawAnswer?> AskAsync(
        ControlPlane plane, TimeProvider time, HttpMethod method, AttemptKey key, string path, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(time, TimeSpan.FromSeconds(5));
        var began = time.GetTimestamp();
        while (true)
        {
            var answer = await plane.RawAsync(method, key, path, body, cancellationToken);
            if (answer is { IsPassing: false } || time.GetElapsedTime(began) > Patience)
            {
                return answer;
            }

            await backoff.WaitAsync(null, cancellationToken);
        }
    }
}
