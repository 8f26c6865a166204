using Lanyard.Identity;
using Lanyard.Server.Exchange;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

[Line("2.5")]
[Line("6.5")]
public sealed class LifetimesTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(null, null, 3600, 600)]
    [InlineData(300, null, 3600, 300)]
    [InlineData(3600, null, 7200, 3600)]
    [InlineData(3600, 900, 7200, 900)]
    [InlineData(null, 7200, 9000, 3600)]
    [InlineData(null, 30, 3600, 60)]
    [InlineData(null, null, 90, 90)]
    public void An_identity_token_lives_as_asked_within_what_is_allowed_and_never_beyond_its_subject_token(int? asked, int? allowed, int left, int expected)
    {
        var until = Lifetimes.ForIdentityToken(Span(asked), Span(allowed), "https://x.example", Now.AddSeconds(left), Now);
        Assert.Equal(Now.AddSeconds(expected), until.Value);
    }

    [Theory]
    [InlineData(59)]
    [InlineData(0)]
    [InlineData(-5)]
    public void With_less_than_a_minute_left_of_the_subject_token_nothing_is_minted(int left) =>
        Assert.Equal(RefusalReason.LifetimeTooShort, Lifetimes.ForIdentityToken(null, null, "x", Now.AddSeconds(left), Now).Refusal.Reason);

    [Theory]
    [InlineData("api://AzureADTokenExchange")]
    [InlineData("api://AzureADTokenExchangeUSGov")]
    [InlineData("api://AzureADTokenExchangeChina")]
    public void A_token_for_azure_outlives_the_five_minutes_that_its_sdk_keeps_the_file(string audience)
    {
        Assert.Equal(Now.AddMinutes(6), Lifetimes.ForIdentityToken(Span(120), null, audience, Now.AddHours(1), Now).Value);
        Assert.True(Lifetimes.ForIdentityToken(null, null, audience, Now.AddMinutes(5), Now).IsRefused);
    }

    [Theory]
    [InlineData("59")]
    [InlineData("3601")]
    [InlineData("1e3")]
    [InlineData("-60")]
    [InlineData(" 60")]
    [InlineData("99999999999999999999")]
    public void Expires_in_is_whole_seconds_between_one_and_sixty_minutes(string text) => Assert.True(Lifetimes.Parse(text).IsRefused);

    private static TimeSpan? Span(int? seconds) => seconds is { } s ? TimeSpan.FromSeconds(s) : null;
}
