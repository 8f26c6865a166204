using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// GHASH (NIST SP 800-38D §6.4) of additional data alone, four blocks to an instruction, where the processor has them: the system's library takes one block at a time for data that is not
/// encrypted, and that was a third of what a restore cost. Its time depends on the length only. Blocks are held with their bytes reversed, so that bit 127 is the field's x^0; hash keys
/// are held times x, which makes up for the product of two such blocks being one bit short.
/// </summary>
internal sealed class Ghash
{
    public const int BlockBytes = 16;

    /// <summary>Sixteen vectors between two reductions: with eight a tenth slower, with more no faster.</summary>
    private const int StepVectors = 16;

    private const int StepBlocks = StepVectors * 4;

    /// <summary>x^127 + x^126 + x^121, by which what is above is brought below x^128.</summary>
    private const ulong Reduction = 0xC200_0000_0000_0000;

    private static readonly Vector128<byte> Reversed = Vector128.Create((byte)15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

    /// <summary>H^64 to H^1, four in each.</summary>
    private readonly Vector512<ulong>[] _powers = new Vector512<ulong>[StepVectors];

    private readonly Vector128<ulong> _key;

    /// <param name="key">H: the block cipher of sixteen zeros.</param>
    public Ghash(ReadOnlySpan<byte> key)
    {
        _key = TimesX(Load(key));
        Span<Vector128<ulong>> powers = stackalloc Vector128<ulong>[StepBlocks];
        powers[^1] = _key;
        for (var i = StepBlocks - 2; i >= 0; i--) powers[i] = Multiply(powers[i + 1], _key);
        MemoryMarshal.Cast<Vector128<ulong>, Vector512<ulong>>(powers).CopyTo(_powers);
    }

    public static bool IsSupported => Pclmulqdq.V512.IsSupported && Avx512BW.IsSupported;

    /// <summary>The hash of the data, filled with zeros to a whole block, and of its length.</summary>
    public void Hash(ReadOnlySpan<byte> data, Span<byte> hash)
    {
        var state = Steps(data);
        var rest = data[(data.Length / (StepBlocks * BlockBytes) * StepBlocks * BlockBytes)..];
        for (; rest.Length >= BlockBytes; rest = rest[BlockBytes..]) state = Multiply(state ^ Load(rest), _key);
        if (rest.Length > 0)
        {
            Span<byte> last = stackalloc byte[BlockBytes];
            last.Clear();
            rest.CopyTo(last);
            state = Multiply(state ^ Load(last), _key);
        }

        var lengths = Vector128.Create(0UL, (ulong)data.Length * 8);
        Reverse(Multiply(state ^ lengths, _key).AsByte()).CopyTo(hash);
    }

    /// <summary>All whole steps: the blocks of a step times the powers of H that their places give them, added up, and reduced once.</summary>
    private Vector128<ulong> Steps(ReadOnlySpan<byte> data)
    {
        var vectors = MemoryMarshal.Cast<byte, Vector512<byte>>(data);
        var reversed = Vector512.Create(Vector256.Create(Reversed, Reversed), Vector256.Create(Reversed, Reversed));
        ReadOnlySpan<Vector512<ulong>> powers = _powers;
        var state = Vector128<ulong>.Zero;
        for (; vectors.Length >= StepVectors; vectors = vectors[StepVectors..])
        {
            var (low, middle, high) = (Vector512<ulong>.Zero, Vector512<ulong>.Zero, Vector512<ulong>.Zero);
            var before = Vector512<ulong>.Zero.WithLower(Vector256<ulong>.Zero.WithLower(state));
            for (var i = 0; i < powers.Length; i++)
            {
                var blocks = Avx512BW.Shuffle(vectors[i], reversed).AsUInt64() ^ before;
                before = Vector512<ulong>.Zero;
                low ^= Pclmulqdq.V512.CarrylessMultiply(blocks, powers[i], 0x00);
                middle ^= Pclmulqdq.V512.CarrylessMultiply(blocks, powers[i], 0x01) ^ Pclmulqdq.V512.CarrylessMultiply(blocks, powers[i], 0x10);
                high ^= Pclmulqdq.V512.CarrylessMultiply(blocks, powers[i], 0x11);
            }

            state = Reduce(Sum(low), Sum(middle), Sum(high));
        }

        return state;
    }

    private static Vector128<ulong> Multiply(Vector128<ulong> block, Vector128<ulong> key) => Reduce(
        Pclmulqdq.CarrylessMultiply(block, key, 0x00),
        Pclmulqdq.CarrylessMultiply(block, key, 0x01) ^ Pclmulqdq.CarrylessMultiply(block, key, 0x10),
        Pclmulqdq.CarrylessMultiply(block, key, 0x11));

    private static Vector128<ulong> Reduce(Vector128<ulong> low, Vector128<ulong> middle, Vector128<ulong> high)
    {
        var by = Vector128.CreateScalar(Reduction);
        middle ^= HalvesSwapped(low) ^ Pclmulqdq.CarrylessMultiply(low, by, 0x00);
        return high ^ HalvesSwapped(middle) ^ Pclmulqdq.CarrylessMultiply(middle, by, 0x00);
    }

    private static Vector128<ulong> TimesX(Vector128<ulong> key)
    {
        var (low, high) = (key[0], key[1]);
        var over = 0UL - (high >> 63);
        return Vector128.Create((low << 1) ^ (over & 1), ((high << 1) | (low >> 63)) ^ (over & Reduction));
    }

    private static Vector128<ulong> Sum(Vector512<ulong> four)
    {
        var two = four.GetLower() ^ four.GetUpper();
        return two.GetLower() ^ two.GetUpper();
    }

    private static Vector128<ulong> HalvesSwapped(Vector128<ulong> value) => Sse2.Shuffle(value.AsUInt32(), 0x4E).AsUInt64();

    private static Vector128<ulong> Load(ReadOnlySpan<byte> bytes) => Reverse(Vector128.Create(bytes)).AsUInt64();

    private static Vector128<byte> Reverse(Vector128<byte> bytes) => Ssse3.Shuffle(bytes, Reversed);
}
