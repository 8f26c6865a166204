using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;

namespace Lanyard.Server.Federation;

/// <summary>
/// From GitHub's own runtime token, verified, to a principal. Its claims are GitHub's to change: what is needed is read strictly, everything else is passed
/// over. <c>ac</c> is a JSON text <c>[{"Scope":"refs/heads/main","Permission":3},…]</c> with the bits 1 read, 2 write, the own ref first; <c>scp</c> has an
/// item <c>Actions.Results:run:job</c>, by which one job is told from another. The token outlives its job (GitHub revokes none): it is good until <c>exp</c>.
/// </summary>
internal sealed class WorkflowTokens(WorkspaceDirectory workspaces)
{
    private const int MaxText = 255;
    private const string Results = "Actions.Results:";

    /// <summary>One run was seen with <c>refs/heads/</c> before the whole ref of its tag.</summary>
    private const string DoubledRef = "refs/heads/refs/";

    /// <returns>Or ClaimMalformed, IssuerUnknown (the repository was taken off the list, or its workspace is gone).</returns>
    public Outcome<Principal> PrincipalOf(VerifiedToken token, KnownIssuer record, Trace? trace)
    {
        var id = WorkflowRules.IdOf(token)!;
        if (!record.Workflows!.Repositories.TryGetValue(id, out var repository) || workspaces.Find(repository.Workspace) is not { } workspace)
            return Refuse(trace, RefusalReason.IssuerUnknown, $"repository {id} belongs to no workspace");
        if (!Scopes(token).TryGet(out var scopes, out var refusal) || !JobOf(token).TryGet(out var job, out refusal)) return Refuse(trace, refusal.Reason, refusal.Detail);

        trace?.Pass(Stage.Policy, $"repository {id} is {repository.Repository} of the workspace {repository.Workspace}");
        var own = scopes.FirstOrDefault(static scope => (scope.Value & 2) != 0).Key ?? scopes.FirstOrDefault().Key;
        var subject = $"workflow:{id}:{job}";
        return new Principal
        {
            Kind = PrincipalKind.Workflow,
            Name = subject,
            SubjectId = subject,
            WorkspaceId = workspace.Id,
            TrustRecord = record.Versioned,
            Evidence = [$"{record.Record.Slug}: repository_id {id}"],
            TokenSha256 = token.Sha256.ToString(),
            ExpiresAt = token.ExpiresAt,
            Workflow = new WorkflowFacts(
                repository.Repository.ToLowerInvariant(), own?.StartsWith(DoubledRef, StringComparison.Ordinal) == true ? own["refs/heads/".Length..] : own,
                FileOf(token), Word(token, "actor"), scopes, record.Workflows.ResultsUrl is { } url ? new Uri(url) : null),
        };
    }

    /// <summary>Of a token that was judged before: whether its workspace is still there. Its record's change is heard by the door.</summary>
    public bool IsStanding(Principal principal) => workspaces.FindById(principal.WorkspaceId!) is not null;

    private static Outcome<List<KeyValuePair<string, int>>> Scopes(VerifiedToken token)
    {
        var scopes = new List<KeyValuePair<string, int>>();
        if (!token.Claims.TryGet("ac", out _)) return scopes;
        try
        {
            using var document = JsonDocument.Parse(token.Claims.TryGetString("ac", out var text) ? text : "0");
            if (document.RootElement.ValueKind != JsonValueKind.Array || document.RootElement.GetArrayLength() > CacheScope.Most) return Malformed();
            foreach (var item in document.RootElement.EnumerateArray())
            {
                if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("Scope", out var scope) || scope.ValueKind != JsonValueKind.String
                    || scope.GetString() is not { Length: > 0 and <= MaxText } name || name.Any(static c => c is <= ' ' or > '~')
                    || !item.TryGetProperty("Permission", out var bits) || bits.ValueKind != JsonValueKind.Number || !bits.TryGetInt32(out var permission)) return Malformed();

                // Bits that nobody knows today give nothing.
                scopes.Add(KeyValuePair.Create(name, permission & 3));
            }

            return scopes;
        }
        catch (JsonException)
        {
            return Malformed();
        }

        static Refusal Malformed() => new(RefusalReason.ClaimMalformed, $"ac is no text of at most {CacheScope.Most} scopes with their permissions");
    }

    /// <summary>A token without the item is a job of its own.</summary>
    private static Outcome<string> JobOf(VerifiedToken token)
    {
        var item = token.Claims.TryGetString("scp", out var scp)
            ? scp.Split(' ').FirstOrDefault(static one => one.StartsWith(Results, StringComparison.Ordinal))?[Results.Length..]
            : null;
        if (item is null) return token.Sha256.ToString();
        return item.Split(':') is [{ Length: > 0 and <= 64 } run, { Length: > 0 and <= 64 } job] && (run + job).All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? item
            : new Refusal(RefusalReason.ClaimMalformed, "scp has an Actions.Results item that is not of a run and a job");
    }

    /// <summary>Such as <c>demo/app/.github/workflows/release.yml@refs/heads/main</c>, without the ref.</summary>
    private static string? FileOf(VerifiedToken token) => (Word(token, "job_workflow_ref") ?? Word(token, "workflow_ref"))?.Split('@')[0];

    private static string? Word(VerifiedToken token, string claim) =>
        token.Claims.TryGetString(claim, out var text) && text.Length is > 0 and <= MaxText && !text.Any(char.IsControl) ? text : null;

    private static Refusal Refuse(Trace? trace, RefusalReason reason, string detail)
    {
        var refusal = new Refusal(reason, detail);
        trace?.Refuse(refusal);
        return refusal;
    }
}
