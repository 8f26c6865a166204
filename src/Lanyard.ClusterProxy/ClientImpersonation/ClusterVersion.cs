using System.Globalization;
using System.Text.Json;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.ClientImpersonation;

/// <summary>The API server's version, asked when it matters and kept for five minutes (a cluster may be upgraded under us).</summary>
internal sealed class ClusterVersion(OwnCalls calls, TimeProvider time)
{
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(5);
    private static readonly Version FirstWithUid = new(1, 22);

    private Known? _known;

    /// <summary>Before 1.22 the API server passes over <c>Impersonate-Uid</c>: the request would run as somebody else than was asked for.</summary>
    /// <returns>Null when the cluster knows it.</returns>
    public async ValueTask<Refusal?> RefusesUidAsync(CancellationToken cancellation)
    {
        var version = await GetAsync(cancellation);
        return version is null ? new Refusal(RefusalReason.Unavailable, "the cluster's version is unknown")
            : version < FirstWithUid ? new Refusal(RefusalReason.RequestMalformed, $"the cluster has version {version}; Impersonate-Uid is known since 1.22")
            : null;
    }

    public async ValueTask<Version?> GetAsync(CancellationToken cancellation)
    {
        if (Volatile.Read(ref _known) is { } known && time.GetElapsedTime(known.At) < Life)
        {
            return known.Version;
        }

        try
        {
            var (status, body) = await calls.SendAsync("GET", "/version", null, cancellation);
            if (status == 200 && Read(body) is { } version)
            {
                Volatile.Write(ref _known, new Known(version, time.GetTimestamp()));
                return version;
            }
        }
        catch (UpstreamException)
        {
            // Unknown is what the caller is told; it refuses then.
        }

        return null;
    }

    private static Version? Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var major = document.RootElement.GetProperty("major").GetString() ?? "";
            var minor = (document.RootElement.GetProperty("minor").GetString() ?? "").TrimEnd('+');
            return Version.TryParse(string.Create(CultureInfo.InvariantCulture, $"{major}.{minor}"), out var version) ? version : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    private sealed record Known(Version Version, long At);
}
