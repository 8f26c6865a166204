using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// A secret in the forms in which programs print it: as it is, line by line, in base64 (wherever it stands in what was encoded, and broken into lines as
/// <c>base64</c> and <c>openssl</c> do), in a URL, in JSON, and quoted for a shell.
/// </summary>
/// <param name="All">Every form that is long enough to be looked for, each once; the secret itself first.</param>
/// <param name="Base64">Those in base64, which may be broken into lines.</param>
internal sealed record SecretVariants(IReadOnlyList<byte[]> All, IReadOnlyList<byte[]> Base64)
{
    private static readonly int[] LinesOfBase64 = [76, 64];

    /// <summary>As it is, and in no other form.</summary>
    public SecretVariants Bare => new([All[0]], []);

    public static SecretVariants Of(string secret)
    {
        var (forms, base64) = (new List<string>(), new List<string>());
        foreach (var text in Lines(secret))
        {
            AddTexts(forms, text);
            AddBase64(forms, base64, Encoding.UTF8.GetBytes(text));
        }

        return new(LongEnough(forms.Concat(base64)), LongEnough(base64));
    }

    private static byte[][] LongEnough(IEnumerable<string> forms) =>
        [.. forms.Distinct(StringComparer.Ordinal).Select(Encoding.UTF8.GetBytes).Where(static form => form.Length >= SecretMask.MinSecretLength)];

    /// <summary>The whole and, where it has several lines, each of them: a tool may print one alone, or indent them.</summary>
    private static IEnumerable<string> Lines(string secret)
    {
        yield return secret;
        if (!secret.AsSpan().Trim().ContainsAny('\n', '\r'))
        {
            yield break;
        }

        foreach (var line in secret.Split(['\n', '\r'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            yield return line;
        }

        yield return secret.ReplaceLineEndings("\r\n");
    }

    private static void AddTexts(List<string> forms, string text)
    {
        forms.Add(text);
        AddUrl(forms, Uri.EscapeDataString(text));
        AddJson(forms, text);
        forms.Add(text.Replace("'", "'\\''", StringComparison.Ordinal));
        forms.Add(text.Replace("'", "'\"'\"'", StringComparison.Ordinal));
        forms.Add(Escaped(text, static c => c is '"' or '\\' or '$' or '`'));
        AddAnsi(forms, text);
        forms.Add(Escaped(text, static c => !char.IsAsciiLetterOrDigit(c) && c is > ' ' and < (char)127 and not ('_' or '-' or '.' or '/' or ',' or '+' or ':' or '@' or '%' or '=') || c == ' '));
    }

    /// <summary>What may stand as it is in some part of a URL is left so by some: JavaScript, Java, Python, Go in a path, and in the user's part, where git and Go's tools show passwords.</summary>
    /// <param name="percent">With everything escaped.</param>
    private static void AddUrl(List<string> forms, string percent)
    {
        foreach (var kept in (string[])["", "!'()*", "*", "/", "$&+=:@", "$&+,;=", "!$&'()*+,;="])
        {
            var form = kept.Aggregate(percent, static (text, c) => text.Replace(Uri.HexEscape(c), c.ToString(), StringComparison.Ordinal));
            forms.Add(form);
            forms.Add(LowerHex(form));
            forms.Add(form.Replace("%20", "+", StringComparison.Ordinal));
        }
    }

    /// <summary>What may stand as it is in JSON is escaped by some all the same: .NET does so, Go (Terraform, kubectl) with what HTML knows, Python and PHP with all that is not ASCII.</summary>
    private static void AddJson(List<string> forms, string text)
    {
        var plain = JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text);
        var ascii = Numbered(Literal(text), static c => c > '~');
        forms.Add(JavaScriptEncoder.Default.Encode(text));
        forms.Add(plain);
        forms.Add(plain.Replace("/", "\\/", StringComparison.Ordinal));
        forms.Add(Literal(text));
        forms.Add(Numbered(Literal(text), static c => c is '<' or '>' or '&' or '\u2028' or '\u2029'));
        forms.Add(ascii);
        forms.Add(ascii.Replace("/", "\\/", StringComparison.Ordinal));
    }

    /// <summary>Escaped where JSON demands it, and nowhere else.</summary>
    private static string Literal(string text) => Numbered(
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)
            .Replace("\r", "\\r", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal),
        static c => c < ' ');

    private static string Numbered(string text, Func<char, bool> isEscaped) =>
        string.Concat(text.Select(c => isEscaped(c) ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : c.ToString()));

    /// <summary>Between <c>$'</c> and <c>'</c>: so does bash write what has line breaks, control characters or, where its locale is C, anything that is not ASCII.</summary>
    private static void AddAnsi(List<string> forms, string text)
    {
        var quoted = Escaped(text, static c => c is '\'' or '\\');
        var plain = string.Concat(quoted.Select(static c => Ansi(c)));
        forms.Add(plain);
        forms.Add(string.Concat(plain.EnumerateRunes().Select(static rune => rune.IsAscii ? rune.ToString() : Octal(rune))));
    }

    private static string Ansi(char c) => c switch
    {
        '\a' => "\\a",
        '\b' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\v' => "\\v",
        '\f' => "\\f",
        '\r' => "\\r",
        '\u001b' => "\\E",
        < ' ' or '\u007f' => "\\" + Convert.ToString(c, 8).PadLeft(3, '0'),
        _ => c.ToString(),
    };

    private static string Octal(Rune rune) => string.Concat(Encoding.UTF8.GetBytes(rune.ToString()).Select(static b => "\\" + Convert.ToString(b, 8).PadLeft(3, '0')));

    /// <summary>A backslash before each that a shell would take for something else.</summary>
    private static string Escaped(string text, Func<char, bool> isSpecial)
    {
        var escaped = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            if (isSpecial(c))
            {
                escaped.Append('\\');
            }

            escaped.Append(c);
        }

        return escaped.ToString();
    }

    private static string LowerHex(string percent)
    {
        var lower = percent.ToCharArray();
        for (var i = 0; i < lower.Length - 2; i++)
        {
            if (lower[i] == '%')
            {
                (lower[i + 1], lower[i + 2]) = (char.ToLowerInvariant(lower[i + 1]), char.ToLowerInvariant(lower[i + 2]));
            }
        }

        return new string(lower);
    }

    /// <summary>
    /// Three bytes are four characters, so what stands before the secret decides between three forms. Characters that hold bits of a neighbour are
    /// left out: the rest is found whatever the neighbours are.
    /// </summary>
    private static void AddBase64(List<string> forms, List<string> base64, byte[] secret)
    {
        for (var before = 0; before < 3; before++)
        {
            var encoded = Convert.ToBase64String([.. new byte[before], .. secret]);
            var first = ((before * 8) + 5) / 6;
            var last = (before + secret.Length) * 8 / 6;
            var sure = encoded[first..last];
            base64.Add(sure);
            base64.Add(sure.Replace('+', '-').Replace('/', '_'));
            if (before == 0)
            {
                AddBroken(forms, sure);
            }
        }
    }

    private static void AddBroken(List<string> forms, string encoded)
    {
        foreach (var width in LinesOfBase64.Where(width => encoded.Length > width))
        {
            forms.AddRange(encoded.Chunk(width).Select(static line => new string(line)));
        }
    }
}
