using System.Text;
using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Impersonation;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>What may be done with an entry's users on a namespace: one of Kubernetes' own roles for people.</summary>
internal sealed record EntryGrant(string Role, string Namespace, string? Entry);

/// <summary>
/// Ready-made RBAC: what the proxy's service account must be allowed to make the users of a file, and nothing more, and role bindings for the users that access entries make.
/// </summary>
internal static class EntryRbac
{
    private const string Binding = "rbac.authorization.k8s.io";

    /// <param name="account">Role and binding are named <c>lanyard-</c> and this, as those of <c>deploy/kubernetes/cluster-proxy</c> are: applied, the narrow ones take the place of the wide.</param>
    /// <param name="asToo">Callers may use <c>--as</c>: whom they name is not known here, so that names can't be listed.</param>
    public static string ForProxy(ImpersonatedNames names, string account, string @namespace, bool asToo)
    {
        var yaml = new StringBuilder();
        var role = Yaml.Text($"lanyard-{account}");
        yaml.Append($"apiVersion: {Binding}/v1\nkind: ClusterRole\nmetadata: {{name: {role}}}\nrules:\n");
        Rule(yaml, "", "users", asToo ? [] : names.Users);
        if (names.Groups.Count > 0 || asToo)
        {
            Rule(yaml, "", "groups", asToo ? [] : [.. names.Groups, KubernetesUser.Authenticated]);
        }

        if (asToo)
        {
            Rule(yaml, "", "serviceaccounts", []);
        }

        if (names.Uids.Count > 0 || asToo)
        {
            Rule(yaml, ImpersonateCheck.Authentication, "uids", asToo ? [] : names.Uids);
        }

        foreach (var key in ExtraKeys(names.ExtraKeys, asToo))
        {
            Rule(yaml, ImpersonateCheck.Authentication, $"userextras/{key}", []);
        }

        if (asToo)
        {
            yaml.Append("- {apiGroups: [\"authorization.k8s.io\"], resources: [subjectaccessreviews], verbs: [create]}\n");
        }

        yaml.Append($"---\napiVersion: {Binding}/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {role}}}\n");
        yaml.Append($"roleRef: {{apiGroup: {Binding}, kind: ClusterRole, name: {role}}}\n");
        yaml.Append($"subjects: [{{kind: ServiceAccount, name: {Yaml.Text(account)}, namespace: {Yaml.Text(@namespace)}}}]\n");
        return yaml.ToString();
    }

    /// <returns>Null, with why, when the entry's names depend on the token.</returns>
    public static string? ForGrant(EntryGrant grant, IReadOnlyList<AccessEntry> entries, out string? mistake)
    {
        mistake = null;
        var chosen = entries.Where(e => grant.Entry is null || e.Name == grant.Entry).ToList();
        var subjects = new List<string>();
        foreach (var entry in chosen)
        {
            var groups = entry.Groups.Select(g => FixedClaims.Known(g, entry.Fixed)).OfType<string>().ToList();
            if (FixedClaims.Known(entry.Username, entry.Fixed) is { } user)
            {
                subjects.Add(Subject("User", user));
            }
            else if (groups.Count > 0)
            {
                subjects.AddRange(groups.Select(g => Subject("Group", g)));
            }
            else
            {
                mistake = $"entry {entry.Name}: its username depends on the token and it has no group of a fixed name: give it a group";
                return null;
            }
        }

        if (subjects.Count == 0)
        {
            mistake = $"no entry is named {grant.Entry}";
            return null;
        }

        var name = Yaml.Text($"lanyard-{grant.Role}{(grant.Entry is null ? "" : $"-{grant.Entry}")}");
        return $"apiVersion: {Binding}/v1\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: {Yaml.Text(grant.Namespace)}}}\n"
            + $"roleRef: {{apiGroup: {Binding}, kind: ClusterRole, name: {Yaml.Text(grant.Role)}}}\nsubjects:\n{string.Join('\n', subjects.Distinct())}\n";
    }

    private static IEnumerable<string> ExtraKeys(IReadOnlyList<string> keys, bool asToo) =>
        (asToo ? keys.Concat(((string[])["user", "groups", "uid", "extra"]).Select(k => ImpersonationReview.OriginalPrefix + k)) : keys).Distinct();

    private static string Subject(string kind, string name) => $"- {{kind: {kind}, name: {Yaml.Text(name)}, apiGroup: {Binding}}}";

    /// <summary>With a name that is not known beforehand, the rule is for all: RBAC has no patterns.</summary>
    private static void Rule(StringBuilder yaml, string group, string resource, IReadOnlyList<string?> names)
    {
        yaml.Append($"- apiGroups: [{Yaml.Text(group)}]\n  resources: [{Yaml.Text(resource)}]\n  verbs: [impersonate]\n");
        if (names.Count > 0 && names.All(n => n is not null))
        {
            yaml.Append($"  resourceNames: {Yaml.List(names.OfType<string>().Distinct())}\n");
        }
    }
}
