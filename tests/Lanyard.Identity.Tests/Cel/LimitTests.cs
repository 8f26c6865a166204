using Lanyard.Identity.Cel;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

/// <summary>Expressions made to use up a server. Cost is counted, not time, so that the result is the same on every machine.</summary>
[Line("6.1")]
public sealed class LimitTests
{
    private static readonly CelEnvironment Environment = CelEnvironments.Conditions;

    [Theory]
    [InlineData("[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, [1,2,3,4,5,6,7,8,9,10].all(g, true)))))))")]
    [InlineData("[0,1,2,3,4,5,6,7,8,9].map(a, [0,1,2,3,4,5,6,7,8,9].map(b, [0,1,2,3,4,5,6,7,8,9].map(c, [0,1,2,3,4,5,6,7,8,9].map(d, [0,1,2,3,4,5,6,7,8,9].map(e, [0,1,2,3,4,5,6,7,8,9].map(f, [a, b])))))).size() > 0")]
    [InlineData("claims.words.all(a, claims.words.all(b, claims.words.all(c, (a + b + c).matches('(x+x+)+y') || true)))")]
    [InlineData("claims.words.all(a, claims.words.all(b, a.matches(b + '(a|aa)+$') || true))")]
    [InlineData("claims.words.map(a, claims.words.map(b, claims.words)) == claims.words.map(a, claims.words.map(b, claims.words)) || true")]
    [InlineData("claims.words.all(w, claims.words.join('').matches('^(x|0)*x(x|0){200}y$') || true)")]
    [InlineData("claims.words.all(a, claims.words.all(b, claims.words.all(c, a.replace('', b, -1).contains(c) || true)))")]
    [InlineData("claims.words.all(a, claims.words.all(b, claims.words.all(c, '%s%s'.format([claims.words, claims.words]).size() > 0)))")]
    [InlineData("claims.words.all(a, claims.words.all(b, claims.words.all(c, sets.contains(claims.words, claims.words))))")]
    [InlineData("claims.words.all(a, claims.words.all(b, claims.words.all(c, claims.words.join(a).findAll('x').size() >= 0)))")]
    public void A_bomb_ends_at_the_cost_limit_and_is_never_true(string expression)
    {
        var words = string.Join(',', Enumerable.Range(0, 200).Select(i => $"\"{new string('x', 40)}{i}\""));

        var result = Environment.Run(expression, "claims", $$"""{"words":[{{words}}]}""");

        Assert.True(result.IsOverBudget, $"cost {result.Cost}: {result.Value}");
        Assert.False(result.IsTrue);
        Assert.InRange(result.Cost, 1_000_000, 1_500_000);
    }

    [Fact]
    public void Text_that_doubles_stops_at_the_size_limit_or_the_budget()
    {
        var expression = "optional.of(claims.x)" + string.Concat(Enumerable.Repeat(".optMap(y, y + y)", 40)) + ".value().size() > 0";

        var result = Environment.Run(expression, "claims", """{"x":"0123456789"}""");

        Assert.True(result.IsError);
    }

    [Fact]
    public void Lists_that_double_stop_at_the_budget()
    {
        var expression = "optional.of([1, 2, 3])" + string.Concat(Enumerable.Repeat(".optMap(y, y + y)", 40)) + ".value().size() > 0";

        Assert.True(Environment.Run(expression).IsError);
    }

    [Theory]
    [InlineData('(', ')')]
    [InlineData('[', ']')]
    public void Nesting_beyond_the_limit_is_refused_before_the_stack_ends(char open, char close)
    {
        var issues = Environment.Mistakes(new string(open, 5_000) + "1" + new string(close, 5_000));

        Assert.Contains(issues, i => i.Text.Contains("nests deeper", StringComparison.Ordinal));
    }

    [Fact]
    public void Chains_of_every_kind_beyond_the_limits_are_refused_before_the_stack_ends()
    {
        string[] bombs =
        [
            string.Join(" + ", Enumerable.Repeat("1", 4_000)),
            "claims" + string.Concat(Enumerable.Repeat(".a", 4_000)),
            "claims" + string.Concat(Enumerable.Repeat("[0]", 4_000)),
            string.Concat(Enumerable.Repeat("true ? true : ", 1_000)) + "true",
            string.Concat(Enumerable.Repeat("-!", 4_000)) + "1",
            string.Concat(Enumerable.Repeat("dyn(", 3_000)) + "1" + new string(')', 3_000),
            string.Join(" || ", Enumerable.Repeat("true", 4_100))[..16_000],
            new string('1', 20_000),
        ];

        Assert.All(bombs, b => Assert.NotEmpty(Environment.Mistakes(b)));
    }

    [Fact]
    public void A_policy_of_two_hundred_alternatives_is_no_bomb()
    {
        var expression = string.Join(" || ", Enumerable.Range(0, 200).Select(i => $"claims.sub == 'user-{i}'"));

        Assert.True(Environment.Run(expression, "claims", """{"sub":"user-199"}""").IsTrue);
    }

    [Theory]
    [InlineData("claims.sub == 'x' && claims.ref.startsWith('refs/heads/') && claims.repository.matches('^acme/.+$')", true)]
    [InlineData("claims.groups.exists(g, g == 'dev')", true)]
    [InlineData("[1, 2, 3].all(a, [1, 2, 3].all(b, a + b > 0))", true)]
    [InlineData("claims.groups.exists(g, claims.roles.exists(r, g == r))", false)]
    [InlineData("sets.intersects(claims.groups, claims.roles)", false)]
    public void The_worst_cost_tells_conditions_that_a_hostile_token_could_drive_over_the_budget(string expression, bool isSafe) =>
        Assert.Equal(isSafe, Environment.Compile(expression, mustWork: true).WorstCost <= Environment.Limits.MaxCost);

    [Theory]
    [InlineData("claims.words.exists(g, g == 'w')")]
    [InlineData("claims.words.map(w, w + '!').exists(w, w.contains('99'))")]
    [InlineData("claims.words.filter(w, w.matches('^w[0-9]+$')).size() > 3 ? 'a' in claims.words : false")]
    [InlineData("'%s-%d'.format([claims.words, 3]).size() > 0 && claims.words[3] == 'w3' && has(claims.x)")]
    public void An_evaluation_costs_no_more_than_the_worst_cost(string expression)
    {
        var words = string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"w{i}\""));

        var result = Environment.Run(expression, "claims", $$"""{"words":[{{words}}]}""");

        Assert.False(result.IsError, result.Error);
        Assert.InRange(result.Cost, 1, Environment.Compile(expression, mustWork: true).WorstCost);
    }

    [Fact]
    public void A_tighter_limit_of_one_evaluation_holds()
    {
        var result = Environment.Run("[1, 2, 3].all(x, x > 0)", limits: CelLimits.Default with { MaxCost = 5 });

        Assert.True(result.IsOverBudget);
        Assert.True(result.IsError);
    }

    [Fact]
    public void An_or_does_not_absorb_the_end_of_the_budget()
    {
        var result = Environment.Run("[1, 2, 3].all(x, x > 0) || true", limits: CelLimits.Default with { MaxCost = 5 });

        Assert.False(result.IsTrue);
    }
}
