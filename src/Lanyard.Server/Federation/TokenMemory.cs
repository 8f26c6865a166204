using System.Collections.Concurrent;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>
/// What must be remembered of single tokens, across replicas and restarts: assertions that were used (each is good once), and tokens of ours
/// that were revoked. Rows go when the token would be expired anyway.
/// </summary>
internal sealed class TokenMemory(Database database, AuditLog audit, TimeProvider time)
{
    /// <summary>Notification that a token was revoked; the payload is its <c>jti</c>.</summary>
    public const string Channel = "revoked";

    private readonly ConcurrentDictionary<string, DateTimeOffset> _revoked = new(StringComparer.Ordinal);

    /// <summary>Marks a one-time token as used.</summary>
    /// <param name="key">What is used once, such as client id and <c>jti</c>.</param>
    /// <returns>False where it was used before: a replay.</returns>
    public async Task<bool> TryUseAsync(string key, DateTimeOffset until, CancellationToken cancellation) =>
        await database.ExecuteAsync($"insert into used_tokens (token, until) values ({key}, {until}) on conflict do nothing", cancellation) == 1;

    /// <summary>Recorded each time it is asked for, also when it was revoked before.</summary>
    public Task RevokeAsync(string tokenId, DateTimeOffset until, AuditEvent about, CancellationToken cancellation) => audit.ChangeAsync<string>(
        async transaction =>
        {
            await transaction.ExecuteAsync($"insert into revoked_tokens (jti, until) values ({tokenId}, {until}) on conflict do nothing", cancellation);
            transaction.OnCommitted(() =>
            {
                _revoked[tokenId] = until;
                database.Notifications.Publish(Channel, tokenId);
            });
            return tokenId;
        },
        _ => about,
        cancellation);

    /// <summary>Whether one of them was revoked, here or on another replica whose notification has come.</summary>
    /// <param name="line">As <see cref="TokenLine"/> has it.</param>
    public bool IsRevoked(IReadOnlyList<string> line)
    {
        var revoked = _revoked.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var entry in line)
            if (TokenLine.IdOf(entry) is { IsEmpty: false } id && revoked.ContainsKey(id)) return true;
        return false;
    }

    /// <summary>Reads what is revoked, at the start and when a notification may have been lost.</summary>
    public async Task LoadAsync(CancellationToken cancellation)
    {
        var rows = await database.QueryAsync(
            $"select jti, until from revoked_tokens where until > {time.GetUtcNow()}", row => (Id: row.GetString(0), Until: row.GetTime(1)), cancellation);
        foreach (var (id, until) in rows) _revoked[id] = until;
    }

    /// <summary>Another replica revoked it. Its row says until when; a day is longer than any token of ours lives.</summary>
    public void Note(string tokenId) => _revoked.TryAdd(tokenId, time.GetUtcNow() + TimeSpan.FromDays(1));

    /// <summary>Drops what is expired.</summary>
    public async Task SweepAsync(CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        await database.ExecuteAsync($"delete from used_tokens where until <= {now}", cancellation);
        await database.ExecuteAsync($"delete from revoked_tokens where until <= {now}", cancellation);
        foreach (var (id, until) in _revoked)
            if (until <= now) _revoked.TryRemove(id, out _);
    }
}
