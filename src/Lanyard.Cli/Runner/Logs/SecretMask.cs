using System.Buffers;
using System.Text;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// Replaces known secrets in a stream of bytes by <c>***</c>, across the borders of chunks: bytes at the end that might begin a secret
/// are held back until more bytes, or the end of the step, decide. Not thread-safe: the log that owns it locks.
/// </summary>
internal sealed class SecretMask
{
    /// <summary>A shorter string would be found everywhere in ordinary output.</summary>
    public const int MinSecretLength = 8;

    private const int MaxSecrets = 4096;
    private static readonly byte[] Replacement = "***"u8.ToArray();

    private readonly List<byte[]> _secrets = [];
    private byte[] _held = [];

    public void Add(string secret)
    {
        var bytes = Encoding.UTF8.GetBytes(secret);
        if (bytes.Length < MinSecretLength || _secrets.Exists(known => known.AsSpan().SequenceEqual(bytes)))
        {
            return;
        }

        if (_secrets.Count == MaxSecrets)
        {
            throw new InvalidOperationException($"more than {MaxSecrets} secrets to mask");
        }

        _secrets.Add(bytes);
    }

    /// <summary>Whether another secret would find room; the endpoint refuses to hand out a token that the log could not mask.</summary>
    public bool HasRoomFor(int count) => _secrets.Count + count <= MaxSecrets;

    public void Write(ReadOnlySpan<byte> input, IBufferWriter<byte> output)
    {
        if (_held.Length == 0)
        {
            Process(input, output, final: false);
            return;
        }

        var joined = new byte[_held.Length + input.Length];
        _held.CopyTo(joined, 0);
        input.CopyTo(joined.AsSpan(_held.Length));
        Process(joined, output, final: false);
    }

    /// <summary>Nothing more comes: what was held back is no secret, unless it is one as it stands.</summary>
    public void Flush(IBufferWriter<byte> output)
    {
        var held = _held;
        _held = [];
        Process(held, output, final: true);
    }

    private void Process(ReadOnlySpan<byte> window, IBufferWriter<byte> output, bool final)
    {
        var ranges = Matches(window);
        var keep = final ? window.Length : FirstPossibleStart(window);
        var position = 0;
        foreach (var (start, end) in ranges)
        {
            if (start >= keep)
            {
                break;
            }

            output.Write(window[position..start]);
            output.Write(Replacement);
            position = end;
        }

        // A match that reaches into the held part is decided already: what follows it is looked at afresh.
        keep = Math.Max(keep, position);
        output.Write(window[position..keep]);
        _held = window[keep..].ToArray();
    }

    /// <summary>All places of all secrets, overlapping ones merged, in order.</summary>
    private List<(int Start, int End)> Matches(ReadOnlySpan<byte> window)
    {
        var found = new List<(int Start, int End)>();
        foreach (var secret in _secrets)
        {
            for (var from = 0; window[from..].IndexOf(secret) is >= 0 and var at; from += at + 1)
            {
                found.Add((from + at, from + at + secret.Length));
            }
        }

        found.Sort();
        var merged = new List<(int Start, int End)>(found.Count);
        foreach (var range in found)
        {
            if (merged.Count > 0 && range.Start < merged[^1].End)
            {
                merged[^1] = (merged[^1].Start, Math.Max(merged[^1].End, range.End));
            }
            else
            {
                merged.Add(range);
            }
        }

        return merged;
    }

    /// <summary>Where the earliest proper prefix of a secret that ends the window begins; the window's length if none does.</summary>
    private int FirstPossibleStart(ReadOnlySpan<byte> window)
    {
        var first = window.Length;
        foreach (var secret in _secrets)
        {
            for (var start = Math.Max(0, window.Length - secret.Length + 1); start < first; start++)
            {
                if (secret.AsSpan().StartsWith(window[start..]))
                {
                    first = start;
                }
            }
        }

        return first;
    }
}
