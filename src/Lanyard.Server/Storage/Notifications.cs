using System.Collections.Immutable;

namespace Lanyard.Server.Storage;

/// <summary>
/// Short messages to everybody who works with the same database: to this process at once, to other replicas a few milliseconds later
/// (PostgreSQL's NOTIFY, gathered so that a burst costs one statement). A message is a hint to look, never the truth: it may come
/// twice, and when some may have been lost every subscriber is called with null.
/// </summary>
internal sealed class Notifications
{
    private ImmutableDictionary<string, ImmutableArray<Action<string?>>> _subscribers =
        ImmutableDictionary.Create<string, ImmutableArray<Action<string?>>>(StringComparer.Ordinal);

    /// <summary>Where messages for other replicas go; null where there are none.</summary>
    internal Action<string, string>? Relay { get; set; }

    /// <summary>
    /// It is not certain that messages of other replicas are heard, and called again as long as it is not: for who must not believe its memory for longer than a second. When it is certain
    /// that some may have been lost, subscribers are told so.
    /// </summary>
    public event Action? Doubted;

    /// <summary>To be called after the commit (see <see cref="Transaction.OnCommitted"/>).</summary>
    /// <param name="channel">A short name without blanks or line breaks.</param>
    /// <param name="payload">At most 500 characters, no line breaks.</param>
    public void Publish(string channel, string payload)
    {
        if (payload.Length > 500 || payload.Contains('\n', StringComparison.Ordinal) || channel.AsSpan().ContainsAny(' ', '\n'))
        {
            throw new ArgumentException("a notification is one short line", nameof(payload));
        }

        Deliver(channel, payload);
        Relay?.Invoke(channel, payload);
    }

    /// <param name="handler">Called on the publisher's or the listener's thread: it must be quick and must not throw. Null: look at everything.</param>
    /// <returns>Disposing ends the subscription.</returns>
    public IDisposable Subscribe(string channel, Action<string?> handler)
    {
        ImmutableInterlocked.AddOrUpdate(ref _subscribers, channel, _ => [handler], (_, handlers) => handlers.Add(handler));
        return new Subscription(this, channel, handler);
    }

    internal void Deliver(string channel, string? payload)
    {
        if (Volatile.Read(ref _subscribers).TryGetValue(channel, out var handlers))
        {
            foreach (var handler in handlers)
            {
                handler(payload);
            }
        }
    }

    /// <summary>Messages of other replicas may have been lost.</summary>
    internal void DeliverLost()
    {
        foreach (var channel in Volatile.Read(ref _subscribers).Keys)
        {
            Deliver(channel, null);
        }
    }

    internal void Doubt() => Doubted?.Invoke();

    private sealed class Subscription(Notifications owner, string channel, Action<string?> handler) : IDisposable
    {
        public void Dispose() =>
            ImmutableInterlocked.AddOrUpdate(ref owner._subscribers, channel, _ => [], (_, handlers) => handlers.Remove(handler));
    }
}
