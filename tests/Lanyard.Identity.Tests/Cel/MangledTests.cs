using System.Text.Json;
using Lanyard.Identity.Cel;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

/// <summary>Whatever stands in a policy file, the answer is a value, an error value or a list of mistakes; never an exception.</summary>
[Line("6.1")]
public sealed class MangledTests
{
    private static readonly string[] Pieces =
    [
        "claims", ".sub", "['sub']", "[?0]", ".?n", "(", ")", "[", "]", "{", "}", ",", ":", "?", "!", "-", "+", "*", "/", "%", " in ", "==", "<=", "&&", "||",
        "1", "-9223372036854775808", "2u", "1.5e300", "'a'", "\"\\u00e9\"", "'\\", "b'\\xff'", "r'\\d'", "'''", "null", "true", "dyn(", "int(", "string(",
        "timestamp('2024-02-30T00:00:00Z')", "duration('1h')", ".getHours('Europe/Berlin')", ".matches('(a')", ".find('a*')", ".findAll('', 3)",
        ".exists(x, x == 1)", ".map(x, x, x)", ".transformMap(k, v, v)", ".optMap(y, y)", "optional.of(1)", ".orValue(2)", "has(claims.a.b)",
        ".format([1, 'x', {}])", ".replace('', 'b', 3)", ".split('', 2)", ".substring(1, 2)", ".lastIndexOf('😀', 1)", ".join()", ".sum()", ".min()",
        "url('http://[::1]:1/%41?a=%zz#f')", ".getQuery()", "ip('::')", "cidr('10.0.0.1/8')", ".masked()", ".containsIP('1.1.1.1')", "quantity('1e3Ki')",
        "quantity('-9223372036854775807E')", ".add(9223372036854775807)", ".extract('{a}')", "size", "`x`", "\n", "//", "\ud800", "\0", "sets.contains([1], [])",
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_text_makes_the_evaluator_throw(int seed)
    {
        var random = new Random(seed);
        var claims = CelValue.FromJson(JsonDocument.Parse("""{"sub":"a😀b","n":[1,2.5,"x",null,{"a":{"b":true}}],"a":{"b":1}}""").RootElement);
        CelEnvironment[] environments =
        [
            CelEnvironments.Conditions,
            new([new("claims", CelType.Dyn)], CelEnvironments.AllLibraries) { Unchecked = true, Container = "a.b" },
        ];

        for (var i = 0; i < 20_000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => Pieces[random.Next(Pieces.Length)]));
            foreach (var environment in environments)
            {
                Try(environment, text, claims);
            }
        }
    }

    private static void Try(CelEnvironment environment, string text, CelValue claims)
    {
        try
        {
            if (environment.Compile(text).TryGet(out var program, out var issues))
            {
                _ = program.Evaluate(new CelActivation(environment).Set("claims", claims)).Value.ToString();
            }
            else
            {
                Assert.NotEmpty(issues);
            }
        }
        catch (Exception thrown) when (thrown is not Xunit.Sdk.IAssertionException)
        {
            Assert.Fail($"{JsonSerializer.Serialize(text)} threw {thrown}");
        }
    }
}
