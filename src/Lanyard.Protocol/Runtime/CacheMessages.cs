using System.Text.Json.Serialization;

namespace Lanyard.Protocol.Runtime;

/// <summary>Body of <c>PUT /v1/workspaces/{workspace}/cache/settings</c>; what is absent is the installation's default.</summary>
/// <param name="WorkspaceBytes">Of all repositories together; beyond it entries are evicted.</param>
/// <param name="RepositoryBytes">Of each repository.</param>
/// <param name="Repositories">Bytes for single repositories (<c>owner/name</c>) instead.</param>
/// <param name="EntryBytes">Of one entry.</param>
/// <param name="EntriesPerMinute">New entries a minute and repository; 0: no limit.</param>
/// <param name="Encrypt">The bytes of entries that are reserved from now on are encrypted at rest, with a key of the workspace.</param>
/// <param name="UnusedDays">After so many days without a read an entry goes.</param>
/// <param name="QuarantineDays">So many days after it was quarantined an entry goes.</param>
public sealed record CacheSettings(
    long? WorkspaceBytes = null,
    long? RepositoryBytes = null,
    IReadOnlyDictionary<string, long>? Repositories = null,
    long? EntryBytes = null,
    long? EntriesPerMinute = null,
    long? UnusedDays = null,
    IReadOnlyList<CacheReadRule>? ReadRules = null,
    bool? Encrypt = null,
    long? QuarantineDays = null);

/// <summary>Who reads as one of these refs (and workflows, where named) finds only entries that were written from those refs. Each pattern is exact, or a prefix with <c>*</c> at its end.</summary>
/// <param name="Refs">Of the reader; <c>*</c> is everybody. A reader whose ref is not known is held by every rule.</param>
/// <param name="WrittenBy">Refs of the writers that are trusted.</param>
/// <param name="Workflows">Of the reader; all when absent.</param>
public sealed record CacheReadRule(IReadOnlyList<string> Refs, IReadOnlyList<string> WrittenBy, IReadOnlyList<string>? Workflows = null);

/// <summary>Who wrote an entry. In a selection, each member that is there must match, and one must be there.</summary>
/// <param name="Subject"><c>machine_…</c>, or <c>run_….n</c> of an attempt.</param>
public sealed record CacheProducer(
    string? Subject = null, string? Repository = null, string? Ref = null, string? Workflow = null, string? Actor = null, string? TokenSha256 = null);

/// <param name="State"><c>pending</c>, <c>ready</c>, <c>quarantined</c> or <c>damaged</c>.</param>
/// <param name="Digest">SHA-256 tree digest in hex; null until it is ready.</param>
/// <param name="Verified">False once the store's own URL of its bytes was handed out: what is read there is not checked.</param>
public sealed record CacheEntryView(
    string Id,
    string Repository,
    string Scope,
    string Key,
    string Version,
    string State,
    long Size,
    DateTimeOffset CreatedAt,
    DateTimeOffset UsedAt,
    string? Digest,
    CacheProducer Producer,
    string? Reason,
    bool Verified = true);

public sealed record CacheEntryList(IReadOnlyList<CacheEntryView> Items, string? Next = null);

/// <param name="Name">A repository, scope or key.</param>
public sealed record CacheUsageRow(string Name, long Entries, long Bytes);

/// <param name="Entries">What is ready or quarantined.</param>
/// <param name="Bytes">What the quota bounds.</param>
/// <param name="Rows">The largest first, at most 500.</param>
/// <param name="QuarantinedEntries">How many of the entries are quarantined.</param>
/// <param name="QuarantinedBytes">Their share of the bytes.</param>
public sealed record CacheUsage(long Entries, long Bytes, long QuotaBytes, string By, IReadOnlyList<CacheUsageRow> Rows, long QuarantinedEntries = 0, long QuarantinedBytes = 0);

/// <summary>Body of <c>…/cache/quarantine</c>, <c>…/cache/release</c> and <c>…/cache/delete</c>.</summary>
public sealed record CacheSelection(CacheProducer Producer, string? Reason = null);

/// <param name="Entries">How many were changed.</param>
public sealed record CacheChanged(long Entries);

/// <summary>The dialect of the cache's administration: as strict as that of resources.</summary>
[JsonSourceGenerationOptions(
    System.Text.Json.JsonSerializerDefaults.Web,
    NumberHandling = JsonNumberHandling.Strict,
    PropertyNameCaseInsensitive = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CacheSettings))]
[JsonSerializable(typeof(CacheEntryView))]
[JsonSerializable(typeof(CacheEntryList))]
[JsonSerializable(typeof(CacheUsage))]
[JsonSerializable(typeof(CacheSelection))]
[JsonSerializable(typeof(CacheChanged))]
public sealed partial class CacheAdminJson : JsonSerializerContext;
