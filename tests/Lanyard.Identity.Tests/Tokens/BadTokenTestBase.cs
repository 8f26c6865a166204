using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>An issuer, and the chain that judges its tokens.</summary>
public abstract class BadTokenTestBase : IAsyncLifetime
{
    private protected const string Audience = "https://lanyard.example";

    private protected readonly ManualTime _time = new();
    private protected TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => _issuer = await TestIssuer.StartAsync(_time);

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected string Headed(string header) => _issuer.MintRaw(header, _issuer.Claims(Audience).ToJsonString());

    private protected async Task RefusedAsync(string token, RefusalReason reason, Stage? stage = null)
    {
        var refusal = await RefusalOf(token);
        Assert.True(reason == refusal.Reason, $"wanted {reason}, was {refusal}");
        if (stage is not null) Assert.Equal(stage, refusal.Stage);
    }

    /// <summary>The refusal, which is also the last step of the trace.</summary>
    private protected async Task<Refusal> RefusalOf(string token)
    {
        var trace = new Trace();
        var outcome = await JudgeAsync(token, trace: trace);
        Assert.True(outcome.IsRefused, $"accepted: {token}");
        Assert.False(trace.Steps[^1].Passed);
        Assert.Equal(outcome.Refusal.Stage, trace.Steps[^1].Stage);
        return outcome.Refusal;
    }

    private protected async Task<Outcome<VerifiedToken>> JudgeAsync(string token, TrustedIssuer? record = null, VerifyOptions? options = null, Trace? trace = null)
    {
        if (!UnverifiedToken.Parse(token, trace).TryGet(out var parsed, out var refusal)) return refusal;
        return await new TokenVerifier(_time).JudgeAsync(
            parsed, [record ?? _issuer.Record()], (_, _, _) => ValueTask.FromResult<Outcome<KeySet>>(_issuer.Keys), options ?? new VerifyOptions { DefaultAudience = Audience }, trace);
    }
}
