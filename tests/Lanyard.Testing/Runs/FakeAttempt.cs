using Lanyard.Protocol.Runs;

namespace Lanyard.Testing.Runs;

/// <summary>One attempt on a <see cref="FakeControlPlane"/>: what it hands out, and what the runner said about it.</summary>
public sealed class FakeAttempt(AttemptPayload payload)
{
    private readonly TaskCompletionSource<EndRequest> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(int Index, StepReport Report)> _reports = [];
    private readonly MemoryStream _log = new();
    private readonly Lock _gate = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> _awaited = [];

    public AttemptPayload Payload { get; } = payload;

    public string State { get; set; } = AttemptStates.Offered;

    /// <summary>What the next poll or heartbeat answers for it.</summary>
    public string Answer { get; set; } = HoldAnswers.Keep;

    public int Accepts { get; set; }

    public int Starts { get; set; }

    public int Ends { get; private set; }

    /// <summary>Offsets of the log chunks, as they came.</summary>
    public List<long> Offsets { get; } = [];

    public Task<EndRequest> Ended => _ended.Task;

    public string Log
    {
        get
        {
            lock (_gate)
            {
                return System.Text.Encoding.UTF8.GetString(_log.ToArray());
            }
        }
    }

    public byte[] LogBytes
    {
        get
        {
            lock (_gate)
            {
                return _log.ToArray();
            }
        }
    }

    public IReadOnlyList<(int Index, StepReport Report)> Reports
    {
        get
        {
            lock (_gate)
            {
                return [.. _reports];
            }
        }
    }

    public StepReport LastReport(int index) => Reports.Last(report => report.Index == index).Report;

    /// <summary>Waits for a text in the log: how a step says how far it is.</summary>
    public async Task<string> LogSaysAsync(string text)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (!Log.Contains(text, StringComparison.Ordinal))
            {
                _awaited.Add((text, seen));
            }
            else
            {
                seen.SetResult();
            }
        }

        try
        {
            await seen.Task.WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"the log never said '{text}'; it says: {Log}");
        }

        return Log;
    }

    internal void Report(int index, StepReport report)
    {
        lock (_gate)
        {
            _reports.Add((index, report));
        }
    }

    internal void End(EndRequest request)
    {
        Ends++;
        State = AttemptStates.Ended;
        _ended.TrySetResult(request);
    }

    /// <summary>The offset rules of the run protocol. Null where the chunk leaves a gap.</summary>
    internal long? Append(long offset, byte[] chunk)
    {
        lock (_gate)
        {
            Offsets.Add(offset);
            if (offset > _log.Length)
            {
                return null;
            }

            var known = (int)Math.Min(chunk.Length, _log.Length - offset);
            if (!_log.GetBuffer().AsSpan((int)offset, known).SequenceEqual(chunk.AsSpan(0, known)))
            {
                throw new InvalidOperationException("the chunk differs from what is known");
            }

            _log.Write(chunk.AsSpan(known));
            var text = Log;
            foreach (var (awaited, seen) in _awaited)
            {
                if (text.Contains(awaited, StringComparison.Ordinal))
                {
                    seen.TrySetResult();
                }
            }

            return _log.Length;
        }
    }

    /// <summary>Forgets the end of the log, as a server does that lost power before it had it on disk.</summary>
    public void ForgetLogAfter(long length)
    {
        lock (_gate)
        {
            _log.SetLength(length);
        }
    }

    public long LogLength
    {
        get
        {
            lock (_gate)
            {
                return _log.Length;
            }
        }
    }
}
