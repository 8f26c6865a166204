using System.Text.Json.Nodes;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>An answer of the API server, or that there was none.</summary>
/// <param name="Status">0: no answer, or none that can be read.</param>
/// <param name="Body">Always there where it is a success.</param>
/// <param name="Message">The <c>Status</c> object's, or why there was no answer.</param>
internal sealed record KubeAnswer(int Status, JsonObject? Body, string Message, TimeSpan? RetryAfter = null)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    public bool IsMissing => Status == 404;

    public bool IsConflict => Status == 409;

    public bool IsDenied => Status == 403;

    /// <summary>The same call again, later: the server is away, overloaded, or (401) its credential is just being renewed.</summary>
    public bool IsPassing => Status is 0 or 401 or 408 or 410 or 429 or >= 500;

    /// <summary>
    /// Of a list; null for every other answer. What only lacks its items is no empty list: whoever believed one would think that everything it holds was gone. Go writes an empty one as null, too.
    /// </summary>
    public IReadOnlyList<JsonObject>? Items => !IsSuccess ? null
        : Body?["items"] is JsonArray items ? [.. items.OfType<JsonObject>()]
        : ClusterApi.Text(Body?["kind"])?.EndsWith("List", StringComparison.Ordinal) is true ? [] : null;
}

/// <summary>
/// An API server that has just started says 403 to everybody until it has read its roles, and "not yet ready" from its admission plugins with the same
/// status. Who is really not allowed hears it when it has said so for a while.
/// </summary>
internal sealed class DenialPatience(TimeProvider time)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private long? _since;

    /// <summary>Whether the same call may have another answer later. To be asked about every answer.</summary>
    public bool MayPass(KubeAnswer answer)
    {
        _since = answer.IsDenied ? _since ?? time.GetTimestamp() : null;
        return answer.IsPassing || (_since is { } since && time.GetElapsedTime(since) < Longest);
    }
}
