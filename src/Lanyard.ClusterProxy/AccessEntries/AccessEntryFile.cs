using Lanyard.ClusterProxy.Configuration;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Kubernetes;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>Reads the access entries' file: strictly, all mistakes at once. The first entry that fits a token counts.</summary>
internal static class AccessEntryFile
{
    private const int MaxEntries = 1000;
    private const string ApiVersion = "lanyard/v1";

    /// <exception cref="ConfigurationException">The file has mistakes; none of it is used.</exception>
    public static IReadOnlyList<AccessEntry> Parse(string yaml, string source)
    {
        var mistakes = new Mistakes();
        var entries = YamlMap.Parse(yaml, mistakes) is { } root ? Read(root, mistakes) : [];
        return mistakes.Any ? throw new ConfigurationException(source, mistakes) : entries;
    }

    private static List<AccessEntry> Read(YamlMap root, Mistakes mistakes)
    {
        // As a file of its own, or as the server's resource, which `lanyard apply` takes and the server gives.
        var body = root.Has("spec") ? Resource(root) : root;
        if (body == root && root.Text("apiVersion") != ApiVersion)
        {
            root.Wrong("apiVersion", $"must be {ApiVersion}");
        }

        if (root.Text("kind") != "AccessEntries")
        {
            root.Wrong("kind", "must be AccessEntries");
        }

        var maps = body?.Maps("entries") ?? [];
        if (body is null || !body.IsList("entries") || maps.Count > MaxEntries)
        {
            (body ?? root).Wrong("entries", $"a list of at most {MaxEntries} entries is wanted; an empty one lets nobody in");
        }

        body?.RefuseOthers();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var map in maps.Where(m => m.Text("name") is { } name && !names.Add(name)))
        {
            map.Wrong("name", "another entry has this name");
        }

        return [.. maps.Select(m => ReadEntry(m, mistakes)).OfType<AccessEntry>()];
    }

    /// <summary>What the server adds around a spec says nothing about who becomes what.</summary>
    private static YamlMap? Resource(YamlMap root)
    {
        string[] envelope = ["kind", "metadata", "id", "slug", "workspace", "etag", "createdAt", "updatedAt"];
        foreach (var name in envelope)
        {
            root.Ignore(name);
        }

        var spec = root.Map("spec");
        root.RefuseOthers();
        return spec;
    }

    private static AccessEntry? ReadEntry(YamlMap map, Mistakes mistakes)
    {
        var name = map.RequiredText("name");
        var issuer = map.RequiredText("issuer");
        var claims = ReadClaims(map, mistakes);
        var nameText = map.RequiredText("username");
        var username = Template(map, "username", nameText);
        var uid = Template(map, "uid", map.Text("uid"));
        var groupTexts = map.Texts("groups");
        var groups = groupTexts.Select(g => Template(map, "groups", g)).OfType<PrincipalTemplate>().ToList();
        var extras = map.Map("extras") is { } extra ? ReadExtras(extra) : [];
        map.RefuseOthers();
        return name is null || issuer is null || username is null
            ? null
            : new AccessEntry(name, issuer, claims, username)
            {
                Uid = uid,
                Groups = groups,
                Extras = extras,
                Text = new EntryText(nameText!, groupTexts, Conditions(map)),
                Fixed = FixedClaims.Of(map.Json("claims") ?? default),
            };
    }

    private static IReadOnlyList<ClaimCondition> ReadClaims(YamlMap map, Mistakes mistakes)
    {
        if (map.Json("claims") is not { } json)
        {
            map.Wrong("claims", "required: an entry without conditions would let everybody in whom the issuer knows");
            return [];
        }

        var wrong = new List<PolicyMistake>();
        var claims = ConditionReader.Read(json, $"{map.Path}.claims", wrong);
        wrong.ForEach(w => mistakes.Add(w.Path, w.Text));
        if (wrong.Count == 0 && claims.Count == 0)
        {
            map.Wrong("claims", "at least one condition");
        }

        return claims;
    }

    private static Dictionary<string, string> Conditions(YamlMap map) => map.Json("claims") is { ValueKind: System.Text.Json.JsonValueKind.Object } json
        ? json.EnumerateObject().DistinctBy(c => c.Name).ToDictionary(c => c.Name, c => c.Value.GetRawText(), StringComparer.Ordinal)
        : [];

    private static List<ExtraTemplate> ReadExtras(YamlMap map)
    {
        var extras = new List<ExtraTemplate>();
        foreach (var key in map.Names.ToList())
        {
            var values = map.IsList(key) ? map.Texts(key) : map.Text(key) is { } one ? [one] : [];
            if (!ExtraKeys.IsOwn(key))
            {
                map.Wrong(key, ExtraKeys.Rule);
            }

            extras.AddRange(values.Select(v => Template(map, key, v)).OfType<PrincipalTemplate>().Select(t => new ExtraTemplate(key, t)));
        }

        return extras;
    }

    private static PrincipalTemplate? Template(YamlMap map, string member, string? text)
    {
        if (text is null)
        {
            return null;
        }

        var template = PrincipalTemplate.Parse(text, out var mistake);
        if (template is null)
        {
            map.Wrong(member, mistake!);
        }

        return template;
    }
}
