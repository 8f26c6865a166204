using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Trust;

/// <summary>The index leaves out only policies that can't match: whatever the policies and the token, what it finds holds every one that does.</summary>
[Line("6.2")]
public sealed class PolicyIndexTests
{
    private static readonly string[] Claims = ["sub", "repository_id", "ref", "team", "a.b"];
    private static readonly string[] Values = ["one", "two", "three", "ü\"\\", ""];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void What_matches_is_always_among_the_candidates_and_in_order(int seed)
    {
        // A seed, so that a failure can be seen again.
        var random = new Random(seed);
        for (var round = 0; round < 50; round++)
        {
            var policies = Enumerable.Range(0, random.Next(1, 60)).Select(_ => Policy(random)).ToList();
            var index = new PolicyIndex<TrustPolicy>(policies, static policy => policy);
            for (var token = 0; token < 20; token++)
            {
                var claims = ClaimSet.Parse(Token(random).ToJsonString()).Value;
                var candidates = index.Candidates(claims).ToList();

                Assert.Equal(policies.Where(candidates.Contains), candidates);
                Assert.All(policies.Where(policy => !policy.Match(claims).IsRefused), policy => Assert.Contains(policy, candidates));
            }
        }
    }

    [Fact]
    public void Of_a_thousand_policies_for_a_repository_each_one_is_asked()
    {
        var policies = Enumerable.Range(0, 1000).Select(static n => Parse(new JsonObject { ["repository_owner_id"] = "9919", ["repository_id"] = $"{n}" })).ToList();
        var index = new PolicyIndex<TrustPolicy>(policies, static policy => policy);

        Assert.Same(policies[517], Assert.Single(index.Candidates(ClaimSet.Parse("""{"repository_owner_id":"9919","repository_id":"517"}""").Value)));
        Assert.Empty(index.Candidates(ClaimSet.Parse("""{"repository_owner_id":"9919","repository_id":517}""").Value));
        Assert.Empty(index.Candidates(ClaimSet.Parse("""{"repository_owner_id":"9919"}""").Value));
    }

    private static TrustPolicy Policy(Random random)
    {
        var claims = new JsonObject();
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            JsonNode condition = random.Next(6) switch
            {
                0 => new JsonObject { ["glob"] = "t*" },
                1 => new JsonObject { ["contains"] = "one" },
                2 => 7,
                3 => new JsonArray("one", 7, "two"),
                4 => new JsonArray("two", "three"),
                _ => Values[random.Next(4)],
            };
            claims[Claims[random.Next(Claims.Length)]] = condition;
        }

        return Parse(claims);
    }

    private static TrustPolicy Parse(JsonObject claims)
    {
        var document = new JsonObject { ["issuer"] = "ci", ["claims"] = claims, ["principal"] = "p", ["allow"] = new JsonObject { ["roles"] = new JsonArray("viewer") } };
        var (policy, mistakes) = TrustPolicy.Parse(Encoding.UTF8.GetBytes(document.ToJsonString()));
        return policy ?? throw new InvalidOperationException(string.Join("; ", mistakes));
    }

    private static JsonObject Token(Random random)
    {
        var token = new JsonObject();
        foreach (var claim in Claims)
        {
            if (random.Next(4) == 0) continue;
            token[claim] = random.Next(5) switch { 0 => 7, 1 => new JsonArray("one", "two"), 2 => new JsonObject { ["b"] = "one" }, _ => Values[random.Next(Values.Length)] };
        }

        if (random.Next(3) == 0) token["a"] = new JsonObject { ["b"] = Values[random.Next(Values.Length)] };
        return token;
    }
}
