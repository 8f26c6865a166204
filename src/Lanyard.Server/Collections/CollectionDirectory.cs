using System.Collections.Immutable;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Lanyard.Server.Workspaces;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Collections;

/// <param name="Concurrency">Attempts at once; null: no limit.</param>
/// <param name="State">One of <see cref="CollectionStates"/>.</param>
internal sealed record CollectionEntry(string Id, string Slug, WorkspaceEntry Workspace, int? Concurrency = null, string State = CollectionStates.Active)
{
    /// <summary><c>workspace/collection</c>, as runners and people name it.</summary>
    public string Path => $"{Workspace.Slug}/{Slug}";
}

/// <summary>
/// Every collection in memory, as <see cref="WorkspaceDirectory"/> has the workspaces: the wall is checked before anything is looked up.
/// </summary>
internal sealed class CollectionDirectory : IDisposable
{
    private const string Channel = "collections";

    private readonly Database _database;
    private readonly WorkspaceDirectory _workspaces;
    private readonly ILogger<CollectionDirectory> _logger;
    private readonly SemaphoreSlim _refreshing = new(1, 1);
    private readonly IDisposable _subscription;
    private Snapshot _snapshot = Snapshot.Empty;

    public CollectionDirectory(Database database, WorkspaceDirectory workspaces, ILogger<CollectionDirectory> logger)
    {
        (_database, _workspaces, _logger) = (database, workspaces, logger);
        _subscription = database.Notifications.Subscribe(Channel, id => _ = HeardAsync(id));
    }

    /// <summary>Called on every replica when it knows of a change; quick, and never fails.</summary>
    public Action Refreshed { get; set; } = static () => { };

    /// <summary>Called once, after <see cref="WorkspaceDirectory.LoadAsync"/>.</summary>
    public Task LoadAsync() => RefreshAsync(null);

    public CollectionEntry? Find(WorkspaceEntry workspace, string slug) =>
        Complete(Volatile.Read(ref _snapshot).BySlug.GetValueOrDefault((workspace.Id, slug)));

    public CollectionEntry? FindById(string id) => Complete(Volatile.Read(ref _snapshot).ById.GetValueOrDefault(id));

    /// <summary>Whether some collection is so.</summary>
    public bool Any(Func<CollectionEntry, bool> condition) => Volatile.Read(ref _snapshot).ById.Values.Any(row => Complete(row) is { } entry && condition(entry));

    /// <summary>Of <c>workspace/collection</c>.</summary>
    public CollectionEntry? FindByPath(string path)
    {
        var at = path.IndexOf('/', StringComparison.Ordinal);
        return at > 0 && _workspaces.Find(path[..at]) is { } workspace ? Find(workspace, path[(at + 1)..]) : null;
    }

    /// <summary>Turns the slugs of a path into the collection, for a principal that needs a right in it.</summary>
    /// <returns>The collection; or TokenMissing, Forbidden, or NotFound for what is missing as for what is foreign.</returns>
    public async ValueTask<Outcome<CollectionEntry>> RequireAsync(Principal? principal, string workspaceSlug, string collectionSlug, Right right)
    {
        var workspace = _workspaces.Find(workspaceSlug);
        var collection = workspace is null ? null : Find(workspace, collectionSlug);
        if (collection is null)
        {
            // Who sees the whole workspace may wait for a look-up: another replica may have made it this very moment.
            if (!(await _workspaces.RequireAsync(principal, workspaceSlug, Right.Read)).TryGet(out workspace, out var missing))
            {
                return missing.Reason == RefusalReason.Forbidden ? Access.Missing(missing.Detail) : missing;
            }

            await RefreshAsync(workspace.Id);
            collection = Find(workspace, collectionSlug);
            if (collection is null)
            {
                return Access.Missing($"no collection {workspaceSlug}/{collectionSlug}");
            }
        }

        return Access.Require(principal, collection.Workspace.Id, collection.Id, right).TryGet(out _, out var refusal) ? collection : refusal;
    }

    /// <summary>After a commit that changed collections of a workspace: returns when this replica knows; others hear of it.</summary>
    public async Task ChangedAsync(string workspaceId)
    {
        await RefreshAsync(workspaceId);
        _database.Notifications.Publish(Channel, workspaceId);
    }

    public void Dispose()
    {
        _subscription.Dispose();
        _refreshing.Dispose();
    }

    private CollectionEntry? Complete(Row? row) =>
        row is not null && _workspaces.FindById(row.WorkspaceId) is { } workspace
            ? new CollectionEntry(row.Id, row.Slug, workspace, row.Concurrency, row.State)
            : null;

    private async Task HeardAsync(string? workspaceId)
    {
        try
        {
            await RefreshAsync(workspaceId);
        }
        catch (Exception exception) when (exception is System.Data.Common.DbException or TimeoutException or ObjectDisposedException)
        {
            _logger.RefreshFailed(exception);
        }
    }

    private async Task RefreshAsync(string? workspaceId)
    {
        await _refreshing.WaitAsync();
        try
        {
            var condition = workspaceId is null ? Sql.Empty : ((Sql)$"where workspace = {workspaceId}").Part;
            var rows = await _database.QueryAsync(
                $"select id, slug, workspace, concurrency, state from collections {condition}",
                static row => new Row(row.GetString(0), row.GetString(1), row.GetString(2), row.GetIntOrNull(3), row.GetString(4)));
            var snapshot = workspaceId is null ? Snapshot.Empty : _snapshot.Without(workspaceId);
            Volatile.Write(ref _snapshot, snapshot.With(rows));
        }
        finally
        {
            _refreshing.Release();
        }

        Refreshed();
    }

    private sealed record Row(string Id, string Slug, string WorkspaceId, int? Concurrency, string State);

    private sealed record Snapshot(ImmutableDictionary<(string WorkspaceId, string Slug), Row> BySlug, ImmutableDictionary<string, Row> ById)
    {
        public static Snapshot Empty { get; } = new(
            ImmutableDictionary<(string, string), Row>.Empty, ImmutableDictionary.Create<string, Row>(StringComparer.Ordinal));

        public Snapshot Without(string workspaceId)
        {
            var gone = ById.Values.Where(row => row.WorkspaceId == workspaceId).ToList();
            return new Snapshot(BySlug.RemoveRange(gone.Select(static row => (row.WorkspaceId, row.Slug))), ById.RemoveRange(gone.Select(static row => row.Id)));
        }

        public Snapshot With(IReadOnlyList<Row> rows) => new(
            BySlug.SetItems(rows.Select(static row => KeyValuePair.Create((row.WorkspaceId, row.Slug), row))),
            ById.SetItems(rows.Select(static row => KeyValuePair.Create(row.Id, row))));
    }
}

internal static partial class CollectionsLog
{
    [LoggerMessage(LogLevel.Warning, "The list of collections could not be refreshed")]
    public static partial void RefreshFailed(this ILogger logger, Exception exception);
}
