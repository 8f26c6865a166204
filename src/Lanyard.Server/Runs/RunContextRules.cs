using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;

namespace Lanyard.Server.Runs;

/// <summary>
/// For what repository, ref and environment a run is made, and by whom. They become part of its subject at every cloud, so nobody is taken at his word:
/// where a policy maps one, the creator's verified token says it; else an admin of the collection may state it (and could change the definition's
/// subjects as well); and nobody else.
/// </summary>
internal static class RunContextRules
{
    /// <returns>Or ContextNotVerified: another value than the token's, two policies that disagree, or no one who may state it.</returns>
    public static Outcome<RunContext> Decide(Principal principal, CollectionEntry collection, CreateRun request)
    {
        var mayState = Access.RoleIn(principal, collection.Workspace.Id, collection.Id) == Role.Admin;
        var facts = principal.Context.Where(f => f.Scope.Covers(collection.Workspace.Id, collection.Id)).ToLookup(f => f.Name, StringComparer.Ordinal);
        var verified = false;
        var stated = false;
        if (!One("repository", request.Repository).TryGet(out var repository, out var refusal)
            || !One("ref", request.Ref).TryGet(out var gitRef, out refusal)
            || !One("environment", request.Environment).TryGet(out var environment, out refusal))
            return refusal;
        return new RunContext(
            OrNull(repository), OrNull(gitRef), OrNull(environment), principal.Name, stated ? RunContext.Stated : verified ? RunContext.FromToken : null);

        Outcome<string> One(string name, string? asked)
        {
            var values = facts[name].Select(f => f.Value).Distinct(StringComparer.Ordinal).ToArray();
            if (values.Length > 1)
                return Refuse($"two trust policies that match disagree about the {name}");
            if (values.Length == 1)
            {
                verified |= values[0] is not null;
                return asked is null || asked == values[0] ? values[0] ?? "" : Refuse($"{name} {asked} was asked for, the token says {values[0] ?? "none"}");
            }

            stated |= asked is not null;
            return asked is null || mayState ? asked ?? "" : Refuse($"{name} {asked} was stated by {principal.Name}: no policy maps it, and it is no admin of {collection.Path}");
        }
    }

    private static string? OrNull(string text) => text.Length == 0 ? null : text;

    private static Refusal Refuse(string detail) => new(RefusalReason.ContextNotVerified, detail);
}
