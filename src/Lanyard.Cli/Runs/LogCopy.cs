using System.Text;

namespace Lanyard.Cli.Runs;

/// <summary>Writes a log's bytes as text and knows how many it has taken; a character cut by a chunk's end is kept for the next chunk.</summary>
/// <param name="notes">Told of a further attempt, once it has said something.</param>
internal sealed class LogCopy(TextWriter writer, TextWriter notes)
{
    private bool _isFurther;

    private readonly Decoder _decoder = new UTF8Encoding(false, throwOnInvalidBytes: false).GetDecoder();
    private readonly byte[] _bytes = new byte[32 * 1024];
    private readonly char[] _characters = new char[32 * 1024 + 4];

    /// <summary>Where the next byte stands in the log.</summary>
    public long Offset { get; private set; }

    /// <summary>Whose log it is; 0 until the server has said.</summary>
    public int Attempt { get; set; }

    /// <summary>The server says that nothing more will come.</summary>
    public bool IsOver { get; set; }

    public void GoTo(int attempt)
    {
        Flush();
        (Attempt, Offset, IsOver, _isFurther) = (attempt, 0, false, true);
    }

    public async Task FromAsync(Stream body, CancellationToken cancellationToken)
    {
        while (await body.ReadAsync(_bytes, cancellationToken) is > 0 and var read)
        {
            if (_isFurther) await notes.WriteLineAsync($"--- attempt {Attempt}".AsMemory(), cancellationToken);
            _isFurther = false;
            Offset += read;
            var count = _decoder.GetChars(_bytes.AsSpan(0, read), _characters, flush: false);
            await writer.WriteAsync(_characters.AsMemory(0, count), cancellationToken);
            await writer.FlushAsync(cancellationToken);
        }
    }

    public void Flush()
    {
        var count = _decoder.GetChars([], _characters, flush: true);
        writer.Write(_characters.AsSpan(0, count));
        writer.Flush();
    }
}
