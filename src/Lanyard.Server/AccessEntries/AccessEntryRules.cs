using System.Text.Json;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Kubernetes;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.AccessEntries;

/// <summary>
/// What is wrong with a document of access entries, all of it at once. The proxy reads its copy with a reader of its own and refuses what this lets
/// through by mistake, so that a test holds both to the same documents.
/// </summary>
internal static class AccessEntryRules
{
    private const int MaxEntries = 1000;

    private static readonly string[] Members = ["name", "issuer", "claims", "username", "uid", "groups", "extras"];

    public static List<Mistake> Mistakes(JsonElement spec)
    {
        var mistakes = new List<Mistake>();
        if (spec.ValueKind != JsonValueKind.Object || !spec.TryGetProperty("entries", out var entries) || entries.ValueKind != JsonValueKind.Array)
        {
            mistakes.Add(new Mistake("spec.entries", "a list is wanted; an empty one lets nobody in"));
            return mistakes;
        }

        mistakes.AddRange(spec.EnumerateObject().Where(static member => member.Name != "entries").Select(static member => new Mistake($"spec.{member.Name}", "unknown field")));
        if (entries.GetArrayLength() > MaxEntries)
        {
            mistakes.Add(new Mistake("spec.entries", $"at most {MaxEntries} entries"));
            return mistakes;
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (index, entry) in entries.EnumerateArray().Index())
        {
            Entry(entry, $"spec.entries[{index}]", names, mistakes);
        }

        return mistakes;
    }

    private static void Entry(JsonElement entry, string path, HashSet<string> names, List<Mistake> mistakes)
    {
        if (entry.ValueKind != JsonValueKind.Object)
        {
            mistakes.Add(new Mistake(path, "an object is wanted"));
            return;
        }

        mistakes.AddRange(entry.EnumerateObject().Where(static member => !Members.Contains(member.Name, StringComparer.Ordinal))
            .Select(member => new Mistake($"{path}.{member.Name}", "unknown field")));
        if (Text(entry, "name", path, mistakes, required: true) is { } name && !names.Add(name))
        {
            mistakes.Add(new Mistake($"{path}.name", "another entry has this name"));
        }

        Text(entry, "issuer", path, mistakes, required: true);
        Claims(entry, path, mistakes);
        Template(Text(entry, "username", path, mistakes, required: true), $"{path}.username", mistakes);
        Template(Text(entry, "uid", path, mistakes), $"{path}.uid", mistakes);
        if (entry.TryGetProperty("groups", out var groups))
        {
            Templates(groups, $"{path}.groups", mistakes);
        }

        Extras(entry, path, mistakes);
    }

    private static void Claims(JsonElement entry, string path, List<Mistake> mistakes)
    {
        if (!entry.TryGetProperty("claims", out var claims))
        {
            mistakes.Add(new Mistake($"{path}.claims", "required: an entry without conditions would let everybody in whom the issuer knows"));
            return;
        }

        var wrong = new List<PolicyMistake>();
        var conditions = ConditionReader.Read(claims, $"{path}.claims", wrong);
        mistakes.AddRange(wrong.Select(static w => new Mistake(w.Path, w.Text)));
        if (wrong.Count == 0 && conditions.Count == 0)
        {
            mistakes.Add(new Mistake($"{path}.claims", "at least one condition"));
        }
    }

    private static void Extras(JsonElement entry, string path, List<Mistake> mistakes)
    {
        if (!entry.TryGetProperty("extras", out var extras))
        {
            return;
        }

        if (extras.ValueKind != JsonValueKind.Object)
        {
            mistakes.Add(new Mistake($"{path}.extras", "an object of key -> value or list is wanted"));
            return;
        }

        foreach (var extra in extras.EnumerateObject())
        {
            var place = $"{path}.extras.{extra.Name}";
            if (!ExtraKeys.IsOwn(extra.Name))
            {
                mistakes.Add(new Mistake(place, ExtraKeys.Rule));
            }

            if (extra.Value.ValueKind == JsonValueKind.Array)
            {
                Templates(extra.Value, place, mistakes);
            }
            else
            {
                Template(TextOf(extra.Value, place, mistakes), place, mistakes);
            }
        }
    }

    private static void Templates(JsonElement list, string path, List<Mistake> mistakes)
    {
        if (list.ValueKind != JsonValueKind.Array)
        {
            mistakes.Add(new Mistake(path, "a list is wanted"));
            return;
        }

        foreach (var (index, item) in list.EnumerateArray().Index())
        {
            Template(TextOf(item, $"{path}[{index}]", mistakes), $"{path}[{index}]", mistakes);
        }
    }

    private static void Template(string? text, string path, List<Mistake> mistakes)
    {
        if (text is not null && PrincipalTemplate.Parse(text, out var mistake) is null)
        {
            mistakes.Add(new Mistake(path, mistake!));
        }
    }

    private static string? Text(JsonElement entry, string name, string path, List<Mistake> mistakes, bool required = false)
    {
        if (!entry.TryGetProperty(name, out var value))
        {
            if (required)
            {
                mistakes.Add(new Mistake($"{path}.{name}", "required"));
            }

            return null;
        }

        var text = TextOf(value, $"{path}.{name}", mistakes);
        if (required && text is { Length: 0 })
        {
            mistakes.Add(new Mistake($"{path}.{name}", "required"));
            return null;
        }

        return text;
    }

    private static string? TextOf(JsonElement value, string path, List<Mistake> mistakes)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return value.GetString();
        }

        mistakes.Add(new Mistake(path, "must be text"));
        return null;
    }
}
