using System.Text;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// The log of one attempt: an append-only file, masked before a byte reaches it, so that file, upload and hash agree. Over its limit the
/// head stays and the tail is kept aside; <see cref="Complete"/> puts the tail behind a line that says how much was dropped.
/// </summary>
internal sealed class AttemptLog(string path, long limit) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly LogFile _file = new(path);
    private readonly LogText _text = new();
    private TaskCompletionSource _grown = NewSignal();
    private TailRing? _tail;
    private LogTotal? _total;

    public bool IsComplete
    {
        get
        {
            lock (_gate)
            {
                return _total is not null;
            }
        }
    }

    public void Append(ReadOnlySpan<byte> output)
    {
        lock (_gate)
        {
            if (_total is not null)
            {
                return;
            }

            _text.Write(output);
            Store();
        }
    }

    /// <summary>How many places were masked so far.</summary>
    public long Masked
    {
        get
        {
            lock (_gate)
            {
                return _text.Mask.Masked;
            }
        }
    }

    /// <summary>A line of the runner's own, once the step before it writes no more: after whatever it has left on the last line.</summary>
    public void AppendNote(string text)
    {
        lock (_gate)
        {
            if (_total is not null)
            {
                return;
            }

            _text.Note(text);
            Store();
        }
    }

    /// <summary>A line of the runner's own while a step writes: not into what may be the beginning of a secret or of a command, whose rest is still to come.</summary>
    public void AppendNoteMeanwhile(string text)
    {
        lock (_gate)
        {
            if (_total is not null)
            {
                return;
            }

            _text.NoteMeanwhile(text);
            Store();
        }
    }

    /// <summary>From now on the secret is masked. False where no more fit: then it must not be handed out.</summary>
    public bool TryHide(params ReadOnlySpan<string> secrets)
    {
        lock (_gate)
        {
            if (!_text.Mask.HasRoomFor(secrets.Length))
            {
                return false;
            }

            foreach (var secret in secrets)
            {
                _text.Mask.Add(secret);
            }

            return true;
        }
    }

    /// <summary>As <see cref="TryHide"/>, for a value that somebody else chose: false also where it is too short to be looked for.</summary>
    public bool TryMask(string value)
    {
        lock (_gate)
        {
            return _text.Mask.HasRoomFor(1) && _text.Mask.Add(value);
        }
    }

    /// <summary>No more output comes. Repeated calls answer the same.</summary>
    public LogTotal Complete()
    {
        lock (_gate)
        {
            if (_total is null)
            {
                _text.Flush();
                Store();
                AddTail();
                _total = _file.Complete();
                _grown.TrySetResult();
            }

            return _total;
        }
    }

    /// <summary>Waits until there are bytes behind <paramref name="offset"/> or the log is complete; answers the length so far.</summary>
    public async Task<long> WaitForMoreAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task grown;
            lock (_gate)
            {
                if (_file.Length > offset || _total is not null)
                {
                    return _file.Length;
                }

                grown = _grown.Task;
            }

            await grown.WaitAsync(cancellationToken);
        }
    }

    public ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancellationToken) => _file.ReadAsync(buffer, offset, cancellationToken);

    public void Dispose()
    {
        lock (_gate)
        {
            _total ??= new LogTotal(_file.Length, "");
            _grown.TrySetResult();
            _tail?.Dispose();
            _file.Dispose();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Store()
    {
        var bytes = _text.Ready;
        if (_tail is null)
        {
            var head = (int)Math.Min(bytes.Length, (limit / 2) - _file.Length);
            StoreInFile(bytes[..head]);
            bytes = bytes[head..];
        }

        if (!bytes.IsEmpty)
        {
            StoreInTail(bytes);
        }

        _text.Taken();
    }

    private void StoreInTail(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _tail ??= new TailRing(path + ".tail", limit - (limit / 2));
            _tail.Write(bytes);
        }
        catch (IOException)
        {
            _file.Lose(bytes.Length);
        }
    }

    private void StoreInFile(ReadOnlySpan<byte> bytes)
    {
        _file.Write(bytes);
        var grown = _grown;
        _grown = NewSignal();
        grown.TrySetResult();
    }

    private void AddTail()
    {
        if (_tail is null)
        {
            return;
        }

        if (_tail.Dropped > 0)
        {
            StoreInFile(Encoding.UTF8.GetBytes($"\n[lanyard] {_tail.Dropped} bytes of output were dropped here: the log is limited to {limit} bytes\n"));
        }

        _tail.Drain(part => StoreInFile(part.Span));
    }
}
