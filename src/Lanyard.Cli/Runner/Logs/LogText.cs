using System.Buffers;
using System.Text;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// What goes into an attempt's log, masked: output of steps, and between it notes of the runner's own. Not thread-safe: the log that owns it locks.
/// </summary>
internal sealed class LogText
{
    private readonly ArrayBufferWriter<byte> _masked = new();
    private readonly List<string> _later = [];
    private MaskCommands? _commands;

    public SecretMask Mask { get; } = new();

    /// <summary>What is ready since <see cref="Taken"/>.</summary>
    public ReadOnlySpan<byte> Ready => _masked.WrittenSpan;

    /// <summary>What may be the beginning of a secret or of a command: its rest is still to come.</summary>
    private bool IsUndecided => Mask.IsHolding || _commands?.IsInCommand is true;

    public void Taken() => _masked.ResetWrittenCount();

    public void Write(ReadOnlySpan<byte> output)
    {
        (_commands ??= new MaskCommands(Mask)).Write(output, _masked);
        if (!IsUndecided)
        {
            WriteLater();
        }
    }

    /// <summary>A note, once the step before it writes no more.</summary>
    public void Note(string text)
    {
        Flush();
        WriteNote(text);
    }

    /// <summary>A note while a step writes. It does not part what is not decided: two halves of a secret would both be shown.</summary>
    public void NoteMeanwhile(string text)
    {
        _later.Add(text);
        if (!IsUndecided)
        {
            WriteLater();
        }
    }

    /// <summary>The step writes no more: what was held back is decided, and what waited for that is said.</summary>
    public void Flush()
    {
        _commands?.Flush(_masked);
        Mask.Flush(_masked);
        WriteLater();
    }

    private void WriteLater()
    {
        _later.ForEach(WriteNote);
        _later.Clear();
    }

    private void WriteNote(string text)
    {
        Mask.Write(Encoding.UTF8.GetBytes($"[lanyard] {text}\n"), _masked);
        Mask.Flush(_masked);
    }
}
