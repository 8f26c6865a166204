using System.Buffers;
using System.Text;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// Lines <c>::add-mask::VALUE</c> in a step's output, as GitHub's runner knows them: the value is a secret from there on, and is not shown in the line itself. In
/// the value <c>%25</c>, <c>%0D</c> and <c>%0A</c> stand for a percent sign and line breaks. Everything else goes through as it is.
/// </summary>
internal sealed class MaskCommands(SecretMask mask)
{
    private const int LongestLine = 64 * 1024;
    private static readonly byte[] Word = "::add-mask::"u8.ToArray();
    private readonly ArrayBufferWriter<byte> _line = new();
    private bool _isLineStart = true;
    private bool _isDropping;

    /// <summary>Whether the line that was begun is, or may become, a command.</summary>
    public bool IsInCommand => _isDropping || _line.WrittenCount > 0;

    public void Write(ReadOnlySpan<byte> output, IBufferWriter<byte> masked)
    {
        while (!output.IsEmpty)
        {
            if (_isDropping || _line.WrittenCount > 0 || (_isLineStart && output[0] == Word[0]))
            {
                output = output[TakeLine(output, masked)..];
                continue;
            }

            // A command stands at the beginning of a line only.
            var next = output.IndexOf("\n:"u8);
            var plain = next < 0 ? output : output[..(next + 1)];
            mask.Write(plain, masked);
            _isLineStart = plain[^1] == '\n';
            output = output[plain.Length..];
        }
    }

    /// <summary>Nothing more comes: a line without an end is a line.</summary>
    public void Flush(IBufferWriter<byte> masked)
    {
        if (_line.WrittenCount >= Word.Length)
        {
            Obey(masked);
        }
        else
        {
            mask.Write(_line.WrittenSpan, masked);
        }

        _line.ResetWrittenCount();
        (_isDropping, _isLineStart) = (false, true);
    }

    /// <returns>How much was taken.</returns>
    private int TakeLine(ReadOnlySpan<byte> output, IBufferWriter<byte> masked)
    {
        var end = output.IndexOf((byte)'\n');
        var part = end < 0 ? output : output[..end];
        if (_isDropping)
        {
            _isDropping = end < 0;
            return TakeEnd(part.Length, end, masked);
        }

        var wanted = Word.AsSpan(Math.Min(_line.WrittenCount, Word.Length));
        var same = part.CommonPrefixLength(wanted);
        if (same < Math.Min(wanted.Length, part.Length) || (end >= 0 && same < wanted.Length))
        {
            mask.Write(_line.WrittenSpan, masked);
            _line.ResetWrittenCount();
            _isLineStart = false;
            return 0; // no command: it goes through as what it is
        }

        var taken = Math.Min(part.Length, LongestLine - _line.WrittenCount);
        _line.Write(part[..taken]);
        if (end < 0 && taken == part.Length)
        {
            return taken;
        }

        Obey(masked);
        _line.ResetWrittenCount();
        _isDropping = taken < part.Length;
        return _isDropping ? taken : TakeEnd(taken, end, masked);
    }

    private int TakeEnd(int length, int end, IBufferWriter<byte> masked)
    {
        if (end < 0)
        {
            return length;
        }

        mask.Write("\n"u8, masked);
        _isLineStart = true;
        return length + 1;
    }

    private void Obey(IBufferWriter<byte> masked)
    {
        var value = Encoding.UTF8.GetString(_line.WrittenSpan[Word.Length..]).TrimEnd('\r')
            .Replace("%0D", "\r", StringComparison.OrdinalIgnoreCase).Replace("%0A", "\n", StringComparison.OrdinalIgnoreCase).Replace("%25", "%", StringComparison.Ordinal);
        mask.Write(Word, masked);
        mask.Write("***"u8, masked);
        if (!mask.HasRoomFor(1))
        {
            mask.Write(" [lanyard] there is no room for more secrets: this one is not masked"u8, masked);
        }
        else if (!mask.Add(value))
        {
            mask.Write(Encoding.UTF8.GetBytes($" [lanyard] a value shorter than {SecretMask.MinSecretLength} bytes is not masked"), masked);
        }
    }
}
