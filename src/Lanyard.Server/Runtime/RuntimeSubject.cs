using System.Globalization;
using Lanyard.Server.Http;

namespace Lanyard.Server.Runtime;

/// <summary>What may be done with the cache of a scope; the bits are those of the <c>ac</c> claim.</summary>
[Flags]
internal enum ScopePermission
{
    None = 0,
    Read = 1,
    Write = 2,
}

/// <param name="Scope">Opaque; by GitHub's custom a full ref, such as <c>refs/heads/main</c>.</param>
internal sealed record ScopeGrant(string Scope, ScopePermission Permission);

/// <summary>The living run or machine behind a runtime token, or the workflow behind GitHub's own, with what it may reach. Integrations know callers as this and in no other way.</summary>
internal sealed record RuntimeSubject
{
    public required PrincipalKind Kind { get; init; }

    /// <summary><c>run_…</c>, <c>machine_…</c>, or <c>workflow:repository id:run:job</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Of a run.</summary>
    public int? Attempt { get; init; }

    public required string WorkspaceId { get; init; }

    /// <summary>Lower case, such as <c>demo/app</c>; null where none is known.</summary>
    public string? Repository { get; init; }

    public string? Ref { get; init; }

    /// <summary>Where it is known, such as <c>demo/app/.github/workflows/release.yml</c>.</summary>
    public string? Workflow { get; init; }

    /// <summary>In the order in which they are searched: its own first.</summary>
    public IReadOnlyList<ScopeGrant> Scopes { get; init; } = [];

    /// <summary>Who made it, for provenance.</summary>
    public string? Actor { get; init; }

    /// <summary>Of a workflow: where GitHub's other services are that it calls with the same URL and token; null: nowhere.</summary>
    public Uri? ResultsUrl { get; init; }

    public required string TokenSha256 { get; init; }

    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>Tells one life of a caller from another: what one attempt began, the next may not finish.</summary>
    public string Key => Attempt is { } attempt ? $"{Id}.{attempt}" : Id;

    /// <summary>Whether a key is of an earlier attempt of this run: it is over since this one began, and what it left undone is in this one's way.</summary>
    public bool Supersedes(string key) => Attempt is { } attempt && AttemptOf(key) is { } other && other.Run == Id && other.Attempt < attempt;

    /// <returns>Null where the key is of something else than an attempt of a run.</returns>
    public static (string Run, int Attempt)? AttemptOf(string key) =>
        key.LastIndexOf('.') is var dot and > 0 && key.StartsWith("run_", StringComparison.Ordinal)
        && int.TryParse(key.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var attempt)
            ? (key[..dot], attempt)
            : null;
}

/// <summary>What the runtime API must ask of rooms that it does not know; handed in where the server is put together.</summary>
/// <param name="SubjectOf">The living run or machine of a principal, or null.</param>
/// <param name="HasEnded">
/// Whether whoever had this <see cref="RuntimeSubject.Key"/> is known to be over, which is for good: what it left undone is nobody's. The end of a workflow's job is never known.
/// </param>
internal sealed record RuntimeQuestions(
    Func<Principal, CancellationToken, ValueTask<RuntimeSubject?>> SubjectOf, Func<string, CancellationToken, ValueTask<bool>> HasEnded);
