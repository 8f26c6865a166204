using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Makes an attempt's Job, or finds that an earlier process of this runner has made it. What passes by itself is waited for.</summary>
internal sealed class JobCreation(AttemptKey key, KubernetesSettings settings, ClusterApi cluster, RunnerServices services, StopSwitch stop)
{
    private readonly string _name = JobManifest.NameOf(key);

    /// <summary>Of the Job, once it is there.</summary>
    public string? Uid { get; private set; }

    /// <summary>Null when the Job is there.</summary>
    public async Task<PodVerdict?> RunAsync(JsonObject body)
    {
        var began = services.Time.GetTimestamp();
        var patience = new DenialPatience(services.Time);
        var backoff = new Backoff(services.Time, TimeSpan.FromSeconds(5));
        var last = "";
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

            if (answer.IsSuccess && JobManifest.UidOf(answer.Body!) is { } uid)
            {
                Uid = uid;
                return null;
            }

            if (!patience.MayPass(answer) && !MayBecomeFree(answer))
            {
                return new(answer.Status == 422 ? RunStates.Failed : AttemptOutcomes.RunnerError, $"the API server does not take the Job: {answer.Message}", 0);
            }

            last = answer.Message;
            services.Log.JobNotTaken(key, last);
            await backoff.WaitAsync(answer.RetryAfter, stop.Silenced);
        }

        return stop.Reason is StopReason.None
            ? new(AttemptOutcomes.RunnerError, $"the API server did not take the Job within {settings.StartLimit.TotalMinutes:0} minutes: {last}", 0)
            : PodVerdict.CanceledBeforeStart;
    }

    /// <summary>A name whose Job is just going (404 after 409), a namespace that is just being made, a quota that others use up now.</summary>
    private static bool MayBecomeFree(KubeAnswer answer) =>
        answer.IsMissing || answer.IsConflict || answer.IsSuccess || (answer.IsDenied && answer.Message.Contains("exceeded quota", StringComparison.Ordinal));
}
