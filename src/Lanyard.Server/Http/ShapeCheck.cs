using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Http;

/// <summary>
/// Compares JSON with the shape of a wire record, by the serializer's own metadata so that the two can't disagree, and finds every unknown
/// member, missing member and wrong type. What values mean is judged elsewhere.
/// </summary>
internal static class ShapeCheck
{
    /// <summary>Enough to mend a document; a hostile one can't make a long answer.</summary>
    private const int MaxMistakes = 100;

    public static IReadOnlyList<Mistake> Mistakes(JsonElement element, JsonTypeInfo shape)
    {
        var mistakes = new List<Mistake>();
        Check(element, "", shape, mistakes);
        return mistakes.Count > MaxMistakes ? mistakes[..MaxMistakes] : mistakes;
    }

    private static void Check(JsonElement element, string path, JsonTypeInfo shape, List<Mistake> mistakes)
    {
        if (mistakes.Count > MaxMistakes || shape.Type == typeof(JsonElement) || shape.Type == typeof(JsonElement?))
        {
            return;
        }

        switch (shape.Kind)
        {
            case JsonTypeInfoKind.Object when element.ValueKind == JsonValueKind.Object:
                CheckMembers(element, path, shape, mistakes);
                break;
            case JsonTypeInfoKind.Dictionary when element.ValueKind == JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    CheckElement(member.Value, Below(path, member.Name), shape, mistakes);
                }

                break;
            case JsonTypeInfoKind.Enumerable when element.ValueKind == JsonValueKind.Array:
                var index = 0;
                foreach (var item in element.EnumerateArray())
                {
                    CheckElement(item, $"{path}[{index++}]", shape, mistakes);
                }

                break;
            case JsonTypeInfoKind.None:
                CheckScalar(element, path, shape.Type, mistakes);
                break;
            case JsonTypeInfoKind.Enumerable:
                mistakes.Add(new Mistake(path, "must be a list"));
                break;
            default:
                mistakes.Add(new Mistake(path, "must be an object"));
                break;
        }
    }

    private static void CheckMembers(JsonElement element, string path, JsonTypeInfo shape, List<Mistake> mistakes)
    {
        foreach (var member in element.EnumerateObject())
        {
            if (Find(shape, member) is not { } known)
            {
                mistakes.Add(new Mistake(Below(path, member.Name), "is unknown"));
            }
            else if (member.Value.ValueKind != JsonValueKind.Null)
            {
                Check(member.Value, Below(path, member.Name), shape.Options.GetTypeInfo(known.PropertyType), mistakes);
            }
        }

        foreach (var property in shape.Properties)
        {
            var required = property.IsRequired || property.AssociatedParameter is { HasDefaultValue: false, IsNullable: false };
            if (required && (!element.TryGetProperty(property.Name, out var value) || value.ValueKind == JsonValueKind.Null))
            {
                mistakes.Add(new Mistake(Below(path, property.Name), "is missing"));
            }
        }
    }

    private static JsonPropertyInfo? Find(JsonTypeInfo shape, JsonProperty member)
    {
        var properties = shape.Properties;
        for (var i = 0; i < properties.Count; i++)
        {
            if (member.NameEquals(properties[i].Name))
            {
                return properties[i];
            }
        }

        return null;
    }

    private static void CheckElement(JsonElement element, string path, JsonTypeInfo shape, List<Mistake> mistakes)
    {
        if (element.ValueKind == JsonValueKind.Null)
        {
            mistakes.Add(new Mistake(path, "is null"));
        }
        else if (shape.ElementType is { } type)
        {
            Check(element, path, shape.Options.GetTypeInfo(type), mistakes);
        }
    }

    private static void CheckScalar(JsonElement element, string path, Type type, List<Mistake> mistakes)
    {
        var text = Type.GetTypeCode(Nullable.GetUnderlyingType(type) ?? type) switch
        {
            TypeCode.String when element.ValueKind != JsonValueKind.String => "must be text",
            TypeCode.String when element.GetString()!.Contains('\0', StringComparison.Ordinal) => "has a NUL character",
            TypeCode.Boolean when element.ValueKind is not (JsonValueKind.True or JsonValueKind.False) => "must be true or false",
            TypeCode.Int32 when element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out _) => "must be a whole number",
            TypeCode.Int64 when element.ValueKind != JsonValueKind.Number || !element.TryGetInt64(out _) => "must be a whole number",
            _ => null,
        };
        if (text is not null)
        {
            mistakes.Add(new Mistake(path, text));
        }
    }

    private static string Below(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
