using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Runtime;

/// <summary>Answer of <c>GET /runtime/whoami</c>.</summary>
/// <param name="Kind"><c>run</c>, <c>machine</c> or <c>workflow</c> (a job on GitHub's own runner).</param>
/// <param name="Workspace">Its id.</param>
/// <param name="ExpiresAt">Of the token that was shown.</param>
public sealed record RuntimeIdentity(
    string Kind, string Id, int? Attempt, string Workspace, string? Repository, string? Ref, IReadOnlyList<CacheScope> Scopes, DateTimeOffset ExpiresAt);

/// <summary>A scope of the cache, by GitHub's custom a full ref, and what may be done with it.</summary>
/// <param name="Permission">One of <see cref="Permissions"/>.</param>
public sealed record CacheScope(string Scope, string Permission)
{
    /// <summary>So many a caller may have. A look-up asks all of them, so that whoever gives a caller its scopes refuses more, and nothing is left out silently.</summary>
    public const int Most = 16;

    /// <summary>Each name stands at the place of its bits: 1 read, 2 write.</summary>
    public static IReadOnlyList<string> Permissions { get; } = ["none", "read", "write-only", "write"];

    /// <param name="bits">1 read, 2 write.</param>
    public static string NameOf(int bits) => Permissions[bits & 3];

    /// <returns>The bits, or -1 for another word.</returns>
    public static int BitsOf(string name)
    {
        for (var bits = 0; bits < Permissions.Count; bits++)
        {
            if (Permissions[bits] == name) return bits;
        }

        return -1;
    }
}

/// <summary>Body of <c>POST /v1/workspaces/{workspace}/machines</c>.</summary>
/// <param name="LifetimeSeconds">60 to 86,400; 21,600 (6 hours) when absent.</param>
/// <param name="Runner">Slug of the runner on it, if known.</param>
/// <param name="Repository"><c>owner/name</c>: whose cache it may use. Without one it may use none.</param>
/// <param name="Ref">Full ref, such as <c>refs/heads/main</c> or <c>refs/pull/7/merge</c>: the scope that it may read and write.</param>
/// <param name="BaseRef">Of a pull request: read only.</param>
/// <param name="DefaultRef">Of the repository: read only, unless it is <paramref name="Ref"/>.</param>
/// <param name="CacheMode"><c>none</c>, <c>read</c>, <c>write-only</c> or <c>write</c>: takes away from every scope, never adds.</param>
/// <param name="Scopes">Instead of what follows from the refs, in the order in which they are searched.</param>
/// <param name="Operations">What it may do to runs; whoever registers it must be an operator of each collection.</param>
public sealed record MachineRequest(
    long? LifetimeSeconds = null,
    string? Runner = null,
    string? Repository = null,
    string? Ref = null,
    string? BaseRef = null,
    string? DefaultRef = null,
    string? CacheMode = null,
    IReadOnlyList<CacheScope>? Scopes = null,
    IReadOnlyList<MachineOperation>? Operations = null);

/// <summary>Operations of a machine on the runs of one definition.</summary>
/// <param name="Collection">Slug of the collection.</param>
public sealed record MachineOperation(string Collection, string Definition, IReadOnlyList<string> Actions, IReadOnlyList<string>? Phases = null);

/// <summary>Body of <c>POST /runtime/runs</c>.</summary>
/// <param name="Collection">Of a machine, where it may start runs in several; a run's own is its only one.</param>
/// <param name="Phase">Absent: <c>run</c>.</param>
public sealed record RuntimeRunRequest(string Definition, string? Collection = null, IReadOnlyDictionary<string, string>? Variables = null, string? Phase = null);

/// <summary>Body of <c>POST /runtime/runs/{run}/extend</c>.</summary>
/// <param name="Seconds">By how much longer it may run, 1 to 86,400; its whole time stays within 86,400.</param>
public sealed record RuntimeExtension(int Seconds);

/// <summary>A run, as the caller sees it that may do something to it.</summary>
public sealed record RuntimeRunView(string Id, string Collection, string Definition, string State, int Attempt, int TimeoutSeconds);

/// <summary>A machine, as it is shown; its token is given once, by <see cref="MachineCreated"/>.</summary>
public sealed record MachineView(
    string Id,
    string? Runner,
    string? Repository,
    string? Ref,
    IReadOnlyList<CacheScope> Scopes,
    string CreatedBy,
    DateTimeOffset CreatedAt,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? EndedAt,
    IReadOnlyList<MachineOperation>? Operations = null,
    DateTimeOffset? LastSeenAt = null);

/// <param name="Token">The runtime token: shown once, kept nowhere.</param>
public sealed record MachineCreated(MachineView Machine, string Token);

public sealed record MachineList(IReadOnlyList<MachineView> Items, string? Next = null);

/// <summary>The dialect of machines and of the runtime API: as strict as that of resources.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RuntimeIdentity))]
[JsonSerializable(typeof(RuntimeRunRequest))]
[JsonSerializable(typeof(RuntimeExtension))]
[JsonSerializable(typeof(RuntimeRunView))]
[JsonSerializable(typeof(MachineRequest))]
[JsonSerializable(typeof(MachineCreated))]
[JsonSerializable(typeof(MachineView))]
[JsonSerializable(typeof(MachineList))]
public sealed partial class RuntimeJson : JsonSerializerContext;
