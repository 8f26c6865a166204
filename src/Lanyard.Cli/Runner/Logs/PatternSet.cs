using System.Buffers.Binary;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// Finds any of many byte strings (Wu and Manber, 1994): the last three bytes of a window as long as the shortest pattern say how far it can move. On text
/// that holds none of them it looks at about every fourth byte, however many patterns there are.
/// </summary>
internal sealed class PatternSet
{
    private const int Block = 3;
    private const int HashBits = 14;

    private readonly byte[][] _sorted;
    private readonly byte[] _shifts = new byte[1 << HashBits];
    private readonly Dictionary<int, List<byte[]>> _byLastBlock = [];

    /// <param name="patterns">Each of at least four bytes.</param>
    public PatternSet(IEnumerable<byte[]> patterns)
    {
        _sorted = [.. patterns];
        Array.Sort(_sorted, static (a, b) => a.AsSpan().SequenceCompareTo(b));
        Shortest = Math.Min(_sorted.Length == 0 ? Block + 1 : _sorted.Min(static p => p.Length), byte.MaxValue);
        Longest = _sorted.Length == 0 ? 0 : _sorted.Max(static p => p.Length);
        Array.Fill(_shifts, (byte)(Shortest - Block + 1));
        foreach (var pattern in _sorted)
        {
            Add(pattern);
        }
    }

    public int Shortest { get; }

    public int Longest { get; }

    /// <summary>Where the next pattern begins, complete or cut off by the end of the window; the window's length where none does.</summary>
    /// <param name="from">Nothing before it is looked at.</param>
    /// <param name="length">Of the longest complete one there; 0: all are cut off.</param>
    /// <param name="isCut">One there is cut off.</param>
    public int Find(ReadOnlySpan<byte> window, int from, out int length, out bool isCut)
    {
        (length, isCut) = (0, false);
        if (_sorted.Length == 0)
        {
            return window.Length;
        }

        var shifts = _shifts;
        var end = from + Shortest;
        while (end <= window.Length)
        {
            var hash = HashOf(window, end);
            var shift = shifts[hash];
            if (shift > 0)
            {
                end += shift;
                continue;
            }

            if (IsAt(window[(end - Shortest)..], hash, out length, out isCut))
            {
                return end - Shortest;
            }

            end++;
        }

        for (var start = Math.Max(from, window.Length - Shortest + 1); start < window.Length; start++)
        {
            if (IsBeginOfAny(window[start..]))
            {
                isCut = true;
                return start;
            }
        }

        return window.Length;
    }

    private static int HashOf(ReadOnlySpan<byte> bytes, int end) =>
        (int)(((BinaryPrimitives.ReadUInt32LittleEndian(bytes[(end - Block - 1)..]) >> 8) * 0x9E3779B1u) >> (32 - HashBits));

    private void Add(byte[] pattern)
    {
        for (var end = Block + 1; end <= Shortest; end++)
        {
            ref var shift = ref _shifts[HashOf(pattern, end)];
            shift = (byte)Math.Min(shift, Shortest - end);
        }

        // A pattern's first block has nothing before it to be read with it.
        ref var first = ref _shifts[(int)(((uint)(pattern[0] | (pattern[1] << 8) | (pattern[2] << 16)) * 0x9E3779B1u) >> (32 - HashBits))];
        first = (byte)Math.Min(first, Shortest - Block);
        var last = HashOf(pattern, Shortest);
        if (!_byLastBlock.TryGetValue(last, out var same))
        {
            _byLastBlock[last] = same = [];
        }

        same.Add(pattern);
    }

    private bool IsAt(ReadOnlySpan<byte> rest, int hash, out int length, out bool isCut)
    {
        (length, isCut) = (0, false);
        foreach (var pattern in _byLastBlock[hash])
        {
            if (pattern.Length <= rest.Length)
            {
                length = pattern.Length > length && rest.StartsWith(pattern) ? pattern.Length : length;
            }
            else
            {
                isCut |= pattern.AsSpan().StartsWith(rest);
            }
        }

        return length > 0 || isCut;
    }

    private bool IsBeginOfAny(ReadOnlySpan<byte> rest)
    {
        var (low, high) = (0, _sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _sorted[middle].AsSpan().SequenceCompareTo(rest) < 0 ? (middle + 1, high) : (low, middle);
        }

        return low < _sorted.Length && _sorted[low].AsSpan().StartsWith(rest);
    }
}
