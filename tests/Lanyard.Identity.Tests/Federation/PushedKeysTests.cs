using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Federation;

[Line("2.3")]
public sealed class PushedKeysTests : IDisposable
{
    private const string Audience = "https://lanyard.example/keys";
    private const string Subject = "system:serviceaccount:lanyard:keys";

    private readonly ManualTime _time = new();
    private readonly SigningKey _old = SigningKey.Generate(SignatureAlgorithm.ES256);
    private readonly SigningKey _new = SigningKey.Generate(SignatureAlgorithm.ES256);
    private readonly TrustedIssuer _cluster = new() { Id = "clu_1", Issuer = "https://kubernetes.default.svc", Keys = KeySource.Pushed, MaxLifetime = TimeSpan.FromHours(1) };

    [Fact]
    public void New_keys_wait_until_a_token_signed_by_one_of_them_comes_with_the_push()
    {
        var announced = Push(Registered(), [_old, _new], Token(_old)).Value;
        Assert.False(announced.TrustedAt(_time.GetUtcNow()).Contains(_new.KeyId));
        Assert.True(announced.Pending!.Contains(_new.KeyId));

        var proven = Push(announced, [_old, _new], Token(_old), Token(_new)).Value;
        Assert.True(proven.TrustedAt(_time.GetUtcNow()).Contains(_new.KeyId));
        Assert.Null(proven.Pending);
    }

    [Fact]
    public void Old_keys_stay_until_their_tokens_are_dead_and_no_longer()
    {
        var rotated = Push(Registered(), [_new], Token(_old), Token(_new)).Value;

        _time.Advance(_cluster.MaxLifetime + TimeSpan.FromSeconds(59));
        Assert.True(rotated.TrustedAt(_time.GetUtcNow()).Contains(_old.KeyId));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(rotated.TrustedAt(_time.GetUtcNow()).Contains(_old.KeyId));
        Assert.Equal(RefusalReason.KeyUnknown, Push(rotated, [_old], Token(_old)).Refusal.Reason);
    }

    [Fact]
    public void Who_holds_only_the_new_key_can_push_nothing()
    {
        Assert.Equal(RefusalReason.KeyUnknown, Push(Registered(), [_new], Token(_new), Token(_new)).Refusal.Reason);
        var announced = Push(Registered(), [_old, _new], Token(_old)).Value;
        Assert.Equal(RefusalReason.KeyUnknown, Push(announced, [_old, _new], Token(_new), Token(_new)).Refusal.Reason);
    }

    [Fact]
    public void A_proof_by_an_old_key_or_for_another_subject_or_audience_proves_nothing()
    {
        Assert.Equal(RefusalReason.KeyUnknown, Push(Registered(), [_old, _new], Token(_old), Token(_old)).Refusal.Reason);
        Assert.Equal(RefusalReason.ConditionFailed, Push(Registered(), [_old, _new], Token(_old), Token(_new, subject: "system:serviceaccount:default:default")).Refusal.Reason);
        Assert.Equal(RefusalReason.AudienceMismatch, Push(Registered(), [_old, _new], Token(_old), Token(_new, audience: "https://lanyard.example")).Refusal.Reason);
    }

    [Fact]
    public void A_push_by_another_service_account_or_with_a_login_token_is_refused()
    {
        Assert.Equal(RefusalReason.ConditionFailed, Push(Registered(), [_old], Token(_old, subject: Subject + "x")).Refusal.Reason);
        Assert.Equal(RefusalReason.AudienceMismatch, Push(Registered(), [_old], Token(_old, audience: "https://lanyard.example")).Refusal.Reason);
    }

    [Fact]
    public void A_pushed_key_cannot_take_the_name_of_a_trusted_one()
    {
        var jwk = JsonNode.Parse(KeySet.Of(_new.Public).ToJson())!;
        jwk["keys"]![0]!["kid"] = _old.KeyId;
        var keys = KeySet.Parse(jwk.ToJsonString()).Value;

        Assert.Equal(RefusalReason.KeySetMalformed, Apply(Registered(), new KeyPush(keys, Token(_old), Token(_new)), false).Refusal.Reason);
    }

    [Fact]
    public void Where_an_admin_must_approve_proven_keys_wait_and_unproven_ones_cannot_be_approved()
    {
        var rule = new PushedKeys(new TokenVerifier(_time), _time);
        var announced = Apply(Registered(), new KeyPush(Keys([_old, _new]), Token(_old), null), requireApproval: true).Value;
        Assert.Equal(RefusalReason.Conflict, rule.Approve(announced, _cluster, [_new.Public.Thumbprint]).Refusal.Reason);

        var proven = Apply(announced, new KeyPush(Keys([_old, _new]), Token(_old), Token(_new)), requireApproval: true).Value;
        Assert.False(proven.TrustedAt(_time.GetUtcNow()).Contains(_new.KeyId));
        foreach (var seen in (string[][])[[], [_old.Public.Thumbprint], [_new.Public.Thumbprint], [_old.Public.Thumbprint, _new.Public.Thumbprint, "x"]])
            Assert.Equal(RefusalReason.Conflict, rule.Approve(proven, _cluster, seen).Refusal.Reason);
        Assert.True(rule.Approve(proven, _cluster, [_new.Public.Thumbprint, _old.Public.Thumbprint]).Value.TrustedAt(_time.GetUtcNow()).Contains(_new.KeyId));
        Assert.Equal(RefusalReason.Conflict, rule.Approve(Registered(), _cluster, []).Refusal.Reason);
    }

    public void Dispose()
    {
        _old.Dispose();
        _new.Dispose();
    }

    private PushedKeySet Registered() => new() { Current = Keys([_old]) };

    private static KeySet Keys(SigningKey[] keys) => KeySet.Of([.. keys.Select(k => k.Public)]);

    private Outcome<PushedKeySet> Push(PushedKeySet state, SigningKey[] keys, UnverifiedToken authorization, UnverifiedToken? proof = null) =>
        Apply(state, new KeyPush(Keys(keys), authorization, proof), requireApproval: false);

    private Outcome<PushedKeySet> Apply(PushedKeySet state, KeyPush push, bool requireApproval) =>
        new PushedKeys(new TokenVerifier(_time), _time).Apply(state, _cluster, push, Audience, Subject, requireApproval);

    private UnverifiedToken Token(SigningKey key, string subject = Subject, string audience = Audience)
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject { ["iss"] = _cluster.Issuer, ["sub"] = subject, ["aud"] = new JsonArray(audience), ["iat"] = now, ["exp"] = now + 600 };
        return UnverifiedToken.Parse(TokenMint.Mint(key, TokenMint.JwtType, Encoding.UTF8.GetBytes(claims.ToJsonString()))).Value;
    }
}
