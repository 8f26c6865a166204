using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

[Line("3.1")]
public sealed class SightingsTests
{
    private readonly Sightings _sightings = new();

    [Fact]
    public void A_token_is_known_from_its_second_time_on()
    {
        Assert.False(_sightings.Again(TokenHash.Of("a.b.c")));
        Assert.True(_sightings.Again(TokenHash.Of("a.b.c")));
        Assert.True(_sightings.Again(TokenHash.Of("a.b.c")));
    }

    [Fact]
    public void Fifty_thousand_tokens_that_come_once_are_hardly_ever_taken_for_old_ones_and_all_are_known_when_they_come_again()
    {
        var tokens = Enumerable.Range(0, 50_000).Select(i => TokenHash.Of($"t{i}")).ToList();

        Assert.InRange(tokens.Count(_sightings.Again), 0, 500);
        Assert.All(tokens, token => Assert.True(_sightings.Again(token)));
    }

    [Fact]
    public void However_many_came_before_a_new_token_is_told_from_an_old_one()
    {
        for (var i = 0; i < 500_000; i++) _sightings.Again(TokenHash.Of($"t{i}"));

        Assert.InRange(Enumerable.Range(0, 1000).Count(i => _sightings.Again(TokenHash.Of($"new{i}"))), 0, 30);
    }
}
