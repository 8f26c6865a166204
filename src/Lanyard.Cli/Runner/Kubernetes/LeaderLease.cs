using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// Which of several replicas of a runner speaks: whoever holds a <c>Lease</c> (coordination.k8s.io/v1). Each replica trusts its own clock alone: a holder
/// is gone when its record has not changed for the lease's length as this replica has seen it. Should two believe that they lead all the same, the
/// server's session fences the older one.
/// </summary>
internal sealed class LeaderLease(ClusterApi cluster, string name, string identity, TimeProvider time, ILogger log) : IAsyncDisposable
{
    private const int Seconds = 15;
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(Seconds);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan GiveUp = TimeSpan.FromSeconds(10);
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;
    private string _seen = "";
    private long _seenAt = time.GetTimestamp();
    private bool _leads;

    /// <summary>Another replica leads, or may do so by now.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Returns when this replica leads.</summary>
    public async Task AcquireAsync(CancellationToken cancellationToken)
    {
        var isTold = false;
        while (!await TryAsync(cancellationToken))
        {
            if (!isTold)
            {
                log.StandsBy(name);
                isTold = true;
            }

            await Task.Delay(Retry * (0.8 + (0.4 * Jitter.Fraction())), time, cancellationToken);
        }

        _leads = true;
        log.Leads(name, identity);
        _keeping = KeepAsync();
    }

    /// <summary>Gives the lease back, so that another replica need not wait for its end.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _keeping;
        if (_leads && !_lost.IsCancellationRequested)
        {
            using var limit = new CancellationTokenSource(Retry, time);
            try
            {
                await TryAsync(limit.Token, gives: true);
            }
            catch (OperationCanceledException)
            {
                // It ends by itself.
            }
        }

        _stop.Dispose();
        _lost.Dispose();
    }

    private async Task KeepAsync()
    {
        var renewed = time.GetTimestamp();
        try
        {
            while (time.GetElapsedTime(renewed) < GiveUp)
            {
                await Task.Delay(Retry, time, _stop.Token);
                var before = time.GetTimestamp();
                if (await TryWithinAsync(GiveUp - time.GetElapsedTime(renewed)))
                {
                    renewed = before;
                }
            }

            log.LeadsNoMore(name);
            await _lost.CancelAsync();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The runner goes.
        }
    }

    /// <summary>An API server that hangs must not make this replica believe in its lease for longer than it has it.</summary>
    private async Task<bool> TryWithinAsync(TimeSpan left)
    {
        using var limit = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
        try
        {
            return await TryAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>One try to take, renew or give back. The API server refuses a write onto a version that is no longer the present one.</summary>
    private async Task<bool> TryAsync(CancellationToken cancellationToken, bool gives = false)
    {
        var found = await cluster.SendLeaseAsync(HttpMethod.Get, name, null, cancellationToken);
        if (found.IsMissing)
        {
            return !gives && (await cluster.SendLeaseAsync(HttpMethod.Post, null, Lease(null, gives), cancellationToken)).IsSuccess;
        }

        // Without a version a write would be no comparison: it would take the lease from whoever has it.
        if (found is not { IsSuccess: true, Body: { } lease } || ClusterApi.Text(lease["metadata"]?["resourceVersion"]) is not { Length: > 0 })
        {
            log.ClusterAway(found.Message);
            return false;
        }

        Look(lease);
        var holder = ClusterApi.Text(lease["spec"]?["holderIdentity"]);
        var isFree = string.IsNullOrEmpty(holder) || time.GetElapsedTime(_seenAt) > Length;
        return (holder == identity || (isFree && !gives))
            && (await cluster.SendLeaseAsync(HttpMethod.Put, name, Lease(lease, gives), cancellationToken)).IsSuccess;
    }

    private void Look(JsonObject lease)
    {
        var version = ClusterApi.Text(lease["metadata"]?["resourceVersion"]) ?? "";
        if (version != _seen)
        {
            (_seen, _seenAt) = (version, time.GetTimestamp());
        }
    }

    private JsonObject Lease(JsonObject? present, bool gives)
    {
        var now = time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
        var spec = present?["spec"] as JsonObject;
        var isOurs = ClusterApi.Text(spec?["holderIdentity"]) == identity;
        var transitions = spec?["leaseTransitions"] is JsonValue value && value.TryGetValue<int>(out var number) ? number : 0;
        return new JsonObject
        {
            ["apiVersion"] = "coordination.k8s.io/v1",
            ["kind"] = "Lease",
            ["metadata"] = present?["metadata"]?.DeepClone() ?? new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject
            {
                ["holderIdentity"] = gives ? "" : identity,
                ["leaseDurationSeconds"] = gives ? 1 : Seconds,
                ["acquireTime"] = isOurs ? ClusterApi.Text(spec?["acquireTime"]) ?? now : now,
                ["renewTime"] = now,
                ["leaseTransitions"] = isOurs ? transitions : transitions + 1,
            },
        };
    }
}
