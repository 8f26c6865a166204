using Lanyard.Cli.Runner.Server;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Takes an attempt's Job away, with its pod.</summary>
internal sealed class JobRemoval(AttemptKey key, ClusterApi cluster, PodWatch watch, RunnerServices services)
{
    private static readonly TimeSpan Leaving = TimeSpan.FromSeconds(60);

    private string Name => JobManifest.NameOf(key);

    /// <summary>Deletes the Job and waits until its pod is gone or dead, for a while: a node that is lost never says so.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Leaving);
        var backoff = new Backoff(services.Time, TimeSpan.FromSeconds(2));
        try
        {
            while (await cluster.DeleteJobAsync(Name, limit.Token) is { IsPassing: true })
            {
                await backoff.WaitAsync(null, limit.Token);
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
}
