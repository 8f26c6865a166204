using System.Data.Common;
using Lanyard.Identity;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>The SQL of what was uploaded: segments, their order, and the step that makes an entry ready.</summary>
internal sealed class SegmentStore(Database database, TimeProvider time)
{
    /// <summary>The block name of a body that is the whole blob.</summary>
    public const string Whole = "";

    private const int RowsAStatement = 200;

    private readonly DateTimeOffset _begun = time.GetUtcNow();

    /// <summary>Enters a stored segment, in place of what came under the same block name before.</summary>
    /// <param name="block"><see cref="Whole"/> commits at once.</param>
    /// <returns>Segments whose files are to be deleted; or Conflict (not pending any more), RequestTooLarge.</returns>
    public Task<Outcome<List<string>>> StageAsync(string blob, string block, StoredSegment stored, long maxBytes, CancellationToken cancellationToken) =>
        database.TransactionAsync<Outcome<List<string>>>(
            async transaction =>
            {
                var whole = block == Whole;
                var made = whole
                    ? ((Sql)$"committed = true, spare = false, listed = {stored.Length}, digest = {Leaf.DigestOf([stored.Digests])}").Part
                    : ((Sql)$"spare = spare or committed").Part;
                var entry = await transaction.QuerySingleOrNullAsync(
                    $"""
                    update cache_entries set staged_bytes = staged_bytes + {stored.Length}, staged_count = staged_count + 1, {made}
                    where blob = {blob} and state = 'pending' and pending_until > {time.GetUtcNow()}
                    returning staged_bytes, staged_count
                    """,
                    static row => new Staged(row.GetInt64(0), row.GetInt64(1)));
                if (entry is null) return new Refusal(RefusalReason.Conflict, $"blob {blob} is not pending");
                var replaced = entry.Count == 1 ? [] : await ReplacedAsync(transaction, blob, whole ? null : block);
                var freed = replaced.Sum(static row => row.Length);
                if (entry.Bytes - freed > maxBytes || entry.Count - replaced.Count > BlockList.MostOf(entry.Bytes - freed)) throw new TooMuchException();
                if (replaced.Count > 0)
                {
                    await transaction.ExecuteAsync(
                        $"update cache_entries set staged_bytes = staged_bytes - {freed}, staged_count = staged_count - {replaced.Count} where blob = {blob}");
                }

                await transaction.ExecuteAsync(
                    $"""
                    insert into cache_segments (blob, segment, block, length, digests, tags)
                    values ({blob}, {stored.Segment}, {block}, {stored.Length}, {stored.Digests}, {stored.Tags})
                    """);
                if (whole) await InsertLayoutAsync(transaction, blob, [(stored.Segment, stored.Length)]);
                return replaced.ConvertAll(static row => row.Segment);
            },
            cancellationToken);

    /// <summary>Makes the blob of blocks, in the order listed.</summary>
    /// <param name="order">Names of the blocks, from all that are staged.</param>
    /// <returns>Its length; or Conflict (not pending any more), RequestMalformed (an unknown block), RequestTooLarge (too many for so few bytes).</returns>
    public Task<Outcome<long>> CommitAsync(string blob, Func<IReadOnlyList<StagedBlock>, Outcome<IReadOnlyList<StagedBlock>>> order, CancellationToken cancellationToken) =>
        database.TransactionAsync<Outcome<long>>(
            async transaction =>
            {
                var taken = await transaction.QueryAsync(
                    $"select id from cache_entries where blob = {blob} and state = 'pending' and pending_until > {time.GetUtcNow()} {database.ForUpdate}",
                    static row => row.GetInt64(0));
                if (taken.Count == 0) return new Refusal(RefusalReason.Conflict, $"blob {blob} is not pending");
                var staged = await transaction.QueryAsync(
                    $"select block, segment, length, digests from cache_segments where blob = {blob} order by segment",
                    static row => new StagedBlock(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetBytes(3)));
                if (!order(staged).TryGet(out var ordered, out var refusal)) return refusal;

                await transaction.ExecuteAsync($"delete from cache_layout where blob = {blob}");
                await InsertLayoutAsync(transaction, blob, [.. ordered.Select(static part => (part.Segment, part.Length))]);
                var (length, named) = (ordered.Sum(static part => part.Length), ordered.Where(static part => part.Length > 0).DistinctBy(static part => part.Segment).Count());
                await transaction.ExecuteAsync(
                    $"""
                    update cache_entries set committed = true, spare = {named < staged.Count}, listed = {length}, digest = {Leaf.DigestOf(ordered.Select(static part => part.Digests))}
                    where id = {taken[0]}
                    """);
                return length;
            },
            cancellationToken);

