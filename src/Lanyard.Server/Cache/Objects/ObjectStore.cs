namespace Lanyard.Server.Cache.Objects;

/// <summary>What the cache asks of an object store; keys begin with the configured prefix.</summary>
internal abstract class ObjectStore : IDisposable
{
    /// <summary>Every call but the bytes of a body.</summary>
    public static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Of one object.</summary>
    public abstract int MostParts { get; }

    /// <exception cref="Blobs.BlobStoreException">It failed.</exception>
    public abstract Task PutAsync(string key, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Begins an object that comes in parts; nobody sees it before it is complete.</summary>
    /// <exception cref="Blobs.BlobStoreException">It failed.</exception>
    public abstract Task<PartUpload> BeginAsync(string key, CancellationToken cancellationToken);

    /// <summary>Both ends included.</summary>
    /// <returns>Null where there is no such object, or it ends before the range does.</returns>
    /// <exception cref="Blobs.BlobStoreException">It failed.</exception>
    public abstract Task<Stream?> OpenAsync(string key, long first, long last, CancellationToken cancellationToken);

    /// <summary>All objects whose keys begin so, with their lengths.</summary>
    /// <exception cref="Blobs.BlobStoreException">It failed.</exception>
    public abstract Task<Dictionary<string, long>> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>What is not there counts as deleted.</summary>
    /// <exception cref="Blobs.BlobStoreException">It failed.</exception>
    public abstract Task DeleteAsync(string key, CancellationToken cancellationToken);

    /// <summary>A URL that reads the object for so long without further proof; null where the store's credentials can't make one.</summary>
    public abstract ValueTask<string?> SignAsync(string key, TimeSpan life);

    public abstract void Dispose();
}

/// <summary>An object of which parts are uploaded one after the other.</summary>
internal abstract class PartUpload
{
    /// <param name="number">From 1 on.</param>
    public abstract Task AddAsync(int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    public abstract Task CompleteAsync(CancellationToken cancellationToken);

    /// <summary>Best effort.</summary>
    public abstract Task AbortAsync();
}
