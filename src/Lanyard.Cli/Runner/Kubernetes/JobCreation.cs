using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Makes an attempt's Job, or finds that an earlier process of this runner has made it. What passes by itself is waited for.</summary>
internal sealed class JobCreation(AttemptKey key, KubernetesSettings settings, ClusterApi cluster, RunnerServices services, StopSwitch stop)
{
    /// <summary>
    /// An API server that has just started says 403 to everybody until it has read its roles, and "not yet ready" from its admission plugins with the
    /// same status; a quota frees itself. Who is really not allowed hears it after this.
    /// </summary>
    private static readonly TimeSpan MayBeDenied = TimeSpan.FromSeconds(30);

    private readonly string _name = JobManifest.NameOf(key);

    /// <summary>Of the Job, once it is there.</summary>
    public string? Uid { get; private set; }

    /// <summary>Null when the Job is there.</summary>
    public async Task<PodVerdict?> RunAsync(JsonObject body)
    {
        var began = services.Time.GetTimestamp();
        long? denied = null;
        var backoff = new Backoff(services.Time, TimeSpan.FromSeconds(5));
        while (services.Time.GetElapsedTime(began) < settings.StartLimit && stop.Reason is StopReason.None)
        {
            var answer = await cluster.CreateJobAsync(body, stop.Silenced);
            if (answer.IsConflict)
            {
                answer = await cluster.GetJobAsync(_name, stop.Silenced);
                if (answer.IsSuccess && !JobManifest.IsSame(answer.Body!, body))
                {
                    return new(AttemptOutcomes.RunnerError, $"there is another Job {_name}, which is not this attempt's", 0);
                }
            }

            if (answer.IsSuccess)
            {
                Uid = JobManifest.UidOf(answer.Body!);
                return null;
            }

            denied = answer.IsDenied ? denied ?? services.Time.GetTimestamp() : null;
            var mayPass = answer.IsPassing || answer.IsMissing || (denied is { } since && services.Time.GetElapsedTime(since) < MayBeDenied);
            if (!mayPass)
            {
                return new(answer.Status == 422 ? RunStates.Failed : AttemptOutcomes.RunnerError, $"the API server does not take the Job: {answer.Message}", 0);
            }

            services.Log.JobNotTaken(key, answer.Message);
            await backoff.WaitAsync(null, stop.Silenced);
        }

        return stop.Reason is StopReason.None ? new(AttemptOutcomes.RunnerError, "the API server could not be reached", 0) : PodVerdict.CanceledBeforeStart;
    }
}
