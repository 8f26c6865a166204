using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Http;

namespace Lanyard.Server.Federation;

/// <summary>
/// Judges <c>private_key_jwt</c> client assertions (RFC 7523 §2.2, §3) of those who own a key: administrators and runners on hosts. Same chain as
/// every token; <c>iss</c> and <c>sub</c> are both the client id, and each assertion is good once.
/// </summary>
internal sealed class ClientAssertions(AdminKeys admins, TokenMemory memory, DoorQuestions questions, Revocations revocations, TokenVerifier verifier, Instance instance)
{
    /// <summary>From <c>iat</c> to <c>exp</c>.</summary>
    private static readonly TimeSpan MaxLifetime = TimeSpan.FromMinutes(5);

    /// <param name="expectedClientId"><c>client_id</c> of the request, which must then be the assertion's (RFC 7521 §4.2); or null.</param>
    /// <param name="issuer">The issuer whose token endpoint was called; it or its token endpoint must be the audience.</param>
    public async ValueTask<Outcome<Principal>> JudgeAsync(
        string assertion, string? expectedClientId, string issuer, Trace? trace, CancellationToken cancellation)
    {
        var parsed = UnverifiedToken.Parse(assertion, trace);
        if (parsed.IsRefused) return parsed.Refusal;

        var clientId = parsed.Value.Issuer;
        if (expectedClientId is not null && expectedClientId != clientId) return Refuse(trace, RefusalReason.ConditionFailed, "client_id is not the assertion's issuer");
        var client = await FindAsync(clientId, cancellation);
        if (client is not var (key, runner)) return Refuse(trace, RefusalReason.IssuerUnknown, "no key is registered for this client id");

        var record = new TrustedIssuer
        {
            Id = clientId,
            Issuer = clientId,
            Keys = KeySource.Uploaded,
            Audiences = [issuer, issuer + "/token"],
            MaxLifetime = MaxLifetime,
        };
        var options = new VerifyOptions { DefaultAudience = issuer, RequireTokenId = true };
        var outcome = verifier.Verify(parsed.Value, record, KeySet.Of(key), options, trace);
        if (outcome.IsRefused) return outcome.Refusal;

        var token = outcome.Value;
        if (token.Subject != clientId) return Refuse(trace, RefusalReason.ConditionFailed, "sub is not the client id (RFC 7523 §3)");
        var principal = PrincipalOf(clientId, key, runner, token);
        var revoked = await revocations.GetAsync(cancellation);
        if ((revoked.RefusesPrincipal(principal.WorkspaceId, principal.Name) ?? revoked.RefusesOrigin(principal.Origin, principal.WorkspaceId)) is { } ended)
        {
            trace?.Refuse(ended);
            return ended;
        }

        if (!await memory.TryUseAsync($"{clientId} {token.TokenId}", token.ExpiresAt + TokenVerifier.MaxClockSkew, cancellation))
            return Refuse(trace, RefusalReason.Replayed, "the assertion was used before");
        trace?.Pass(Stage.Policy, runner is null ? "an admin key" : $"the key of {runner.Id}");
        return principal;
    }

    /// <summary>For a key that nobody knows yet: the assertion that came with it was signed by it, for this instance, just now.</summary>
    /// <returns>The key's RFC 7638 thumbprint.</returns>
    public async ValueTask<Outcome<string>> JudgeStrangerAsync(string publicJwk, string assertion, CancellationToken cancellation)
    {
        using var document = JsonDocument.Parse(publicJwk);
        if (!VerificationKey.FromJwk(document.RootElement).TryGet(out var key, out var refusal)) return refusal;
        if (!UnverifiedToken.Parse(assertion).TryGet(out var parsed, out refusal)) return refusal;
        var clientId = AdminKeys.ClientId(key);
        var record = new TrustedIssuer { Id = clientId, Issuer = clientId, Keys = KeySource.Uploaded, Audiences = [instance.Url, instance.Url + "/token"], MaxLifetime = MaxLifetime };
        var options = new VerifyOptions { DefaultAudience = instance.Url, RequireTokenId = true };
        if (!verifier.Verify(parsed, record, KeySet.Of(key), options).TryGet(out var token, out refusal)) return refusal;
        // Nobody can be a stranger with a key that was taken from somebody. Where only a workspace has revoked it, it stays a stranger there.
        if ((await revocations.GetAsync(cancellation)).RefusesOrigin(OriginOf(key, token), workspaceId: null) is { } revoked) return revoked;
        return await memory.TryUseAsync($"{clientId} {token.TokenId}", token.ExpiresAt + TokenVerifier.MaxClockSkew, cancellation)
            ? key.Thumbprint
            : new Refusal(RefusalReason.Replayed, "the assertion was used before");
    }

    private async ValueTask<(VerificationKey Key, KnownRunner? Runner)?> FindAsync(string clientId, CancellationToken cancellation)
    {
        if (!clientId.StartsWith("key_", StringComparison.Ordinal) || clientId.Length > 64) return null;
        if (await admins.FindAsync(clientId, cancellation) is { } key) return (key, null);
        return await questions.RunnerKey(clientId, cancellation) is { } runner ? (runner.Key, runner.Runner) : null;
    }

    private static Principal PrincipalOf(string clientId, VerificationKey key, KnownRunner? runner, VerifiedToken token) => new()
    {
        Kind = runner is null ? PrincipalKind.Admin : PrincipalKind.Runner,
        Name = runner is null ? $"admin:{clientId}" : $"runner:{runner.Id}",
        Roles = runner is null ? [new RoleBinding(Scope.Instance, Role.Admin)] : [],
        SubjectId = runner?.Id ?? clientId,
        WorkspaceId = runner?.WorkspaceId,
        Evidence = [$"client assertion signed with {clientId}"],
        TokenSha256 = token.Sha256.ToString(),
        ExpiresAt = token.ExpiresAt,
        Origin = OriginOf(key, token),
    };

    /// <summary>A key may have a kid of its own; it is revoked by its thumbprint too.</summary>
    private static IReadOnlyList<string> OriginOf(VerificationKey key, VerifiedToken token) =>
        token.KeyId == key.Thumbprint ? TokenLine.Of(token) : [.. TokenLine.Of(token), $"{Revocations.Key} {key.Thumbprint}"];

    private static Refusal Refuse(Trace? trace, RefusalReason reason, string detail)
    {
        var refusal = new Refusal(reason, detail);
        trace?.Refuse(refusal);
        return refusal;
    }
}
