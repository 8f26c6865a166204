using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>
/// Carries <see cref="Notifications"/> between replicas: one connection listens, and what is published within a few milliseconds
/// goes out as one NOTIFY. A lost connection is opened again; subscribers then hear that messages may be missing. A connection may die without a word: as long as it is not certain that
/// everything is heard, who must know within a second is told to doubt. What could not be sent is sent later, and where it is too much to keep, the other replicas hear that instead.
/// </summary>
internal sealed class PostgresRelay : IAsyncDisposable
{
    private const int MaxPayload = 7900; // PostgreSQL's limit is 8000 bytes
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    /// <summary>A listener asks so often whether it is still one; without an answer for <see cref="GiveUp"/> it is opened again.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan GiveUp = TimeSpan.FromSeconds(5);

    /// <summary>What was asked longer ago says nothing of now; with a look every <see cref="Quiet"/> doubt comes within a second of the first message that is not heard.</summary>
    private static readonly TimeSpan Certain = TimeSpan.FromMilliseconds(700);

    /// <summary>In the place of a message: some were lost, look at everything.</summary>
    private const string Lost = "*";
    private const int MaxWaiting = 10_000;

    private readonly string _origin = Guid.NewGuid().ToString("N");
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<string> _outgoing = Channel.CreateBounded<string>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });

    /// <summary>Taken from the channel, and not known to be sent; the sending loop's alone.</summary>
    private readonly HashSet<string> _unsent = new(StringComparer.Ordinal);
    private volatile bool _overflowed;

    /// <summary>Everything that was sent before that moment has been heard.</summary>
    private long _heardUntil;

    private readonly NpgsqlDataSource _source;
    private readonly Notifications _notifications;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Task _loops;

    public PostgresRelay(NpgsqlDataSource source, Notifications notifications, TimeProvider time, ILogger logger)
    {
        _source = source;
        _notifications = notifications;
        _time = time;
        _logger = logger;
        notifications.Relay = Enqueue;
        _heardUntil = time.GetTimestamp();
        _loops = Task.WhenAll(Task.Run(() => ForeverAsync(ListenAsync)), Task.Run(() => ForeverAsync(SendAsync)), Task.Run(() => ForeverAsync(DoubtAsync)));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops;
        _stop.Dispose();
    }

    private void Enqueue(string channel, string payload)
    {
        if (!_outgoing.Writer.TryWrite($"{channel} {payload}")) _overflowed = true;
    }

    private async Task ForeverAsync(Func<CancellationToken, Task> loop)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await loop(_stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // An outage says enough in a line; anything else is a bug, and told whole.
                _logger.RelayLost(DatabaseFault.Words(exception), exception is NpgsqlException or TimeoutException ? null : exception);
                await Task.Delay(Retry, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ListenAsync(CancellationToken stop)
    {
        await using var connection = await _source.OpenConnectionAsync(stop);
        connection.Notification += (_, message) => Receive(message.Payload);
        await using var listen = new NpgsqlCommand("listen lanyard", connection) { CommandTimeout = (int)GiveUp.TotalSeconds };
        var asked = _time.GetTimestamp();
        await listen.ExecuteNonQueryAsync(stop);
        _notifications.DeliverLost();
        while (true)
        {
            // The answer stands behind every message that was sent before the question.
            Volatile.Write(ref _heardUntil, asked);
            await HearAsync(connection, stop);
            asked = _time.GetTimestamp();
            await listen.ExecuteNonQueryAsync(stop);
        }
    }

    private async Task HearAsync(NpgsqlConnection connection, CancellationToken stop)
    {
        using var quiet = new CancellationTokenSource(Quiet, _time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(quiet.Token, stop);
        try
        {
            while (true) await connection.WaitAsync(over.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            // Time to ask.
        }
    }

    private async Task DoubtAsync(CancellationToken stop)
    {
        using var look = new PeriodicTimer(Quiet, _time);
        while (await look.WaitForNextTickAsync(stop))
        {
            if (_time.GetElapsedTime(Volatile.Read(ref _heardUntil)) >= Certain) _notifications.Doubt();
        }
    }

    private void Receive(string message)
    {
        var lines = message.Split('\n');
        if (lines[0] == _origin)
        {
            return;
        }

        foreach (var line in lines.AsSpan(1))
        {
            var at = line.IndexOf(' ', StringComparison.Ordinal);
            if (line == Lost) _notifications.DeliverLost();
            else if (at > 0) _notifications.Deliver(line[..at], line[(at + 1)..]);
        }
    }

    private async Task SendAsync(CancellationToken stop)
    {
        while (_unsent.Count > 0 || _overflowed || await _outgoing.Reader.WaitToReadAsync(stop))
        {
            await Task.Delay(Gather, _time, stop);
            Take();
            foreach (var payload in Pack(_unsent)) await NotifyAsync(payload, stop);
            _unsent.Clear();
        }
    }

    /// <summary>Everything that waits; after an overflow, or where more waits than is kept, only that something was lost.</summary>
    private void Take()
    {
        var isTooMuch = _overflowed;
        _overflowed = false;
        while (_outgoing.Reader.TryRead(out var line)) _unsent.Add(line);
        if (!isTooMuch && _unsent.Count <= MaxWaiting) return;
        _unsent.Clear();
        _unsent.Add(Lost);
    }

    private async Task NotifyAsync(string payload, CancellationToken stop)
    {
        try
        {
            await SendOneAsync(payload, stop);
        }
        catch (NpgsqlException)
        {
            // A connection of the pool may have died unnoticed, and the next one be good: a message twice does no harm, one late may.
            await SendOneAsync(payload, stop);
        }
    }

    private async Task SendOneAsync(string payload, CancellationToken stop)
    {
        await using var connection = await _source.OpenConnectionAsync(stop);
        // A message is a hint: nobody waits until it is on disk.
        await PostgresDatabase.QueryAsync(connection, $"select set_config('synchronous_commit', 'off', true), pg_notify('lanyard', {payload})", static _ => 0, stop);
    }

    private List<string> Pack(HashSet<string> lines)
    {
        var packed = new List<string>();
        var text = new StringBuilder(_origin);
        foreach (var line in lines)
        {
            if (Encoding.UTF8.GetByteCount(line) + 1 + Encoding.UTF8.GetByteCount(text.ToString()) > MaxPayload)
            {
                packed.Add(text.ToString());
                text.Clear().Append(_origin);
            }

            text.Append('\n').Append(line);
        }

        packed.Add(text.ToString());
        return packed;
    }
}

internal static partial class StorageLog
{
    [LoggerMessage(LogLevel.Warning, "The connection that carries messages between replicas was lost; it is opened again: {Detail}")]
    public static partial void RelayLost(this ILogger logger, string detail, Exception? exception);
}
