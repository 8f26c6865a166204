using System.Collections.Concurrent;

namespace Lanyard.Server.Runs;

/// <summary>
/// What this replica has just read or written of runs that are on their way, so that accept, start and end need not read it again. A row is written only
/// onto the version that it was derived from, so an old row here costs a second try and nothing else; no refusal rests on it. Documents never change.
/// </summary>
internal sealed class RunMemory
{
    private const int Rows = 10_000;
    private const int Documents = 2_000;

    /// <summary>Characters of a document as JSON; longer ones are read again.</summary>
    internal const int LongestDocument = 16 * 1024;

    private readonly Recent<RunRecord> _rows = new(Rows);
    private readonly Recent<Lazy<RunDocument>> _documents = new(Documents);

    public RunRecord? Find(string run) => _rows.Find(run);

    public void Remember(RunRecord run)
    {
        if (run.IsFinal)
            Forget(run.Id);
        else
            _rows.Put(run.Id, run);
    }

    /// <summary>The row was found to be old, or the run is over.</summary>
    public void Forget(string run)
    {
        _rows.Remove(run);
        _documents.Remove(run);
    }

    public bool HasDocument(string run) => _documents.Find(run) is not null;

    public RunDocument? FindDocument(string run) => _documents.Find(run)?.Value;

    public void Remember(string run, RunDocument document, string json)
    {
        if (!IsLarge(json))
            _documents.Put(run, new(document));
    }

    /// <param name="document">Read when it is asked for; it is not large.</param>
    public void Remember(string run, Lazy<RunDocument> document) => _documents.Put(run, document);

    public static bool IsLarge(string json) => json.Length > LongestDocument;

    /// <summary>Two generations of half the size: when the young one is full the old one goes.</summary>
    private sealed class Recent<T>(int most)
        where T : class
    {
        private ConcurrentDictionary<string, T> _young = new(StringComparer.Ordinal);
        private ConcurrentDictionary<string, T> _old = new(StringComparer.Ordinal);
        private int _count;

        public T? Find(string key) => _young.TryGetValue(key, out var found) || _old.TryGetValue(key, out found) ? found : null;

        public void Put(string key, T value)
        {
            if (Interlocked.Increment(ref _count) > most / 2)
            {
                _count = 0;
                (_old, _young) = (_young, new(StringComparer.Ordinal));
            }
            _young[key] = value;
        }

        public void Remove(string key)
        {
            _young.TryRemove(key, out _);
            _old.TryRemove(key, out _);
        }
    }
}
