using System.Buffers;
using System.Text;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// Replaces known secrets, in every form of <see cref="SecretVariants"/>, in a stream of bytes by <c>***</c>, across the borders of chunks: bytes at the end
/// that might begin a secret are held back until more bytes, or the end of the step, decide. Not thread-safe: the log that owns it locks.
/// </summary>
internal sealed class SecretMask
{
    /// <summary>A shorter string would be found everywhere in ordinary output.</summary>
    public const int MinSecretLength = 6;

    private const int MaxSecrets = 4096;

    /// <summary>Of all forms together. Over it the oldest secrets are looked for as they are only: they are tokens that have expired.</summary>
    private const long MaxFormBytes = 8 * 1024 * 1024;

    private static readonly byte[] Replacement = "***"u8.ToArray();
    private static readonly List<Place> s_none = [];

    private readonly List<SecretVariants> _secrets = [];
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);
    private PatternSet? _patterns;
    private PatternSet? _joinedPatterns;
    private byte[] _held = [];

    /// <summary>So many characters of base64 stand right before what is held.</summary>
    private int _runBefore;
    private long _formBytes;
    private int _stripped;

    /// <summary>How many places were replaced.</summary>
    public long Masked { get; private set; }

    /// <summary>False where it is too short to be looked for.</summary>
    public bool Add(string secret)
    {
        if (Encoding.UTF8.GetByteCount(secret) < MinSecretLength)
        {
            return false;
        }

        if (!_known.Add(secret))
        {
            return true;
        }

        if (_secrets.Count == MaxSecrets)
        {
            throw new InvalidOperationException($"more than {MaxSecrets} secrets to mask");
        }

        var forms = SecretVariants.Of(secret);
        _secrets.Add(forms);
        _formBytes += forms.All.Sum(static form => (long)form.Length);
        while (_formBytes > MaxFormBytes && _stripped < _secrets.Count - 1)
        {
            Strip(_stripped++);
        }

        (_patterns, _joinedPatterns) = (null, null);
        return true;
    }

    /// <summary>Whether another secret would find room; the endpoint refuses to hand out a token that the log could not mask.</summary>
    public bool HasRoomFor(int count) => _secrets.Count + count <= MaxSecrets;

    /// <summary>Whether what was written last may be the beginning of a secret, and is held back.</summary>
    public bool IsHolding => _held.Length > 0;

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

    private void Strip(int index)
    {
        var forms = _secrets[index];
        _secrets[index] = forms.Bare;
        _formBytes -= forms.All.Skip(1).Sum(static form => (long)form.Length);
    }

    /// <summary>Overlapping secrets become one replacement; what is written of the window is certain, whatever follows.</summary>
    private void Process(ReadOnlySpan<byte> window, IBufferWriter<byte> output, bool final)
    {
        var patterns = _patterns ??= PatternsOf(static forms => forms.All);
        var joined = JoinedLines.Of(window, _runBefore)?.Find(_joinedPatterns ??= PatternsOf(static forms => forms.Base64)) ?? s_none;
        var (written, rangeStart, rangeEnd) = (0, -1, 0);
        var cut = window.Length;
        for (var at = Next(window, joined, 0, out var length, out var isCut); at < window.Length; at = Next(window, joined, at + 1, out length, out isCut))
        {
            if (isCut && !final && at < cut)
            {
                cut = at;
            }

            // What begins behind a place that is not decided is decided with it, unless it is a part of what is.
            if (at >= rangeEnd && at > cut)
            {
                break;
            }

            if (length == 0)
            {
                continue;
            }

            if (at >= rangeEnd)
            {
                written = Replace(window, written, rangeStart, rangeEnd, output);
                rangeStart = at;
            }

            rangeEnd = Math.Max(rangeEnd, at + length);
        }

        // A secret that may go on beyond the end of one that is complete is held back together with it; but a stream of nothing else must not be held for ever.
        if (rangeStart >= 0 && cut < rangeEnd && window.Length - Math.Min(cut, rangeStart) <= 4 * patterns.Longest)
        {
            cut = Math.Min(cut, rangeStart);
        }
        else
        {
            written = Replace(window, written, rangeStart, rangeEnd, output);
            cut = Math.Max(cut, written);
        }

        output.Write(window[written..cut]);
        _held = window[cut..].ToArray();
        _runBefore = JoinedLines.RunAtEnd(window[..cut], _runBefore);
    }

    /// <summary>As <see cref="PatternSet.Find"/>, and what was found across lines.</summary>
    private int Next(ReadOnlySpan<byte> window, List<Place> joined, int from, out int length, out bool isCut)
    {
        var at = _patterns!.Find(window, from, out length, out isCut);
        foreach (var place in joined)
        {
            if (place.At < from) continue;
            if (place.At > at) break;
            (length, isCut) = place.At < at ? (place.Length, place.IsCut) : (Math.Max(length, place.Length), isCut | place.IsCut);
            at = place.At;
        }

        return at;
    }

    private PatternSet PatternsOf(Func<SecretVariants, IReadOnlyList<byte[]>> forms) =>
        new(_secrets.SelectMany(forms).Select(Latin).Distinct(StringComparer.Ordinal).Select(Encoding.Latin1.GetBytes));

    private int Replace(ReadOnlySpan<byte> window, int written, int start, int end, IBufferWriter<byte> output)
    {
        if (start < 0)
        {
            return written;
        }

        output.Write(window[written..start]);
        output.Write(Replacement);
        Masked++;
        return end;
    }

    private static string Latin(byte[] bytes) => Encoding.Latin1.GetString(bytes);
}
