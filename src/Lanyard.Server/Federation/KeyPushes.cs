using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

/// <summary>
/// Takes the keys that a private cluster pushes (docs/architecture.md): the rule is <see cref="PushedKeys"/>, here it meets records, database and audit. Every
/// change of trusted or waiting keys is an alarm in the audit, because it decides who can log in.
/// </summary>
internal sealed class KeyPushes(
    Instance instance, TrustDirectory trust, PushedKeyStore store, TokenVerifier verifier, AuditLog audit, TimeProvider time, ILogger<KeyPushes> log)
{
    /// <summary>Records that one push may be for: several workspaces may have registered the same cluster.</summary>
    private const int MaxRecords = 16;

    private readonly PushedKeys _rule = new(verifier, time);

    public static string AudienceOf(Instance instance) => instance.Url + "/keys";

    /// <summary>What a record's spec says of pushes; null where its keys come from elsewhere.</summary>
    public static PushedKeysSpec? SpecOf(KnownIssuer record) => record.Issuer.Keys == KeySource.Pushed
        ? JsonSerializer.Deserialize(record.Record.SpecJson, TrustJson.Default.TrustedIssuerSpec)!.Keys.Pushed
        : null;

    public async ValueTask<IReadOnlyList<KnownIssuer>> RecordsOfAsync(UnverifiedToken authorization, CancellationToken cancellation) =>
        [.. (await trust.ByIssuerAsync(authorization.Issuer, null, cancellation)).Where(record => record.Issuer.Keys == KeySource.Pushed).Take(MaxRecords)];

    /// <returns>The state that the keys are in, the least trusted where the push was for several records; or the refusal of the record that came nearest.</returns>
    public async Task<Outcome<string>> PushAsync(IReadOnlyList<KnownIssuer> candidates, KeyPush push, string requestId, CancellationToken cancellation)
    {
        Refusal? furthest = null;
        var states = new List<string>();
        foreach (var record in candidates)
        {
            var spec = SpecOf(record)!;
            var outcome = await store.ChangeAsync(
                record.Record.Id,
                state => _rule.Apply(state, record.Issuer, push, AudienceOf(instance), spec.Subject, spec.RequireApproval ?? false),
                change => AlarmOf(record, change, new AuditEvent("keys.push") { RequestId = requestId, TokenSha256 = Hash(push) }),
                cancellation,
                confirms: true);
            if (outcome.TryGet(out var change, out var refusal))
            {
                states.Add(StateOf(change.After));
                Log(record, "keys.push", change);
            }
            else if (furthest is null || refusal.Stage > furthest.Stage)
            {
                furthest = refusal;
            }
        }

        if (states.Count > 0) return states.Max(StringComparer.Ordinal)!;
        furthest ??= new Refusal(RefusalReason.IssuerUnknown, "no record whose keys are pushed is for this issuer");
        await audit.RecordAsync(new AuditEvent("keys.push") { RequestId = requestId, Refusal = furthest, TokenSha256 = Hash(push) });
        return furthest;
    }

    /// <summary>The records whose tokens a pusher may ask its API server about; the refusal of the record that came nearest where there is none.</summary>
    public async Task<Outcome<IReadOnlyList<string>>> ReviewersAsync(UnverifiedToken authorization, string requestId, CancellationToken cancellation)
    {
        var furthest = new Refusal(RefusalReason.IssuerUnknown, "no record whose tokens are reviewed is for this issuer");
        var admitted = new List<string>();
        foreach (var record in (await RecordsOfAsync(authorization, cancellation)).Where(static record => record.IsReviewed))
        {
            if (await store.FindAsync(record.Record.Id, cancellation) is not { } keys) continue;
            if (_rule.Check(authorization, record.Issuer, keys, AudienceOf(instance), SpecOf(record)!.Subject) is not { } refusal) admitted.Add(record.Record.Id);
            else if (refusal.Stage > furthest.Stage) furthest = refusal;
        }

        if (admitted.Count > 0) return admitted;
        await audit.RecordAsync(new AuditEvent("reviews.poll") { RequestId = requestId, Refusal = furthest, TokenSha256 = authorization.Hash().ToString() });
        return furthest;
    }

    /// <summary>An admin's yes to keys that were proven, and that are those which the admin saw.</summary>
    public async Task<Outcome<PushedKeySet>> ApproveAsync(KnownIssuer record, IReadOnlyList<string> thumbprints, AuditEvent about, CancellationToken cancellation)
    {
        var outcome = await store.ChangeAsync(record.Record.Id, state => _rule.Approve(state, record.Issuer, thumbprints), change => AlarmOf(record, change, about), cancellation);
        if (!outcome.TryGet(out var change, out var refusal)) return refusal;
        Log(record, about.Action, change);
        return change.After;
    }

    public static IReadOnlyList<string> Names(KeySet? keys) => keys is null ? [] : [.. keys.Keys.Select(key => key.KeyId ?? key.Thumbprint)];

    private static string StateOf(PushedKeySet keys) => keys.Pending is null ? "accepted" : keys.IsPendingProven ? "awaiting-approval" : "pending";

    private static string Hash(KeyPush push) => push.Authorization.Hash().ToString();

    private void Log(KnownIssuer record, string action, (PushedKeySet Before, PushedKeySet After) change)
    {
        if (IsAlarm(change)) log.KeysChanged(record.Record.Id, action, StateOf(change.After), NotIn(change.Before, change.After), NotIn(change.After, change.Before));
    }

    private static AuditEvent AlarmOf(KnownIssuer record, (PushedKeySet Before, PushedKeySet After) change, AuditEvent about) => about with
    {
        WorkspaceId = record.Record.WorkspaceId,
        Target = record.Record.Id,
        Details = new Dictionary<string, string>
        {
            ["alarm"] = IsAlarm(change) ? "true" : "false",
            ["state"] = StateOf(change.After),
            ["added"] = NotIn(change.Before, change.After),
            ["removed"] = NotIn(change.After, change.Before),
            ["pending"] = string.Join(' ', Names(change.After.Pending)),
        },
    };

    /// <summary>The hourly word that nothing changed is a decision, and no alarm.</summary>
    private static bool IsAlarm((PushedKeySet Before, PushedKeySet After) change) => !change.After.IsSameAs(change.Before);

    /// <summary>The keys of one that the other has not.</summary>
    private static string NotIn(PushedKeySet other, PushedKeySet one) => string.Join(' ', Names(one.Current).Except(Names(other.Current)));
}
