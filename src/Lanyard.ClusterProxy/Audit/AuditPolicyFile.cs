using Lanyard.ClusterProxy.Configuration;

namespace Lanyard.ClusterProxy.Audit;

/// <summary>Reads an <c>audit.k8s.io/v1</c> Policy file: strictly, all mistakes at once.</summary>
internal static class AuditPolicyFile
{
    /// <exception cref="ConfigurationException">The file has mistakes; none of it is used.</exception>
    public static AuditPolicy Parse(string yaml, string source)
    {
        var mistakes = new Mistakes();
        var policy = YamlMap.Parse(yaml, mistakes) is { } root ? Read(root) : null;
        return mistakes.Any || policy is null ? throw new ConfigurationException(source, mistakes) : policy;
    }

    private static AuditPolicy Read(YamlMap root)
    {
        if (root.Text("apiVersion") != "audit.k8s.io/v1")
        {
            root.Wrong("apiVersion", "must be audit.k8s.io/v1");
        }

        if (root.Text("kind") != "Policy")
        {
            root.Wrong("kind", "must be Policy");
        }

        root.Map("metadata");
        root.Bool("omitManagedFields");
        var rules = root.Maps("rules");
        if (rules.Count == 0)
        {
            root.Wrong("rules", "needs at least one");
        }

        var omit = Stages(root);
        root.RefuseOthers();
        return new AuditPolicy([.. rules.Select(ReadRule)], omit);
    }

    private static AuditRule ReadRule(YamlMap map)
    {
        var text = map.RequiredText("level");
        if (!Enum.TryParse<AuditLevel>(text, ignoreCase: false, out var level) && text is not null)
        {
            map.Wrong("level", "must be None, Metadata, Request or RequestResponse");
        }

        var rule = new AuditRule(level)
        {
            Users = map.Texts("users"),
            UserGroups = map.Texts("userGroups"),
            Verbs = map.Texts("verbs"),
            Namespaces = map.Texts("namespaces"),
            Resources = [.. map.Maps("resources").Select(ReadResources)],
            Urls = map.Texts("nonResourceURLs"),
            Omit = Stages(map),
        };
        map.Bool("omitManagedFields");
        Check(map, rule);
        map.RefuseOthers();
        return rule;
    }

    private static void Check(YamlMap map, AuditRule rule)
    {
        if (rule.Urls.Count > 0 && (rule.Resources.Count > 0 || rule.Namespaces.Count > 0))
        {
            map.Wrong("nonResourceURLs", "not together with resources or namespaces");
        }

        foreach (var url in rule.Urls.Where(u => u != "*" && (!u.StartsWith('/') || u.AsSpan(0, u.Length - 1).Contains('*'))))
        {
            map.Wrong("nonResourceURLs", $"\"{url}\" must begin with / and may have * only at its end");
        }
    }

    private static AuditResources ReadResources(YamlMap map)
    {
        var resources = new AuditResources(map.Text("group") ?? "", map.Texts("resources"), map.Texts("resourceNames"));
        if (resources.Group.Contains('/', StringComparison.Ordinal))
        {
            map.Wrong("group", "is a group without its version");
        }

        if (resources.Names.Count > 0 && resources.Resources.Count == 0)
        {
            map.Wrong("resourceNames", "needs resources");
        }

        map.RefuseOthers();
        return resources;
    }

    private static AuditStages Stages(YamlMap map)
    {
        var stages = AuditStages.None;
        foreach (var text in map.Texts("omitStages"))
        {
            if (Enum.TryParse<AuditStages>(text, ignoreCase: false, out var stage) && stage != AuditStages.None && !char.IsAsciiDigit(text[0]))
            {
                stages |= stage;
            }
            else
            {
                map.Wrong("omitStages", $"\"{text}\" is none of RequestReceived, ResponseStarted, ResponseComplete, Panic");
            }
        }

        return stages;
    }
}
