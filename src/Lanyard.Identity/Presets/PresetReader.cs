namespace Lanyard.Identity.Presets;

/// <summary>
/// Reads the presets' own files, and those only: the part of YAML that they are written in, block mappings and lists of words, with comments. The ground floor
/// has no packages; a test reads every file with a YAML library too and compares.
/// </summary>
internal sealed class PresetReader
{
    private readonly List<(int Indent, string Text)> _lines = [];
    private int _at;

    private PresetReader(string text)
    {
        foreach (var line in text.Split('\n'))
        {
            var trimmed = line.Trim();
            if (trimmed.Length > 0 && trimmed[0] != '#') _lines.Add((line.Length - line.TrimStart().Length, trimmed));
        }
    }

    /// <returns>Values are a <see cref="string"/>, a list of strings, or a mapping again.</returns>
    /// <exception cref="FormatException">The file is not written in that part of YAML.</exception>
    public static IReadOnlyDictionary<string, object> Read(string text) => new PresetReader(text).Mapping(0);

    private Dictionary<string, object> Mapping(int indent)
    {
        var mapping = new Dictionary<string, object>(StringComparer.Ordinal);
        while (_at < _lines.Count && _lines[_at].Indent >= indent)
        {
            var (here, text) = _lines[_at++];
            if (here != indent) throw new FormatException($"indented by {here}, wanted are {indent}: {text}");
            var (key, value) = Split(text);
            if (!mapping.TryAdd(key, value.Length > 0 ? Scalar(value) : Block(indent))) throw new FormatException($"{key} stands there twice");
        }

        return mapping;
    }

    private object Block(int indent)
    {
        if (_at == _lines.Count || _lines[_at].Indent <= indent) throw new FormatException("a member without a value");
        return _lines[_at].Text.StartsWith("- ", StringComparison.Ordinal) ? Words(_lines[_at].Indent) : Mapping(_lines[_at].Indent);
    }

    private List<string> Words(int indent)
    {
        var words = new List<string>();
        for (; _at < _lines.Count && _lines[_at].Indent == indent; _at++) words.Add(Scalar(_lines[_at].Text[2..]));
        return words;
    }

    private static (string Key, string Value) Split(string text)
    {
        var from = text[0] == '\'' ? text.IndexOf('\'', 1) : 0;
        var colon = text.IndexOf(": ", from, StringComparison.Ordinal);
        if (colon >= 0) return (Scalar(text[..colon]), text[(colon + 2)..].Trim());
        return text.EndsWith(':') ? (Scalar(text[..^1]), "") : throw new FormatException($"no member: {text}");
    }

    private static string Scalar(string text) =>
        text is ['\'', .. var inner, '\''] ? inner.Replace("''", "'", StringComparison.Ordinal) : text;
}
