using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Lanyard.Cli.Resources;

/// <summary>One document of a YAML stream as JSON, with the line of every value by its path.</summary>
/// <param name="Columns">The same for columns, 1-based.</param>
internal sealed record YamlDocument(long Line, JsonNode? Root, IReadOnlyDictionary<string, long> Lines, IReadOnlyDictionary<string, long>? Columns = null)
{
    /// <summary>The line of a path, or of the nearest parent that has one: a server may name a member that is missing.</summary>
    public long LineOf(string path)
    {
        for (var at = path; at.Length > 0; at = Parent(at))
        {
            if (Lines.TryGetValue(at, out var line))
            {
                return line;
            }
        }

        return Line;
    }

    /// <summary>The column of a path, or of the nearest parent that has one.</summary>
    public long ColumnOf(string path)
    {
        for (var at = path; at.Length > 0; at = Parent(at))
        {
            if (Columns?.TryGetValue(at, out var column) == true)
            {
                return column;
            }
        }

        return 1;
    }

    private static string Parent(string path) => path.LastIndexOfAny(['.', '[']) is > 0 and var cut ? path[..cut] : "";
}

/// <summary>
/// Reads a YAML stream strictly into JSON: the core schema of YAML 1.2 (so <c>yes</c> and <c>no</c> are words), no duplicate keys, no
/// anchors, aliases, merge keys or tags (a document says what it says in one place, and can't grow), bounded in size and depth.
/// </summary>
internal sealed class YamlReader
{
    public const int MaxCharacters = 4 * 1024 * 1024;
    private const int MaxDepth = 32;
    private const int MaxDocuments = 1000;

    private readonly List<YamlMistake> _mistakes = [];
    private Dictionary<string, long> _lines = [];
    private Dictionary<string, long> _columns = [];

    public static (List<YamlDocument> Documents, List<YamlMistake> Mistakes) Read(string text)
    {
        var reader = new YamlReader();
        var documents = new List<YamlDocument>();
        if (text.Length > MaxCharacters)
        {
            return (documents, [new YamlMistake(1, "", $"the file is longer than {MaxCharacters} characters")]);
        }

        var parser = new Parser(new Scanner(new StringReader(text), skipComments: true));
        try
        {
            reader.ReadStream(parser, documents);
        }
        catch (YamlException exception)
        {
            // The rest of the stream has no structure any more; what was found before it is still said.
            reader._mistakes.Add(new YamlMistake(exception.Start.Line, "", $"not YAML: {exception.Message}"));
        }
        catch (InvalidOperationException)
        {
            // The scanner's way of saying so for some broken flow collections; it has no position of its own.
            reader._mistakes.Add(new YamlMistake(parser.Current?.Start.Line ?? 1, "", "not YAML from here on"));
        }

        return (documents, reader._mistakes);
    }

    private void ReadStream(Parser parser, List<YamlDocument> documents)
    {
        parser.Consume<StreamStart>();
        while (parser.TryConsume<DocumentStart>(out var start))
        {
            (_lines, _columns) = ([], []);
            var root = ReadNode(parser, "", 0);
            parser.Consume<DocumentEnd>();
            if (documents.Count == MaxDocuments)
            {
                _mistakes.Add(new YamlMistake(start.Start.Line, "", $"more than {MaxDocuments} documents"));
                return;
            }

            if (root is not null)
            {
                documents.Add(new YamlDocument(_lines.GetValueOrDefault("", start.Start.Line), root, _lines, _columns));
            }
        }
    }

    private JsonNode? ReadNode(Parser parser, string path, int depth)
    {
        var line = parser.Current!.Start.Line;
        _lines[path] = line;
        _columns[path] = parser.Current.Start.Column;
        if (depth > MaxDepth)
        {
            throw new YamlException(parser.Current.Start, parser.Current.End, $"nested deeper than {MaxDepth}");
        }

        if (parser.TryConsume<AnchorAlias>(out _))
        {
            Mistake(line, path, "aliases (*name) are not taken: write the value out");
            return null;
        }

        if (parser.Current is NodeEvent node)
        {
            RefuseMarks(node, path);
        }

        return parser.Current switch
        {
            Scalar => ReadScalar(parser.Consume<Scalar>(), path),
            SequenceStart => ReadSequence(parser, path, depth),
            _ => ReadMapping(parser, path, depth),
        };
    }

    private void RefuseMarks(NodeEvent node, string path)
    {
        if (!node.Anchor.IsEmpty)
        {
            Mistake(node.Start.Line, path, "anchors (&name) are not taken: write the value out");
        }

        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific)
        {
            Mistake(node.Start.Line, path, $"the tag {node.Tag} is not taken");
        }
    }

    private JsonArray ReadSequence(Parser parser, string path, int depth)
    {
        parser.Consume<SequenceStart>();
        var array = new JsonArray();
        while (!parser.TryConsume<SequenceEnd>(out _))
        {
            array.Add(ReadNode(parser, $"{path}[{array.Count.ToString(CultureInfo.InvariantCulture)}]", depth + 1));
        }

        return array;
    }

    private JsonObject ReadMapping(Parser parser, string path, int depth)
    {
        parser.Consume<MappingStart>();
        var mapping = new JsonObject();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (parser.Current is not Scalar)
            {
                throw new YamlException(parser.Current!.Start, parser.Current.End, "a key must be a word");
            }

            var key = parser.Consume<Scalar>();
            var below = path.Length == 0 ? key.Value : $"{path}.{key.Value}";
            var value = ReadNode(parser, below, depth + 1);
            if (key.Value == "<<" && key.Style == ScalarStyle.Plain)
            {
                Mistake(key.Start.Line, path, "merge keys (<<) are not taken: write the members out");
            }
            else if (!mapping.TryAdd(key.Value, value))
            {
                Mistake(key.Start.Line, below, "stands here twice");
            }
        }

        return mapping;
    }

    private JsonValue? ReadScalar(Scalar scalar, string path)
    {
        if (scalar.Style != ScalarStyle.Plain)
        {
            return JsonValue.Create(scalar.Value);
        }

        switch (scalar.Value)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return null;
            case "true" or "True" or "TRUE":
                return JsonValue.Create(true);
            case "false" or "False" or "FALSE":
                return JsonValue.Create(false);
            case ".inf" or "-.inf" or "+.inf" or ".nan" or ".Inf" or ".NaN" or ".NAN" or ".INF":
                Mistake(scalar.Start.Line, path, $"{scalar.Value} is no number that JSON has");
                return null;
        }

        return ReadNumber(scalar.Value) ?? JsonValue.Create(scalar.Value);
    }

    private static JsonValue? ReadNumber(string text)
    {
        if (!(char.IsAsciiDigit(text[0]) || (text.Length > 1 && text[0] is '-' or '+' or '.')))
        {
            return null;
        }

        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
        {
            return JsonValue.Create(whole);
        }

        const NumberStyles style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(text, style, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real) ? JsonValue.Create(real) : null;
    }

    private void Mistake(long line, string path, string text) => _mistakes.Add(new YamlMistake(line, path, text));
}
