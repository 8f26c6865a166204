using System.Text;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// The subject of an identity token as a text with values: <c>{name}</c> is a value, <c>[…]</c> a part that is left out when a value in it is missing,
/// <c>{{</c> and <c>}}</c> are braces. A missing value outside brackets is a refusal, never an empty text: two runs must not come to share a subject
/// because something was not said.
/// </summary>
public sealed class SubjectTemplate
{
    public const int MaxLength = 255;

    /// <summary>Google's workload identity pools take no longer <c>google.subject</c>.</summary>
    public const int MaxLengthForGoogle = 127;

    /// <summary>Names that may stand in braces.</summary>
    public static readonly IReadOnlyList<string> Names =
    [
        "instance", "workspace", "workspace_id", "collection", "collection_id", "definition", "definition_id", "definition_uuid", "runner", "runner_id",
        "run", "attempt", "step", "phase", "environment", "repository", "ref", "actor", "consumer_workspace", "consumer_collection",
    ];

    /// <summary>Whether it is the name of a preset.</summary>
    public static bool IsPreset(string name) => Presets.ContainsKey(name);

    private static readonly Dictionary<string, string> Presets = new(StringComparer.Ordinal)
    {
        ["lanyard"] = "workspace:{workspace}:collection:{collection}:definition:{definition}[:phase:{phase}][:environment:{environment}]",
        ["meshstack-definition"] = "system:serviceaccount:{instance}:workspace.{workspace}.buildingblockdefinition.{definition_uuid}",
        ["meshstack-runner"] = "system:serviceaccount:{instance}:{runner}",
        ["bitbucket"] = "{{{repository}}}[:{{{environment}}}]:{{{step}}}",
    };

    private readonly IReadOnlyList<Piece> _pieces;

    private SubjectTemplate(IReadOnlyList<Piece> pieces) => _pieces = pieces;

    /// <summary>Reads a template, or takes a preset by its name; null is the preset <c>lanyard</c>.</summary>
    public static Outcome<SubjectTemplate> Parse(string? template)
    {
        var text = template is null ? Presets["lanyard"] : Presets.GetValueOrDefault(template, template);
        if (text.Length is 0 or > 1024)
            return Malformed("is 1 to 1024 characters long");
        var reader = new Reader(text);
        return reader.Read() is { } mistake ? Malformed(mistake) : new SubjectTemplate(reader.Pieces);
    }

    /// <summary>Whether a value of this name stands in it.</summary>
    public bool Uses(string name) => _pieces.Any(piece => piece.Name == name);

    /// <summary>The subject for these values; null or empty is missing.</summary>
    /// <returns>Or ScopeNotAllowed, with what is wrong.</returns>
    public Outcome<string> Render(IReadOnlyDictionary<string, string?> values)
    {
        var missing = _pieces.Where(p => p.Name is not null && string.IsNullOrEmpty(values.GetValueOrDefault(p.Name))).ToArray();
        if (missing.FirstOrDefault(p => p.Part == 0) is { Name: { } name })
            return new Refusal(RefusalReason.ScopeNotAllowed, $"the subject needs {name}, and the run has none");
        var leftOut = missing.Select(p => p.Part).ToHashSet();
        var subject = string.Concat(_pieces.Where(p => p.Part == 0 || !leftOut.Contains(p.Part)).Select(p => p.Text ?? values[p.Name!]));
        if (subject.Length is 0 or > MaxLength)
            return new Refusal(RefusalReason.ScopeNotAllowed, $"the subject would have {subject.Length} characters; 1 to {MaxLength} are allowed");
        return subject.All(c => c is >= ' ' and <= '~') ? subject : new Refusal(RefusalReason.ScopeNotAllowed, "the subject would not be printable ASCII");
    }

    private static Refusal Malformed(string text) => new(RefusalReason.RequestMalformed, $"the subject template {text}");

    private sealed class Reader(string text)
    {
        private readonly StringBuilder _literal = new();
        private int _parts;
        private bool _inPart;
        private int _at;

        public List<Piece> Pieces { get; } = [];

        /// <returns>What is wrong, or null.</returns>
        public string? Read()
        {
            for (; _at < text.Length; _at++)
            {
                if (ReadOne() is { } mistake)
                    return mistake;
            }
            Flush();
            return _inPart ? "has an optional part that is not closed" : null;
        }

        private string? ReadOne()
        {
            var next = _at + 1 < text.Length ? text[_at + 1] : '\0';
            switch (text[_at])
            {
                case '{' when next == '{':
                case '}' when next == '}':
                    _literal.Append(text[_at++]);
                    return null;
                case '{':
                    return ReadName();
                case '}':
                    return $"has at {_at} a brace that closes nothing; a literal one is written twice";
                case '[' when !_inPart:
                    Flush();
                    (_inPart, _parts) = (true, _parts + 1);
                    return null;
                case ']' when _inPart:
                    Flush();
                    _inPart = false;
                    return Pieces.Exists(p => p.Part == _parts && p.Name is not null) ? null : $"has before {_at} an optional part without a value";
                case '[' or ']':
                    return $"has at {_at} a bracket out of place; parts are not nested";
                case < ' ' or > '~':
                    return $"has at {_at} a character that is not printable ASCII";
                default:
                    _literal.Append(text[_at]);
                    return null;
            }
        }

        private string? ReadName()
        {
            var end = text.IndexOf('}', _at);
            if (end < 0 || !Names.Contains(text[(_at + 1)..end]))
                return $"has at {_at} no name in braces that is known; known are {string.Join(", ", Names)}";
            Flush();
            Pieces.Add(new(null, text[(_at + 1)..end], _inPart ? _parts : 0));
            _at = end;
            return null;
        }

        private void Flush()
        {
            if (_literal.Length > 0)
                Pieces.Add(new(_literal.ToString(), null, _inPart ? _parts : 0));
            _literal.Clear();
        }
    }

    /// <param name="Part">0 outside brackets, else the number of the optional part.</param>
    private readonly record struct Piece(string? Text, string? Name, int Part);
}
