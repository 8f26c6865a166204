using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

[Line("2.8")]
public sealed class RememberedTokensTests
{
    private readonly Clock _clock = new();

    [Fact]
    public void A_remembered_token_is_found_until_it_expires_and_not_a_moment_longer()
    {
        var tokens = new RememberedTokens<string>(10, _clock);
        tokens.Remember(TokenHash.Of("a.b.c"), "runner", _clock.Now + TimeSpan.FromSeconds(10), tokens.Epoch);

        _clock.Now += TimeSpan.FromSeconds(9);
        Assert.True(tokens.TryGet(TokenHash.Of("a.b.c"), out var found));
        Assert.Equal("runner", found);

        _clock.Now += TimeSpan.FromSeconds(1);
        Assert.False(tokens.TryGet(TokenHash.Of("a.b.c"), out _));
    }

    [Fact]
    public void Forgetting_also_drops_a_judgement_that_began_before_it()
    {
        var tokens = new RememberedTokens<string>(10, _clock);
        var before = tokens.Epoch;
        tokens.Forget();
        tokens.Remember(TokenHash.Of("a.b.c"), "runner", _clock.Now + TimeSpan.FromMinutes(1), before);
        Assert.False(tokens.TryGet(TokenHash.Of("a.b.c"), out _));
    }

    [Fact]
    public void However_many_tokens_come_no_more_than_the_capacity_and_one_generation_stay()
    {
        var tokens = new RememberedTokens<string>(100, _clock);
        for (var i = 0; i < 10_000; i++) tokens.Remember(TokenHash.Of($"t{i}"), "x", _clock.Now + TimeSpan.FromHours(1), tokens.Epoch);

        var kept = Enumerable.Range(0, 10_000).Count(i => tokens.TryGet(TokenHash.Of($"t{i}"), out _));
        Assert.InRange(kept, 1, 101);
        Assert.True(tokens.TryGet(TokenHash.Of("t9999"), out _));
    }

    [Fact]
    public void A_token_that_is_used_again_and_again_survives_the_turn_of_generations()
    {
        var tokens = new RememberedTokens<string>(10, _clock);
        tokens.Remember(TokenHash.Of("kept"), "x", _clock.Now + TimeSpan.FromHours(1), tokens.Epoch);
        for (var i = 0; i < 200; i++)
        {
            tokens.Remember(TokenHash.Of($"t{i}"), "x", _clock.Now + TimeSpan.FromHours(1), tokens.Epoch);
            Assert.True(tokens.TryGet(TokenHash.Of("kept"), out _));
        }
    }

    [Fact]
    public void The_hash_is_the_sha256_of_the_bytes() =>
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", TokenHash.Of("abc").ToString());

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 11, 21, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
