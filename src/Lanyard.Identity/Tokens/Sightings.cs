namespace Lanyard.Identity.Tokens;

/// <summary>
/// Tells tokens that come again from those that come once. What a token became is worth keeping only if somebody asks for it: a pipeline that makes a
/// token for each call would otherwise fill the memory with what nobody reads, and move it from one generation of the garbage collector to the next.
/// A filter of 128 KiB (Bloom's, two bits a token) that is emptied when it has seen 50,000 of them; at its fullest one new token in a hundred is
/// taken for an old one, and merely kept at once. It decides about memory only, never about who gets in.
/// </summary>
public sealed class Sightings
{
    private const int Most = 50_000;
    private const int Bits = 1 << 20;
    private const int BitsOfWord = 64;

    private readonly long[] _words = new long[Bits / BitsOfWord];
    private int _count;

    /// <returns>Whether it has been here since the filter was emptied last.</returns>
    public bool Again(TokenHash token)
    {
        // Both, always: a token is known by its two bits.
        if (Mark(token.B) & Mark(token.C))
        {
            return true;
        }

        if (Interlocked.Increment(ref _count) > Most)
        {
            Array.Clear(_words);
            Volatile.Write(ref _count, 0);
        }

        return false;
    }

    private bool Mark(ulong place)
    {
        var bit = 1L << (int)(place % BitsOfWord);
        return (Interlocked.Or(ref _words[place % Bits / BitsOfWord], bit) & bit) != 0;
    }
}
