using System.Globalization;
using Lanyard.Identity;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>Chunks of protocol v1 are blocks named by their offset; together they must cover the blob without gap or overlap.</summary>
internal static class ChunkOrder
{
    /// <summary>No base64, so that no block of v2 can have the name.</summary>
    public static string NameOf(long offset) => string.Create(CultureInfo.InvariantCulture, $"@{offset}");

    /// <returns>The chunks in order; or RequestMalformed.</returns>
    public static Outcome<IReadOnlyList<StagedBlock>> Of(IReadOnlyList<StagedBlock> staged)
    {
        var chunks = new SortedDictionary<long, StagedBlock>();
        foreach (var block in staged.Where(static block => block.Block.StartsWith('@')))
        {
            // The staged come oldest first: a repeated chunk takes the place of the one before.
            chunks[long.Parse(block.Block.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture)] = block;
        }

        var end = 0L;
        foreach (var (offset, block) in chunks)
        {
            if (offset != end) return new Refusal(RefusalReason.RequestMalformed, $"the chunks do not meet at {end}");
            end += block.Length;
        }

        return Outcome.Of<IReadOnlyList<StagedBlock>>([.. chunks.Values]);
    }

    /// <summary>Blocks as a block list names them; one may be named more than once.</summary>
    /// <returns>The blocks; or RequestMalformed for a name that is not staged, RequestTooLarge for more of them than so few bytes may have.</returns>
    public static Outcome<IReadOnlyList<StagedBlock>> Listed(IReadOnlyList<StagedBlock> staged, IReadOnlyList<string> names)
    {
        var known = new Dictionary<string, StagedBlock>(staged.Count, StringComparer.Ordinal);
        foreach (var block in staged) known[block.Block] = block;
        var listed = new List<StagedBlock>(names.Count);
        foreach (var name in names)
        {
            if (name == SegmentStore.Whole || !known.TryGetValue(name, out var block)) return new Refusal(RefusalReason.RequestMalformed, $"block {name} is not staged");
            listed.Add(block);
        }

        var most = BlockList.MostOf(listed.Sum(static block => block.Length));
        if (listed.Count > most) return new Refusal(RefusalReason.RequestTooLarge, $"{listed.Count} blocks are named, of at most {most}");
        return Outcome.Of<IReadOnlyList<StagedBlock>>(listed);
    }
}
