using System.Globalization;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Workspaces;

namespace Lanyard.Server.Federation;

/// <summary>
/// What a trust record for GitHub's runtime tokens must be like. Such tokens are not made for us and name no audience of ours: the list of repositories, by
/// the ids that GitHub never gives twice, stands in its place. Every repository of github.com gets tokens of one issuer, so which workspace a repository
/// belongs to is the instance's to say: a workspace could list a stranger's.
/// </summary>
internal static class WorkflowRules
{
    public const string RepositoryId = "repository_id";
    private const int MaxRepositories = 10_000;
    private const int MaxText = 255;

    public static void Check(TrustedIssuerSpec spec, List<Mistake> mistakes)
    {
        if (spec.Workflows is not { } workflows) return;
        if (spec.Audiences is not null) mistakes.Add(new Mistake("spec.audiences", "stands beside no workflows: the list of repositories takes its place"));
        if (spec.Keys.Pushed is not null) mistakes.Add(new Mistake("spec.keys", "of workflows are discovered or given"));
        if (workflows.Repositories.Count is 0 or > MaxRepositories) mistakes.Add(new Mistake("spec.workflows.repositories", $"must be 1 to {MaxRepositories}"));
        foreach (var (id, repository) in workflows.Repositories.Take(MaxRepositories))
        {
            if (!IsId(id)) mistakes.Add(new Mistake($"spec.workflows.repositories.{id}", "must be GitHub's id of a repository: a number"));
            if (!IsName(repository.Repository)) mistakes.Add(new Mistake($"spec.workflows.repositories.{id}.repository", "must be owner/name of letters, digits, '.', '-' and '_'"));
        }

        if (workflows.ResultsUrl is { } url && !IsPlace(url, spec.AllowPrivateAddresses == true))
            mistakes.Add(new Mistake("spec.workflows.resultsUrl", "must be an https URL without path and query (http on loopback, with allowPrivateAddresses)"));
    }

    /// <summary>Only in the instance's records, and only for workspaces that there are.</summary>
    public static void CheckPlace(TrustedIssuerSpec spec, TrustScope scope, WorkspaceDirectory workspaces, List<Mistake> mistakes)
    {
        if (spec.Workflows is not { } workflows) return;
        if (scope.WorkspaceId is not null)
        {
            mistakes.Add(new Mistake("spec.workflows", "belongs into a trusted issuer of the instance: which workspace a repository of GitHub's is of is not a workspace's to say"));
            return;
        }

        foreach (var (id, repository) in workflows.Repositories)
        {
            if (workspaces.Find(repository.Workspace) is null) mistakes.Add(new Mistake($"spec.workflows.repositories.{id}.workspace", "there is no such workspace"));
        }
    }

    /// <summary>The token's repository must be on the list.</summary>
    public static TokenCondition Condition(WorkflowTrustSpec workflows) => token => IdOf(token) is { } id && workflows.Repositories.ContainsKey(id)
        ? null
        : new Refusal(RefusalReason.ConditionFailed, $"{RepositoryId} {(IdOf(token) is { } shown && IsId(shown) ? shown : "of no such form")} is not listed");

    /// <summary>GitHub writes the id as text.</summary>
    public static string? IdOf(VerifiedToken token) => token.Claims.TryGetString(RepositoryId, out var text) ? text
        : token.Claims.TryGetInt64(RepositoryId, out var number) ? number.ToString(CultureInfo.InvariantCulture)
        : null;

    private static bool IsId(string id) => id.Length is > 0 and <= 18 && id[0] != '0' && id.All(char.IsAsciiDigit);

    private static bool IsName(string text) =>
        text.Length <= MaxText && text.Split('/') is [{ Length: > 0 } owner, { Length: > 0 } name]
        && (owner + name).All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    private static bool IsPlace(string text, bool privateToo) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.PathAndQuery == "/" && url.UserInfo.Length == 0 && url.Fragment.Length == 0
        && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback && privateToo));
}
