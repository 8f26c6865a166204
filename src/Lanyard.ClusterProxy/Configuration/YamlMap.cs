using System.Buffers;
using System.Globalization;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Lanyard.ClusterProxy.Configuration;

/// <summary>
/// Strict reading of one YAML (or JSON) object: each member is asked for by name and type, and <see cref="RefuseOthers"/> reports the rest.
/// A number or boolean where text is wanted is a mistake, as in the API server's strict decoding.
/// </summary>
internal sealed class YamlMap
{
    private const int MaxSize = 1024 * 1024;
    private const int MaxDepth = 8;

    private readonly Dictionary<string, YamlNode> _members = new(StringComparer.Ordinal);
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);
    private readonly Mistakes _mistakes;

    private YamlMap(YamlMappingNode node, string path, Mistakes mistakes)
    {
        Path = path;
        _mistakes = mistakes;
        foreach (var (key, value) in node.Children)
        {
            if (key is YamlScalarNode { Value: { } name })
            {
                _members[name] = value;
            }
            else
            {
                mistakes.Add(path, "a key is not text");
            }
        }
    }

    public string Path { get; }

    /// <returns>Null, with a mistake, when the text is not one YAML object.</returns>
    public static YamlMap? Parse(string text, Mistakes mistakes)
    {
        if (text.Length > MaxSize)
        {
            mistakes.Add("", $"longer than {MaxSize} characters");
            return null;
        }

        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            if (stream.Documents is [{ RootNode: YamlMappingNode root }])
            {
                return new YamlMap(root, "", mistakes);
            }

            mistakes.Add("", "not exactly one YAML object");
        }
        catch (YamlException e)
        {
            mistakes.Add(string.Create(CultureInfo.InvariantCulture, $"line {e.Start.Line}"), e.InnerException?.Message ?? e.Message);
        }

        return null;
    }

    public bool Has(string name) => _members.ContainsKey(name);

    public string? RequiredText(string name)
    {
        var text = Text(name);
        if (string.IsNullOrEmpty(text) && (text is not null || !Has(name)))
        {
            _mistakes.Add(At(name), "required");
            return null;
        }

        return text;
    }

    public string? Text(string name) => Find(name) is { } node ? TextOf(node, At(name)) : null;

    public bool? Bool(string name)
    {
        if (Find(name) is not { } node)
        {
            return null;
        }

        if (node is YamlScalarNode { Style: ScalarStyle.Plain, Value: "true" or "false" } scalar)
        {
            return scalar.Value == "true";
        }

        _mistakes.Add(At(name), "must be true or false");
        return null;
    }

    public IReadOnlyList<string> Texts(string name)
    {
        var items = Items(name);
        return [.. items.Select((item, i) => TextOf(item, $"{At(name)}[{i}]")).OfType<string>()];
    }

    public YamlMap? Map(string name)
    {
        if (Find(name) is not { } node)
        {
            return null;
        }

        return MapOf(node, At(name));
    }

    public IReadOnlyList<YamlMap> Maps(string name) => [.. Items(name).Select((item, i) => MapOf(item, $"{At(name)}[{i}]")).OfType<YamlMap>()];

    /// <summary>A member as JSON, for parts of a document that another reader knows: plain true, false and integers keep their type.</summary>
    /// <returns>Null when it is not there.</returns>
    public JsonElement? Json(string name)
    {
        if (Find(name) is not { } node)
        {
            return null;
        }

        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        WriteJson(json, node, At(name), depth: 0);
        json.Flush();
        using var document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }

    /// <summary>The members as they are, for objects whose keys are the operator's own; values are not read yet.</summary>
    public IEnumerable<string> Names => _members.Keys;

    public bool IsText(string name) => _members.GetValueOrDefault(name) is YamlScalarNode;

    public bool IsList(string name) => _members.GetValueOrDefault(name) is YamlSequenceNode;

    public void Wrong(string name, string text) => _mistakes.Add(name.Length == 0 ? Path : At(name), text);

    /// <summary>A member that may be there and means nothing here.</summary>
    public void Ignore(string name) => _asked.Add(name);

    /// <summary>Reports every member that was not asked for. To be called last.</summary>
    public void RefuseOthers()
    {
        foreach (var name in _members.Keys.Where(n => !_asked.Contains(n)))
        {
            _mistakes.Add(At(name), "unknown field");
        }
    }

    private string At(string name) => Path.Length == 0 ? name : $"{Path}.{name}";

    private YamlNode? Find(string name)
    {
        _asked.Add(name);
        var node = _members.GetValueOrDefault(name);
        return node is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "null" or "~" } ? null : node;
    }

    private IEnumerable<YamlNode> Items(string name)
    {
        switch (Find(name))
        {
            case null:
                return [];
            case YamlSequenceNode list:
                return list.Children;
            default:
                _mistakes.Add(At(name), "must be a list");
                return [];
        }
    }

    private void WriteJson(Utf8JsonWriter json, YamlNode node, string path, int depth)
    {
        switch (node)
        {
            case YamlMappingNode map when depth < MaxDepth:
                json.WriteStartObject();
                foreach (var (key, value) in map.Children)
                {
                    json.WritePropertyName((key as YamlScalarNode)?.Value ?? "");
                    WriteJson(json, value, path, depth + 1);
                }

                json.WriteEndObject();
                break;
            case YamlSequenceNode list when depth < MaxDepth:
                json.WriteStartArray();
                foreach (var item in list.Children)
                {
                    WriteJson(json, item, path, depth + 1);
                }

                json.WriteEndArray();
                break;
            case YamlScalarNode { Style: ScalarStyle.Plain, Value: "true" or "false" } flag:
                json.WriteBooleanValue(flag.Value == "true");
                break;
            case YamlScalarNode { Style: ScalarStyle.Plain } number when long.TryParse(number.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer):
                json.WriteNumberValue(integer);
                break;
            case YamlScalarNode text:
                json.WriteStringValue(text.Value);
                break;
            default:
                _mistakes.Add(path, "nested too deep, or an alias");
                json.WriteNullValue();
                break;
        }
    }

    private YamlMap? MapOf(YamlNode node, string path)
    {
        if (node is YamlMappingNode map)
        {
            return new YamlMap(map, path, _mistakes);
        }

        _mistakes.Add(path, "must be an object");
        return null;
    }

    private string? TextOf(YamlNode node, string path)
    {
        if (node is YamlScalarNode { Value: { } text } scalar && (scalar.Style != ScalarStyle.Plain || !IsOtherType(text)))
        {
            return text;
        }

        _mistakes.Add(path, "must be text (numbers and booleans need quotes)");
        return null;
    }

    private static bool IsOtherType(string plain) =>
        plain is "true" or "false" or "null" or "~" or "" || double.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
}
