using System.Text.Json;

namespace Lanyard.Protocol.Resources;

/// <summary>The envelope in which every resource under <c>/v1</c> is given.</summary>
/// <param name="Id">Typed and sortable; made by the server.</param>
/// <param name="Slug">The name in paths; never changes.</param>
/// <param name="Workspace">Slug of the workspace that it lives in, where it lives in one.</param>
/// <param name="Collection">Slug of the collection that it lives in, where it lives in one.</param>
/// <param name="Etag">Of this version: goes into <c>If-Match</c>, in quotes.</param>
/// <param name="Status">What the server knows of it; never written by callers.</param>
/// <param name="Warnings">What is no mistake and most often still wrong; none of it hindered the saving.</param>
public sealed record Resource<TSpec>(
    string Kind,
    string Id,
    string Slug,
    string? Workspace,
    string? Collection,
    string Etag,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    TSpec Spec,
    JsonElement? Status = null,
    IReadOnlyList<Mistake>? Warnings = null);

/// <summary>
/// Body of a PUT: the spec. What a GET gave may be sent back whole: kind, slug, workspace and collection must then be those of the path,
/// and the rest is not looked at.
/// </summary>
public sealed record ResourceWrite<TSpec>(
    TSpec Spec,
    string? Kind = null,
    string? Id = null,
    string? Slug = null,
    string? Workspace = null,
    string? Collection = null,
    string? Etag = null,
    string? CreatedAt = null,
    string? UpdatedAt = null,
    JsonElement? Status = null,
    JsonElement? Warnings = null);

/// <param name="Next">Goes into <c>?after=</c> for the next page; null on the last one.</param>
public sealed record ResourceList<TSpec>(IReadOnlyList<Resource<TSpec>> Items, string? Next = null);
