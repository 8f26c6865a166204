using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>A runner's waiting poll.</summary>
/// <param name="runner">The runner's id.</param>
/// <param name="labels">What it can offer to a run that asks for labels.</param>
/// <param name="onlyNamed">It takes only runs that name the runner.</param>
internal sealed class Waiter(string runner, IReadOnlySet<string> labels, bool onlyNamed)
{
    private readonly Lock _lock = new();
    private readonly List<string> _queues = [];
    private TaskCompletionSource? _signal;
    private bool _signaled;
    private bool _left;

    public string Runner => runner;

    public bool Suits(QueueKey key) => key.Suits(runner, labels, onlyNamed);

    /// <summary>The poll is to be answered now, with or without an offer.</summary>
    public bool IsNudged { get; private set; }

    /// <summary>It has looked, found nothing, and waits for a word.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_lock)
                return _signal is not null && !_signaled;
        }
    }

    /// <summary>Tells the poll that a queue has a run. False when it has already left: the word must go to another.</summary>
    public bool TryWake(string queue)
    {
        lock (_lock)
        {
            if (_left || IsNudged)
                return false;
            _queues.Add(queue);
            Signal_NeedsLock();
            return true;
        }
    }

    public void Nudge()
    {
        lock (_lock)
        {
            IsNudged = true;
            Signal_NeedsLock();
        }
    }

    /// <summary>Completes at the next word, at once when one came since the last <see cref="TakeWord"/>.</summary>
    public Task WaitAsync()
    {
        lock (_lock)
        {
            if (_signaled)
                return Task.CompletedTask;
            _signal ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _signal.Task;
        }
    }

    /// <summary>Forgets the words so far; to be called before looking, so that a later word is not lost.</summary>
    public void TakeWord()
    {
        lock (_lock)
        {
            _signaled = false;
            _signal = null;
            _queues.Clear();
        }
    }

    /// <summary>The poll is over.</summary>
    /// <returns>Queues of which it was told and has not looked at since: somebody else must.</returns>
    public IReadOnlyList<string> Leave()
    {
        lock (_lock)
        {
            _left = true;
            return _queues.Count == 0 ? [] : [.. _queues];
        }
    }

    private void Signal_NeedsLock()
    {
        _signaled = true;
        _signal?.TrySetResult();
    }
}

/// <summary>
/// The waiting polls of this replica, by collection and in the order in which they came. A word of a queue wakes one poll, not all: whoever was
/// woken goes to the end of the line.
/// </summary>
internal sealed class WaiterLists
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedList<Waiter>> _byCollection = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Waiter> _byRunner = new(StringComparer.Ordinal);

    public int Count
    {
        get
        {
            lock (_lock)
                return _byRunner.Count;
        }
    }

    /// <summary>Puts a poll into the lines of its collections. An older poll of the same runner is answered: its connection may be dead.</summary>
    public LinkedListNode<Waiter>[] Enter(Waiter waiter, IReadOnlyList<string> collections)
    {
        var nodes = new LinkedListNode<Waiter>[collections.Count];
        lock (_lock)
        {
            if (_byRunner.TryGetValue(waiter.Runner, out var older))
                older.Nudge();
            _byRunner[waiter.Runner] = waiter;
            for (var i = 0; i < nodes.Length; i++)
            {
                if (!_byCollection.TryGetValue(collections[i], out var line))
                    _byCollection[collections[i]] = line = new();
                nodes[i] = line.AddLast(waiter);
            }
        }
        return nodes;
    }

    public void Leave(Waiter waiter, IReadOnlyList<string> collections, LinkedListNode<Waiter>[] nodes)
    {
        lock (_lock)
        {
            if (_byRunner.GetValueOrDefault(waiter.Runner) == waiter)
                _byRunner.Remove(waiter.Runner);
            for (var i = 0; i < nodes.Length; i++)
            {
                var line = nodes[i].List!;
                line.Remove(nodes[i]);
                if (line.Count == 0)
                    _byCollection.Remove(collections[i]);
            }
        }
    }

    /// <summary>Wakes the first in the line that suits. False when nobody waits.</summary>
    public bool WakeOne(string queue)
    {
        var key = QueueKey.Parse(queue);
        lock (_lock)
        {
            if (!_byCollection.TryGetValue(key.Collection, out var line))
                return false;
            for (var node = line.First; node is not null; node = node.Next)
            {
                if (!node.Value.Suits(key) || !node.Value.TryWake(queue))
                    continue;
                line.Remove(node);
                line.AddLast(node);
                return true;
            }
            return false;
        }
    }

    /// <summary>Whether a poll waits that a word of the queue would wake.</summary>
    public bool IsAnyIdle(string queue)
    {
        var key = QueueKey.Parse(queue);
        lock (_lock)
            return _byCollection.TryGetValue(key.Collection, out var line) && line.Any(waiter => waiter.IsIdle && waiter.Suits(key));
    }

    /// <summary>Has a runner's poll answered now.</summary>
    public void Nudge(string runner)
    {
        lock (_lock)
            _byRunner.GetValueOrDefault(runner)?.Nudge();
    }

    public void NudgeAll()
    {
        lock (_lock)
        {
            foreach (var waiter in _byRunner.Values)
                waiter.Nudge();
        }
    }
}

/// <summary>A poll that stands in its lines until it is disposed of.</summary>
internal sealed class WaitingPoll : IDisposable
{
    private readonly WaiterLists _lists;
    private readonly IReadOnlyList<string> _collections;
    private readonly LinkedListNode<Waiter>[] _nodes;

    public WaitingPoll(WaiterLists lists, ActiveRunner runner, Waiter waiter, IReadOnlyList<string> collections, int free)
    {
        (_lists, Runner, Waiter, _collections, Free) = (lists, runner, waiter, collections, free);
        _nodes = lists.Enter(waiter, collections);
    }

    public ActiveRunner Runner { get; }

    public Waiter Waiter { get; }

    public int Free { get; }

    public void Dispose()
    {
        _lists.Leave(Waiter, _collections, _nodes);
        foreach (var queue in Waiter.Leave())
            _lists.WakeOne(queue);
    }
}
