namespace Lanyard.Testing.Processes;

/// <summary>The lines of one output of a process, and those who wait for a line of it.</summary>
internal sealed class ProcessOutput
{
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];
    private readonly List<(Func<string, bool> Condition, TaskCompletionSource<string?> Found)> _waiting = [];
    private bool _ended;

    public string Text
    {
        get
        {
            lock (_gate)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    /// <summary>Takes a line; null is the end.</summary>
    public void Add(string? line)
    {
        lock (_gate)
        {
            if (line is null)
            {
                _ended = true;
                _waiting.ForEach(static waiter => waiter.Found.TrySetResult(null));
                return;
            }

            _lines.Add(line);
            foreach (var waiter in _waiting.Where(waiter => waiter.Condition(line)))
            {
                waiter.Found.TrySetResult(line);
            }
        }
    }

    /// <summary>The first line that satisfies the condition, or null when the output ends without one.</summary>
    public Task<string?> WaitForLineAsync(Func<string, bool> condition)
    {
        lock (_gate)
        {
            var said = _lines.Find(line => condition(line));
            if (said is not null || _ended)
            {
                return Task.FromResult(said);
            }

            var found = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((condition, found));
            return found.Task;
        }
    }
}
