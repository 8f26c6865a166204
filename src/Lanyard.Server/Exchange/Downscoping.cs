using Lanyard.Identity;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;

namespace Lanyard.Server.Exchange;

/// <summary>
/// <c>scope</c> of a request for an API token: less than the caller has. <c>role:viewer</c>, and <c>workspace:SLUG</c> or <c>collection:WORKSPACE/SLUG</c>. What is
/// foreign and what does not exist are the same <c>invalid_scope</c>.
/// </summary>
internal sealed class Downscoping(WorkspaceDirectory workspaces, CollectionDirectory collections)
{
    /// <returns>The principal within the scope; itself where there is none.</returns>
    public Outcome<Principal> Narrow(Principal principal, string? scope)
    {
        if (scope is null) return principal;
        Role? most = null;
        Scope? place = null;
        foreach (var word in scope.Split(' '))
        {
            var colon = word.IndexOf(':', StringComparison.Ordinal);
            var (kind, value) = colon < 0 ? (word, "") : (word[..colon], word[(colon + 1)..]);
            if (kind == "role" && most is null && value is "viewer" or "operator" or "admin") most = Enum.Parse<Role>(value, ignoreCase: true);
            else if (place is null && PlaceOf(kind, value) is { } found) place = found;
            else return new Refusal(RefusalReason.ScopeNotAllowed, $"scope {word}: role:viewer|operator|admin, workspace:SLUG, collection:WORKSPACE/SLUG, each once");
        }

        var narrowed = AccessLimit.Apply(principal, [.. principal.Limits, new AccessLimit(most, place ?? Scope.Instance)]);
        return narrowed.Roles.Count > 0 ? narrowed : new Refusal(RefusalReason.ScopeNotAllowed, $"{principal.Name} has nothing in {scope}");
    }

    private Scope? PlaceOf(string kind, string value) => kind switch
    {
        "workspace" => workspaces.Find(value) is { } workspace ? new Scope(workspace.Id, null) : null,
        "collection" => collections.FindByPath(value) is { } collection ? new Scope(collection.Workspace.Id, collection.Id) : null,
        _ => null,
    };
}