    /// <summary>Makes a pending entry ready: from here on it is visible and immutable. A part of the transaction that records it.</summary>
    /// <returns>The statement, for <see cref="ReadFinished"/>. It changes nothing where the entry is not pending for the subject, nothing is committed, or it has another size.</returns>
    public Sql Finalize(CacheName name, string subject, long size)
    {
        var now = time.GetUtcNow();
        return $"""
            update cache_entries set state = {CacheStates.Ready}, size = {size}, ready_at = {now}, used_at = {now}
            where {CacheEntryStore.Is(name)} and state = 'pending' and subject = {subject} and committed and listed = {size}
            returning {CacheEntryStore.Columns}, staged_count, spare
            """;
    }

    public static FinishedEntry ReadFinished(DbDataReader row) =>
        new(CacheEntryStore.Read(row), row.GetInt64(CacheEntryStore.ColumnCount), row.GetBoolean(CacheEntryStore.ColumnCount + 1));

    /// <summary>What follows <see cref="Finalize"/> where there are any: the rows of segments that no list names go.</summary>
    public static Sql DropSpare(CacheEntry entry) =>
        $"""
        delete from cache_segments where blob = {entry.Blob} and segment not in (select segment from cache_layout where blob = {entry.Blob})
        """;

    /// <summary>Whether bytes may lie in the entry's blob that no row knows: a server was killed while it stored them. Who is alone and lives since before the entry has cleared away its own.</summary>
    public bool MayHaveOrphans(CacheEntry entry) => !database.IsOneServers || entry.CreatedAt <= _begun;

    /// <summary>The parts of a blob that overlap a range, in order.</summary>
    public Task<List<Extent>> ExtentsAsync(string blob, ByteRange range, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select l.position, l.segment, l.length, s.digests, s.tags from cache_layout l join cache_segments s on s.blob = l.blob and s.segment = l.segment
            where l.blob = {blob} and l.position <= {range.Last} and l.position + l.length > {range.First} order by l.position
            """,
            static row => new Extent(row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetBytes(3), row.IsDBNull(4) ? [] : row.GetBytes(4)),
            cancellationToken);

    public Task<List<(string Segment, long Length)>> SegmentsAsync(string blob, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"select segment, length from cache_segments where blob = {blob}", static row => (row.GetString(0), row.GetInt64(1)), cancellationToken);

    /// <summary>A whole blob replaces everything; a block, an earlier one of its name that no list has named yet.</summary>
    private static async Task<List<(string Segment, long Length)>> ReplacedAsync(Transaction transaction, string blob, string? block)
    {
        if (block is null) await transaction.ExecuteAsync($"delete from cache_layout where blob = {blob}");
        var only = block is null
            ? Sql.Empty
            : ((Sql)$"and block = {block} and segment not in (select segment from cache_layout where blob = {blob})").Part;
        return await transaction.QueryAsync(
            $"delete from cache_segments where blob = {blob} {only} returning segment, length", static row => (row.GetString(0), row.GetInt64(1)));
    }

    private static async Task InsertLayoutAsync(Transaction transaction, string blob, IReadOnlyList<(string Segment, long Length)> parts)
    {
        var position = 0L;
        foreach (var rows in parts.Where(static part => part.Length > 0).Chunk(RowsAStatement))
        {
            Sql sql = $"insert into cache_layout (blob, position, segment, length) values ({blob}, {position}, {rows[0].Segment}, {rows[0].Length})";
            position += rows[0].Length;
            foreach (var (segment, length) in rows.Skip(1))
            {
                sql.AppendFormatted(((Sql)$", ({blob}, {position}, {segment}, {length})").Part);
                position += length;
            }

            await transaction.ExecuteAsync(sql);
        }
    }

    private sealed record Staged(long Bytes, long Count);
}

/// <param name="Segments">How many were stored for it.</param>
/// <param name="HasSpare">No list names all of them: the rows of the others are gone, their bytes are to follow.</param>
internal sealed record FinishedEntry(CacheEntry Entry, long Segments, bool HasSpare);

/// <summary>What was uploaded under a block's name.</summary>
internal sealed record StagedBlock(string Block, string Segment, long Length, byte[] Digests);

/// <summary>More was uploaded than an entry may have; undoes what was begun.</summary>
internal sealed class TooMuchException : Exception;
