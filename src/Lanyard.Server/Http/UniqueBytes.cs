using System.Security.Cryptography;

namespace Lanyard.Server.Http;

/// <summary>
/// Random bytes for ids that nobody may meet twice. Each is the system's cryptographic generator's; they are fetched a block at a time for each thread, because asking
/// for eight of them costs as much as for a thousand, and each request makes several ids. For keys and secrets ask the generator itself.
/// </summary>
internal static class UniqueBytes
{
    private const int BlockSize = 1024;

    [ThreadStatic]
    private static byte[]? t_block;

    [ThreadStatic]
    private static int t_left;

    public static void Fill(Span<byte> bytes)
    {
        if (bytes.Length > BlockSize)
        {
            RandomNumberGenerator.Fill(bytes);
            return;
        }

        var block = t_block ??= new byte[BlockSize];
        if (t_left < bytes.Length)
        {
            RandomNumberGenerator.Fill(block);
            t_left = BlockSize;
        }

        // From the end, so that what was given out lies behind what is left; it is not kept.
        var given = block.AsSpan(t_left - bytes.Length, bytes.Length);
        given.CopyTo(bytes);
        given.Clear();
        t_left -= bytes.Length;
    }
}
