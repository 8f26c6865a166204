using Lanyard.Identity.Cel;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

[Line("6.1")]
public sealed class MistakesTests
{
    private static readonly CelEnvironment Environment = CelEnvironments.KubernetesClaims;

    [Fact]
    public void All_mistakes_of_an_expression_come_at_once_with_line_and_column()
    {
        var issues = Environment.Mistakes("""
            clams.sub == 'x' &&
              claims.sub.startWith('y') &&
              1 + 'a' == 2 &&
              size(3) > 0 && claims.ref.matches('(?=x)')
            """);

        Assert.Equal([(1, 1), (2, 14), (3, 5), (4, 3), (4, 29)], issues.Select(i => (i.Line, i.Column)));
        Assert.Equal("undeclared reference to 'clams' (in container '')", issues[0].Text);
        Assert.Equal("undeclared reference to function 'startWith'", issues[1].Text);
        Assert.Equal("found no matching overload for '_+_' applied to '(int, string)'", issues[2].Text);
    }

    [Theory]
    [InlineData("claims.sub ==", 1, 14)]
    [InlineData("claims.sub = 'x'", 1, 12)]
    [InlineData("(claims.sub == 'x'", 1, 19)]
    [InlineData("claims.sub == 'x", 1, 15)]
    [InlineData("claims.sub == 'x' claims", 1, 19)]
    [InlineData("a.b{c: 1}", 1, 4)]
    [InlineData("if(true)", 1, 1)]
    [InlineData("claims.sub == '\\q'", 1, 16)]
    [InlineData("claims.sub == '\\ud800'", 1, 16)]
    [InlineData("9223372036854775808 > 0", 1, 1)]
    [InlineData("1 +\n  * 2", 2, 3)]
    [InlineData("claims.groups.exists(g.x, true)", 1, 23)]
    [InlineData("has(claims)", 1, 1)]
    [InlineData("claims.sub == 'x' && claims # 1", 1, 29)]
    [InlineData("claims.f(1,)", 1, 12)]
    [InlineData("12a == 3", 1, 1)]
    [InlineData("", 1, 1)]
    public void A_mistake_of_the_grammar_names_its_place(string expression, int line, int column) =>
        Assert.Contains(Environment.Mistakes(expression), i => (i.Line, i.Column) == (line, column));

    [Theory]
    [InlineData("'a' == 1")]
    [InlineData("1u == 1")]
    [InlineData("true ? 1 : 'a'")]
    [InlineData("'x' && true")]
    [InlineData("!1")]
    [InlineData("-'x'")]
    [InlineData("[1].exists(x, x)")]
    [InlineData("[1, 2].map(x, y)")]
    [InlineData("1.all(x, true)")]
    [InlineData("'a' in [1]")]
    [InlineData("[1]['a']")]
    [InlineData("{1.5: 2}.size() > 0")]
    [InlineData("'a'.b")]
    [InlineData("duration('1 week') > duration('1h')")]
    [InlineData("timestamp('yesterday') > timestamp(0)")]
    [InlineData("'x'.matches('[')")]
    [InlineData("optional.of(1).orValue('a') == 1")]
    [InlineData("{'a': 1}[1] == 1")]
    [InlineData("null < 1")]
    [InlineData("[1] < [2]")]
    public void A_mistake_of_the_types_is_found_before_anything_runs(string expression) => Assert.NotEmpty(Environment.Mistakes(expression));

    [Theory]
    [InlineData("claims.sub == 1")]
    [InlineData("claims.a.b.c[0] in claims.d")]
    [InlineData("claims.a + claims.b > claims.c")]
    public void What_only_the_run_time_knows_compiles(string expression) => Environment.Compile(expression, mustWork: true);

    [Fact]
    public void A_text_of_nothing_but_mistakes_ends_in_a_bounded_list() =>
        Assert.Equal(100, Environment.Mistakes(string.Join(" + ", Enumerable.Repeat("y", 90).Append(string.Concat(Enumerable.Repeat("#", 500))))).Count);
}
