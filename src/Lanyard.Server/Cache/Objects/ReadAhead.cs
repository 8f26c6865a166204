using Lanyard.Server.Cache.Blobs;

namespace Lanyard.Server.Cache.Objects;

/// <summary>
/// Opens the objects of an entry before their turn: BuildKit's entries are one of a MiB each, and asking for them one after the other would take a round trip to the store each. What of
/// their bytes has come waits in the connections, so memory does not grow.
/// </summary>
internal sealed class ReadAhead(IReadOnlyList<Extent> extents, Func<Extent, Task<Stream>> open) : IAsyncDisposable
{
    /// <summary>Opened and not yet read to the end.</summary>
    public const int Most = 4;

    private readonly Queue<Task<Stream>> _opening = new();
    private int _next;

    /// <returns>The next object's; its taker disposes it.</returns>
    public Task<Stream> NextAsync()
    {
        while (_next < extents.Count && _opening.Count < Most) _opening.Enqueue(open(extents[_next++]));
        return _opening.Dequeue();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var opening in _opening)
        {
            await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (opening.IsCompletedSuccessfully) await (await opening).DisposeAsync();
        }
    }
}
