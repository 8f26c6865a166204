using System.Collections.Immutable;
using System.CommandLine;

namespace Lanyard.Cli.Resources;

/// <summary>Where a kind of resource may live.</summary>
[Flags]
internal enum ResourceScopes
{
    Instance = 1,
    Workspace = 2,
    Collection = 4,
}

/// <summary>A kind of resource that people write as YAML and that has a path under <c>/v1</c>.</summary>
/// <param name="Name">As in a document's <c>kind</c>.</param>
/// <param name="Segment">Its segment of the path.</param>
/// <param name="Order">Documents are applied in this order, so that a file may hold what it refers to.</param>
/// <param name="CollectionIsMember">Its slugs are the workspace's: its collection is a member of the resource and not part of the path.</param>
internal sealed record ResourceKind(string Name, string Segment, ResourceScopes Scopes, int Order, bool CollectionIsMember = false)
{
    public static readonly ImmutableArray<ResourceKind> All =
    [
        new("Workspace", "workspaces", ResourceScopes.Instance, 0),
        new("Collection", "collections", ResourceScopes.Workspace, 1),
        new("Definition", "definitions", ResourceScopes.Collection, 2),
        new("TrustedIssuer", "trusted-issuers", ResourceScopes.Instance | ResourceScopes.Workspace, 3),
        new("TrustPolicy", "trust-policies", ResourceScopes.Instance | ResourceScopes.Workspace | ResourceScopes.Collection, 4, CollectionIsMember: true),
        new("Cluster", "clusters", ResourceScopes.Workspace, 5),
        new("AccessEntries", "access-entries", ResourceScopes.Workspace, 6),
        new("MachineIdentity", "machine-identities", ResourceScopes.Workspace, 7),
        new("Runner", "runners", ResourceScopes.Instance | ResourceScopes.Workspace, 6),
    ];

    /// <summary>A kind on a command line, which shells complete.</summary>
    public static Argument<string> Argument()
    {
        string[] kinds = [.. All.Select(static kind => kind.Segment)];
        var argument = new Argument<string>("kind") { Description = string.Join(", ", kinds), HelpName = "kind" };
        argument.CompletionSources.Add(kinds);
        return argument;
    }

    /// <summary>By the exact name of a document.</summary>
    public static ResourceKind? Find(string name) => All.FirstOrDefault(kind => kind.Name == name);

    /// <summary>As people type it: any case, singular, plural, with or without the dash.</summary>
    public static ResourceKind? FindTyped(string typed)
    {
        var plain = typed.Replace("-", "", StringComparison.Ordinal);
        return All.FirstOrDefault(kind =>
            plain.Equals(kind.Name, StringComparison.OrdinalIgnoreCase)
            || plain.Equals(kind.Segment.Replace("-", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>The collection's path, below which <c>/{slug}</c> names one resource; or what is wrong with the scope.</summary>
    public string? PathOf(string? workspace, string? collection, out string mistake)
    {
        var scope = (workspace, collection) switch
        {
            (null, null) => ResourceScopes.Instance,
            (not null, null) => ResourceScopes.Workspace,
            (not null, not null) => ResourceScopes.Collection,
            _ => (ResourceScopes)0,
        };
        mistake = scope == 0 ? "a collection needs its workspace" : $"a {Name} lives in {Homes()}";
        if (scope == 0 || !Scopes.HasFlag(scope))
        {
            return null;
        }

        mistake = "";
        return scope switch
        {
            ResourceScopes.Instance => $"/v1/{Segment}",
            ResourceScopes.Collection when !CollectionIsMember => $"/v1/workspaces/{workspace}/collections/{collection}/{Segment}",
            _ => $"/v1/workspaces/{workspace}/{Segment}",
        };
    }

    private string Homes()
    {
        var homes = new List<string>();
        if (Scopes.HasFlag(ResourceScopes.Instance))
        {
            homes.Add("the instance (no workspace, no collection)");
        }

        if (Scopes.HasFlag(ResourceScopes.Workspace))
        {
            homes.Add("a workspace (no collection)");
        }

        if (Scopes.HasFlag(ResourceScopes.Collection))
        {
            homes.Add("a collection of a workspace");
        }

        return string.Join(" or ", homes);
    }
}
