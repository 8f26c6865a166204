using System.Text.Json;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Audit;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>
/// Judges decisions of the past by a draft of a policy: which tokens it would newly let in, and which no more. Events hold claims where the server keeps them
/// (<see cref="AuditOptions.KeepClaims"/>); nothing is minted and nothing changes.
/// </summary>
internal sealed class PolicyReplay(Database database)
{
    private const int Page = 1000;
    private const int MostEvents = 50_000;
    private const int MostListed = 200;
    private static readonly string[] Actions = ["token.exchange", "bearer"];

    /// <param name="policyId">Of the policy that the draft replaces; null: it is new.</param>
    /// <param name="workspaceId">Whose events; null: all of them.</param>
    /// <param name="issuer">The <c>iss</c> of the record that the draft is for.</param>
    public async Task<ReplayReport> RunAsync(TrustPolicy draft, string? policyId, string? workspaceId, string issuer, DateTimeOffset since, CancellationToken cancellation)
    {
        var (allowed, refused) = (new Dictionary<string, ReplayedDecision>(StringComparer.Ordinal), new Dictionary<string, ReplayedDecision>(StringComparer.Ordinal));
        long events = 0, undecided = 0, seen = 0;
        var filter = new AuditFilter { Workspace = workspaceId, After = EventIds.Before(since) };
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var rows = await AuditStore.ListAsync(database, filter, Page, newestFirst: false);
            foreach (var row in rows.Where(static row => Actions.Contains(row.Action, StringComparer.Ordinal)))
            {
                var body = JsonSerializer.Deserialize(row.Event, AuditJson.Default.AuditEventBody)!;
                if (body.Claims is not { } json || !ClaimSet.Parse(json.GetRawText()).TryGet(out var claims, out _)) continue;
                if (!claims.TryGetString(ClaimNames.Issuer, out var iss) || iss != issuer) continue;
                events++;
                if (json.EnumerateObject().Any(member => draft.Asks(member.Name) && member.Value.ValueKind == JsonValueKind.String && member.Value.ValueEquals(PersonalClaims.Redacted))) undecided++;
                else Judge(draft, policyId, body, claims, allowed, refused);
            }

            seen += rows.Count;
            if (rows.Count < Page || seen >= MostEvents) return new ReplayReport(events, undecided, rows.Count == Page, [.. allowed.Values], [.. refused.Values]);
            filter = filter with { After = rows[^1].Id };
        }
    }

    private static void Judge(
        TrustPolicy draft, string? policyId, AuditEventBody body, ClaimSet claims, Dictionary<string, ReplayedDecision> allowed, Dictionary<string, ReplayedDecision> refused)
    {
        string[] policies = [.. (body.Policy ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static policy => policy[..policy.IndexOf('@', StringComparison.Ordinal)])];
        var before = policyId is not null && policies.Contains(policyId, StringComparer.Ordinal);
        var outcome = draft.Match(claims);
        if (before != outcome.IsRefused) return;
        var list = outcome.IsRefused ? refused : allowed;
        var token = body.TokenSha256 ?? body.Id;
        if (list.Count >= MostListed || list.ContainsKey(token)) return;
        list[token] = new ReplayedDecision(
            body.Id, body.At, claims.TryGetString(ClaimNames.Subject, out var subject) ? subject : "", body.Decision, policies.Any(policy => policy != policyId),
            outcome.IsRefused ? null : $"policy:{outcome.Value.Principal}", outcome.IsRefused ? outcome.Refusal.Detail : null);
    }
}
