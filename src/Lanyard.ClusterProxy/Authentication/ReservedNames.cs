using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>
/// Names that begin with <c>system:</c> belong to Kubernetes: a token may become one only if the operator listed it. Looked at after
/// prefixing. An entry may end with <c>*</c>.
/// </summary>
internal sealed class ReservedNames(IReadOnlyList<string> users, IReadOnlyList<string> groups)
{
    public static readonly ReservedNames None = new([], []);

    public Refusal? Judge(KubernetesUser user)
    {
        if (IsReserved(user.Name) && !IsListed(users, user.Name))
        {
            return new Refusal(RefusalReason.ScopeNotAllowed, $"the user name {user.Name} is reserved and not listed");
        }

        foreach (var group in user.Groups)
        {
            if (IsReserved(group) && group != KubernetesUser.Authenticated && !IsListed(groups, group))
            {
                return new Refusal(RefusalReason.ScopeNotAllowed, $"the group {group} is reserved and not listed");
            }
        }

        return null;
    }

    private static bool IsReserved(string name) => name.StartsWith(KubernetesUser.Reserved, StringComparison.Ordinal);

    private static bool IsListed(IReadOnlyList<string> list, string name) =>
        list.Any(l => l.EndsWith('*') ? name.StartsWith(l[..^1], StringComparison.Ordinal) : l == name);
}
