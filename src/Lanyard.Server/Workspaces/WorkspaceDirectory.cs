using System.Collections.Immutable;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Workspaces;

/// <param name="DefaultAudience">As in its spec; null: its issuer's URL.</param>
internal sealed record WorkspaceEntry(string Id, string Slug, string? DefaultAudience);

/// <summary>
/// Every workspace by slug and by id, in memory: paths are turned into ids, and authorised, before anything is looked up. Kept true by
/// refreshes that this replica waits for and by messages between replicas.
/// </summary>
internal sealed class WorkspaceDirectory : IDisposable
{
    private const string Channel = "workspaces";

    private readonly Database _database;
    private readonly ILogger<WorkspaceDirectory> _logger;
    private readonly SemaphoreSlim _refreshing = new(1, 1);
    private readonly IDisposable _subscription;
    private Snapshot _snapshot = Snapshot.Empty;

    public WorkspaceDirectory(Database database, ILogger<WorkspaceDirectory> logger)
    {
        _database = database;
        _logger = logger;
        _subscription = database.Notifications.Subscribe(Channel, slug => _ = HeardAsync(slug));
    }

    /// <summary>Called once, after the migrations and before the first request.</summary>
    public Task LoadAsync() => RefreshAsync(null);

    public WorkspaceEntry? Find(string slug) => Volatile.Read(ref _snapshot).BySlug.GetValueOrDefault(slug);

    public WorkspaceEntry? FindById(string id) => Volatile.Read(ref _snapshot).ById.GetValueOrDefault(id);

    /// <summary>All of them, in the order of their slugs.</summary>
    public IEnumerable<WorkspaceEntry> All => Volatile.Read(ref _snapshot).BySlug.Values.OrderBy(static entry => entry.Slug, StringComparer.Ordinal);

    /// <summary>Turns a slug of a path into the workspace, for a principal that needs a right in it.</summary>
    /// <returns>The workspace; or TokenMissing, Forbidden, or NotFound for what is missing as for what is foreign.</returns>
    public async ValueTask<Outcome<WorkspaceEntry>> RequireAsync(Principal? principal, string slug, Right right)
    {
        if (Find(slug) is not { } entry)
        {
            // Only who sees the whole instance waits for a look-up: another replica may have made it this very moment.
            var instance = Access.Require(principal, null, null, Right.Read);
            if (instance.IsRefused)
            {
                return instance.Refusal;
            }

            await RefreshAsync(slug);
            entry = Find(slug);
            if (entry is null)
            {
                return Access.Missing($"no workspace {slug}");
            }
        }

        return Access.Require(principal, entry.Id, null, right).TryGet(out _, out var refusal) ? entry : refusal;
    }

    /// <summary>After a commit that changed a workspace: returns when this replica knows; others hear of it.</summary>
    public async Task ChangedAsync(string slug)
    {
        await RefreshAsync(slug);
        _database.Notifications.Publish(Channel, slug);
    }

    public void Dispose()
    {
        _subscription.Dispose();
        _refreshing.Dispose();
    }

    private async Task HeardAsync(string? slug)
    {
        try
        {
            await RefreshAsync(slug);
        }
        catch (Exception exception) when (exception is System.Data.Common.DbException or TimeoutException or ObjectDisposedException)
        {
            // When the database is back, the lost-messages signal asks for everything again.
            _logger.RefreshFailed(exception);
        }
    }

    /// <summary>One at a time, so that an older read never overwrites a newer one.</summary>
    private async Task RefreshAsync(string? slug)
    {
        await _refreshing.WaitAsync();
        try
        {
            var condition = slug is null ? Sql.Empty : ((Sql)$"where slug = {slug}").Part;
            var entries = await _database.QueryAsync(
                $"select id, slug, spec from workspaces {condition}",
                static row => new WorkspaceEntry(
                    row.GetString(0), row.GetString(1), JsonSerializer.Deserialize(row.GetString(2), ResourceJson.Default.WorkspaceSpec)?.DefaultAudience));
            var snapshot = slug is null ? Snapshot.Empty : _snapshot.Without(slug);
            Volatile.Write(ref _snapshot, snapshot.With(entries));
        }
        finally
        {
            _refreshing.Release();
        }
    }

    private sealed record Snapshot(ImmutableDictionary<string, WorkspaceEntry> BySlug, ImmutableDictionary<string, WorkspaceEntry> ById)
    {
        public static Snapshot Empty { get; } = new(
            ImmutableDictionary.Create<string, WorkspaceEntry>(StringComparer.Ordinal),
            ImmutableDictionary.Create<string, WorkspaceEntry>(StringComparer.Ordinal));

        public Snapshot Without(string slug) =>
            BySlug.TryGetValue(slug, out var entry) ? new Snapshot(BySlug.Remove(slug), ById.Remove(entry.Id)) : this;

        public Snapshot With(IReadOnlyList<WorkspaceEntry> entries) => new(
            BySlug.SetItems(entries.Select(static entry => KeyValuePair.Create(entry.Slug, entry))),
            ById.SetItems(entries.Select(static entry => KeyValuePair.Create(entry.Id, entry))));
    }
}

internal static partial class WorkspacesLog
{
    [LoggerMessage(LogLevel.Warning, "The list of workspaces could not be refreshed")]
    public static partial void RefreshFailed(this ILogger logger, Exception exception);
}
