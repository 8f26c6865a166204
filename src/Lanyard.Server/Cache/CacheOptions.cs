namespace Lanyard.Server.Cache;

/// <summary>Limits of the cache. All are checked when the server starts; every mistake is reported at once.</summary>
internal sealed record CacheOptions
{
    /// <summary>Folder of the files driver.</summary>
    public required string Folder { get; init; }

    /// <summary>Where the bytes lie instead of in the folder; null: in the folder.</summary>
    public Objects.CacheStoreUrl? Store { get; init; }

    /// <summary>Of the store, where it knows nothing but keys.</summary>
    public byte[]? StoreKey { get; init; }

    /// <summary>Gives out the store's own URLs for reads where an entry is one object: faster, and what comes that way is not checked.</summary>
    public bool DirectReads { get; init; }

    /// <summary>Bytes that an entry may have, and that may be uploaded for one.</summary>
    public long MaxEntryBytes { get; init; } = 10L << 30;

    /// <summary>Bytes of a repository, where its workspace says nothing else.</summary>
    public long RepositoryBytes { get; init; } = 50L << 30;

    /// <summary>Bytes of a workspace, where it says nothing else.</summary>
    public long WorkspaceBytes { get; init; } = 500L << 30;

    /// <summary>New entries a minute and repository, where the workspace says nothing else; 0: no limit.</summary>
    public long EntriesPerMinute { get; init; } = 200;

    /// <summary>An entry that nobody reads for so long goes, where the workspace says nothing else.</summary>
    public TimeSpan UnusedLife { get; init; } = TimeSpan.FromDays(7);

    /// <summary>What was quarantined goes after so long, where the workspace says nothing else.</summary>
    public TimeSpan QuarantineLife { get; init; } = TimeSpan.FromDays(30);

    /// <summary>How long a reservation stands without being finalised; asking for it again renews it.</summary>
    public TimeSpan PendingLife { get; init; } = TimeSpan.FromHours(1);

    /// <summary>For so long an upload, or a read over HTTP/1.1, may be slower than <see cref="Blobs.BlobUpload.SlowestBytes"/> a second on the average, or silent; then it is given up.</summary>
    public TimeSpan UploadPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For so long one read may last, whose bytes nobody takes away meanwhile: as long as a job.</summary>
    public TimeSpan ReadLife { get; init; } = TimeSpan.FromHours(6);

    /// <summary>How often abandoned reservations are cleared away.</summary>
    public TimeSpan Sweep { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Scheme and authority of the URLs of blobs; null: those of the request that asks for one, so that a machine stays on the network on which it
    /// reached the server.
    /// </summary>
    public string? BlobOrigin { get; init; }

    /// <summary>Every mistake, as <c>path: text</c>; empty when all is well.</summary>
    public IReadOnlyList<string> Validate()
    {
        var mistakes = new List<string>();
        if (Folder.Length == 0) mistakes.Add("cache.folder: is missing");
        if (DirectReads && Store is null) mistakes.Add("cache.directReads: needs a store");
        if (MaxEntryBytes is < 1 << 20 or > 1L << 40) mistakes.Add("cache.maxEntryBytes: must be 1 MiB to 1 TiB");
        if (RepositoryBytes < 1) mistakes.Add("cache.repositoryBytes: must be at least 1");
        if (WorkspaceBytes < 1) mistakes.Add("cache.workspaceBytes: must be at least 1");
        if (EntriesPerMinute < 0) mistakes.Add("cache.entriesPerMinute: must not be negative");
        if (UnusedLife < TimeSpan.FromHours(1)) mistakes.Add("cache.unusedLife: must be at least 1 hour");
        if (QuarantineLife < TimeSpan.FromHours(1)) mistakes.Add("cache.quarantineLife: must be at least 1 hour");
        if (PendingLife < TimeSpan.FromMinutes(1) || PendingLife > TimeSpan.FromDays(1)) mistakes.Add("cache.pendingLife: must be 1 minute to 1 day");
        if (UploadPatience < TimeSpan.FromSeconds(2) || UploadPatience > TimeSpan.FromMinutes(10)) mistakes.Add("cache.uploadPatience: must be 2 seconds to 10 minutes");
        if (ReadLife < TimeSpan.FromMinutes(1) || ReadLife > TimeSpan.FromDays(7)) mistakes.Add("cache.readLife: must be 1 minute to 7 days");
        if (Sweep < TimeSpan.FromSeconds(1) || Sweep > TimeSpan.FromMinutes(10)) mistakes.Add("cache.sweep: must be 1 second to 10 minutes");
        if (BlobOrigin is { } origin
            && !(Uri.TryCreate(origin, UriKind.Absolute, out var url) && url.Scheme is "https" or "http" && url.PathAndQuery == "/" && !origin.EndsWith('/')))
            mistakes.Add("cache.blobOrigin: must be a scheme and an authority, such as https://cache.example.com");
        return mistakes;
    }
}
