namespace Lanyard.Server.Federation;

/// <summary>
/// A value read from the database and kept until <see cref="Forget"/>. A Forget during a reading makes that reading's result stale at once:
/// what was read may be from before the change. Those who wait meanwhile share the next reading, however often it is forgotten: it began after they asked.
/// </summary>
internal sealed class Reloadable<T>(Func<CancellationToken, Task<T>> load) : IDisposable
    where T : class
{
    private readonly SemaphoreSlim _loading = new(1, 1);
    private Entry? _entry;
    private long _generation;

    public ValueTask<T> GetAsync(CancellationToken cancellation) => Current is { } value ? ValueTask.FromResult(value) : new ValueTask<T>(LoadAsync(cancellation));

    public void Forget() => Interlocked.Increment(ref _generation);

    public void Dispose() => _loading.Dispose();

    private T? Current => Volatile.Read(ref _entry) is { } entry && entry.Generation == Interlocked.Read(ref _generation) ? entry.Value : null;

    private async Task<T> LoadAsync(CancellationToken cancellation)
    {
        var asked = Interlocked.Read(ref _generation);
        await _loading.WaitAsync(cancellation);
        try
        {
            if (Volatile.Read(ref _entry) is { } entry && entry.Generation >= asked) return entry.Value;
            var generation = Interlocked.Read(ref _generation);
            var value = await load(cancellation);
            Volatile.Write(ref _entry, new Entry(generation, value));
            return value;
        }
        finally
        {
            _loading.Release();
        }
    }

    private sealed record Entry(long Generation, T Value);
}
