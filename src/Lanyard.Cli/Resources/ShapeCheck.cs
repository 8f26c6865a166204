using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Lanyard.Cli.Resources;

/// <summary>
/// Compares a document with the shape of the wire record that the server will read it into (the serializer's own metadata, so the two can't
/// disagree) and reports every unknown member, missing member and wrong type with its line. What values mean is the server's to judge.
/// </summary>
internal sealed class ShapeCheck(YamlDocument document, List<YamlMistake> mistakes)
{
    public void Mistake(string path, string text) => mistakes.Add(new YamlMistake(document.LineOf(path), path, text));

    public void OnlyMembers(JsonObject mapping, string path, params string[] known)
    {
        foreach (var (name, _) in mapping)
        {
            if (!known.Contains(name, StringComparer.Ordinal))
            {
                Mistake(Below(path, name), $"is unknown; known here: {string.Join(", ", known)}");
            }
        }
    }

    public void Against(JsonNode? node, string path, JsonTypeInfo shape)
    {
        if (node is null)
        {
            return;
        }

        switch (shape.Kind)
        {
            case JsonTypeInfoKind.Object when node is JsonObject mapping:
                AgainstMembers(mapping, path, shape);
                break;
            case JsonTypeInfoKind.Dictionary when node is JsonObject mapping:
                foreach (var (name, value) in mapping)
                {
                    AgainstElement(value, Below(path, name), shape);
                }

                break;
            case JsonTypeInfoKind.Enumerable when node is JsonArray array:
                for (var index = 0; index < array.Count; index++)
                {
                    AgainstElement(array[index], $"{path}[{index}]", shape);
                }

                break;
            case JsonTypeInfoKind.None:
                AgainstScalar(node, path, shape.Type);
                break;
            default:
                Mistake(path, $"must be {(shape.Kind == JsonTypeInfoKind.Enumerable ? "a list" : "a mapping")}");
                break;
        }
    }

    private void AgainstMembers(JsonObject mapping, string path, JsonTypeInfo shape)
    {
        OnlyMembers(mapping, path, [.. shape.Properties.Select(property => property.Name)]);
        foreach (var property in shape.Properties)
        {
            if (mapping.TryGetPropertyValue(property.Name, out var value) && value is not null)
            {
                Against(value, Below(path, property.Name), shape.Options.GetTypeInfo(property.PropertyType));
            }
            else if (property.IsRequired || property.AssociatedParameter is { HasDefaultValue: false, IsNullable: false })
            {
                Mistake(Below(path, property.Name), "is missing");
            }
        }
    }

    private void AgainstElement(JsonNode? value, string path, JsonTypeInfo shape)
    {
        if (value is null)
        {
            Mistake(path, "is empty");
        }
        else if (shape.ElementType is { } element)
        {
            Against(value, path, shape.Options.GetTypeInfo(element));
        }
    }

    private void AgainstScalar(JsonNode node, string path, Type type)
    {
        var actual = node.GetValueKind();
        var wanted = Nullable.GetUnderlyingType(type) ?? type;
        var mistake = Type.GetTypeCode(wanted) switch
        {
            TypeCode.String when actual != JsonValueKind.String => "must be text (quote a number or a true that is meant as text)",
            TypeCode.Boolean when actual is not (JsonValueKind.True or JsonValueKind.False) => "must be true or false",
            TypeCode.Int32 or TypeCode.Int64 when !IsWhole(node, actual) => "must be a whole number",
            _ => null,
        };
        if (mistake is not null)
        {
            Mistake(path, mistake);
        }
    }

    private static bool IsWhole(JsonNode node, JsonValueKind kind) => kind == JsonValueKind.Number && node.AsValue().TryGetValue<long>(out _);

    private static string Below(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
