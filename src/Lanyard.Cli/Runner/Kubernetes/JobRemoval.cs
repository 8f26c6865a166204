using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Takes an attempt's Job away, with its pod.</summary>
internal sealed class JobRemoval(AttemptKey key, ClusterApi cluster, PodWatch watch, RunnerServices services)
{
    private static readonly TimeSpan Leaving = TimeSpan.FromSeconds(60);

    private string Name => JobManifest.NameOf(key);

    /// <summary>Deletes the Job and waits until its pod is gone or dead, for a while: a node that is lost never says so.</summary>
    /// <param name="uid">Of the Job; null: whether there is one is not known.</param>
    /// <param name="wanted">The Job that may have been made without an answer. Another of its name is left alone.</param>
    public async Task RunAsync(string? uid, JsonObject? wanted, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Leaving);
        var backoff = new Backoff(services.Time, TimeSpan.FromSeconds(2));
        var patience = new DenialPatience(services.Time);
        try
        {
            var answer = await DeleteAsync(uid, wanted, limit.Token);
            while (answer is not null && patience.MayPass(answer))
            {
                await backoff.WaitAsync(answer.RetryAfter, limit.Token);
                answer = await DeleteAsync(uid, wanted, limit.Token);
            }

            if (answer is null)
            {
                return;
            }

            while (true)
            {
                var next = watch.Next(Name);
                if (!watch.IsAnyAlive(Name))
                {
                    return;
                }

                await next.WaitAsync(limit.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            services.Log.JobStays(key);
        }
    }

    /// <summary>Null: there is none to delete.</summary>
    private async Task<KubeAnswer?> DeleteAsync(string? uid, JsonObject? wanted, CancellationToken cancellationToken)
    {
        if (uid is null && wanted is not null)
        {
            var found = await cluster.GetJobAsync(Name, cancellationToken);
            if (found is not { IsSuccess: true, Body: { } body })
            {
                return found;
            }

            uid = JobManifest.IsSame(body, wanted) ? JobManifest.UidOf(body) : null;
        }

        return uid is null ? null : await cluster.DeleteJobAsync(Name, uid, cancellationToken);
    }
}
