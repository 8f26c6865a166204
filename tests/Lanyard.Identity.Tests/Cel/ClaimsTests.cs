using System.Text;
using System.Text.Json;
using Lanyard.Identity.Cel;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

[Line("6.1")]
public sealed class ClaimsTests
{
    private const string Typical =
        """claims.sub == "x" && claims.repository_owner_id == "123" && claims.ref.startsWith("refs/heads/")""";

    private static readonly CelEnvironment Environment = CelEnvironments.Conditions;

    [Theory]
    [InlineData("""{"sub":"x","repository_owner_id":"123","ref":"refs/heads/main"}""", true)]
    [InlineData("""{"ref":"refs/heads/main","sub":"x","repository_owner_id":"123"}""", true)]
    [InlineData("""{"sub":"x","repository_owner_id":"123","ref":"refs/tags/v1"}""", false)]
    [InlineData("""{"sub":"y","repository_owner_id":"123","ref":"refs/heads/main"}""", false)]
    public void One_program_judges_tokens_of_any_member_order(string claims, bool expected)
    {
        var program = Environment.Compile(Typical, mustWork: true);

        // The first token leaves the program's memory of places; the second has others.
        program.Evaluate(Activate("""{"a":1,"b":2,"ref":"r","sub":"s","repository_owner_id":"i"}"""));

        Assert.Equal(expected, program.EvaluateBool(Activate(claims)).IsTrue);
    }

    [Theory]
    [InlineData("claims.missing == 'x'", "no such key: 'missing'")]
    [InlineData("claims.sub.deeper == 'x'", "does not support field selection")]
    [InlineData("claims.n.startsWith('x')", "no such overload")]
    [InlineData("claims.sub > 3", "no such overload")]
    [InlineData("claims.bad == 'x'", "not valid Unicode")]
    [InlineData("claims.bad != 'x'", "not valid Unicode")]
    [InlineData("claims.bads != ['x']", "not valid Unicode")]
    [InlineData("claims.sub", "not a bool")]
    public void A_condition_that_cannot_be_judged_is_an_error_and_never_true(string expression, string why)
    {
        var program = Environment.Compile(expression, mustWork: true);
        const string Json = """{"sub":"x","n":1,"bad":"\ud800","bads":["\ud800"],"\ud800":1}""";

        var fromElement = program.EvaluateBool(Activate(Json));
        var fromBytes = program.EvaluateBool(new CelActivation(Environment).Set("claims", CelValue.FromJson(Encoding.UTF8.GetBytes(Json))));

        Assert.False(fromElement.IsTrue || fromBytes.IsTrue);
        Assert.Contains(why, fromElement.Error, StringComparison.Ordinal);
        Assert.Contains(why, fromBytes.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("nothing")]
    public void Text_that_is_no_json_is_an_error(string text)
    {
        var activation = new CelActivation(Environment).Set("claims", CelValue.FromJson(Encoding.UTF8.GetBytes(text)));

        Assert.True(Environment.Compile("claims.sub != 'x'", mustWork: true).EvaluateBool(activation).IsError);
    }

    [Theory]
    [InlineData("claims.i == 3 && type(claims.i) == int")]
    [InlineData("claims.big == 18446744073709551615u && type(claims.big) == uint")]
    [InlineData("claims.d == 1.5 && type(claims.d) == double && claims.i < claims.big && claims.d < claims.i")]
    [InlineData("claims.t && claims.z == null && claims.l[1].x == 'y' && claims.l.size() == 2")]
    [InlineData("claims.o.all(k, claims.o[k] > 0) && 'a' in claims.o && !('c' in claims.o)")]
    [InlineData("claims.o == {'b': 2, 'a': 1} && claims.l != [] && type(claims.o) == map")]
    [InlineData("claims['https://example.com/role'] == 'r' && claims.`https_x` == 'q' && dyn(claims)['i'] == 3")]
    public void Json_is_read_with_its_types(string expression)
    {
        var program = Environment.Compile(expression, mustWork: true);
        const string Json = """
            {"i":3,"big":18446744073709551615,"d":1.5,"t":true,"z":null,"l":[1,{"x":"y"}],"o":{"a":1,"b":2},
             "https://example.com/role":"r","https_x":"q"}
            """;

        var fromElement = program.Evaluate(Activate(Json));
        var fromBytes = program.Evaluate(new CelActivation(Environment).Set("claims", CelValue.FromJson(Encoding.UTF8.GetBytes(Json))));

        Assert.True(fromElement.IsTrue, fromElement.Value.ToString());
        Assert.True(fromBytes.IsTrue, fromBytes.Value.ToString());
    }

    [Fact]
    public void A_token_of_many_claims_is_searched_by_name_too()
    {
        var members = string.Join(',', Enumerable.Range(0, 500).Select(i => $"\"c{i}\":{i}"));

        Assert.True(Environment.Run("claims.c0 == 0 && claims.c499 == 499 && !has(claims.c500)", "claims", $"{{{members}}}").IsTrue);
    }

    [Fact]
    public void A_variable_without_a_value_is_an_error_that_an_or_absorbs()
    {
        var activation = new CelActivation(Environment);

        Assert.True(Environment.Compile("claims.sub == 'x'", mustWork: true).Evaluate(activation).IsError);
        Assert.True(Environment.Compile("claims.sub == 'x' || true", mustWork: true).Evaluate(activation).IsTrue);
    }

    [Fact]
    public void The_claims_of_a_token_are_read_where_they_stand()
    {
        var claims = ClaimSet.Parse("""{"sub":"x","repository_owner_id":"123","ref":"refs/heads/\u006dain","groups":["a"]}""").Value;
        var activation = new CelActivation(Environment).Set("claims", CelValue.FromJson(claims.Json));

        Assert.True(Environment.Compile(Typical + " && claims.ref == 'refs/heads/main' && 'a' in claims.groups", mustWork: true).Evaluate(activation).IsTrue);
    }

    [Fact]
    public void Another_source_of_claims_joins_in_without_being_copied()
    {
        var activation = new CelActivation(Environment).Set("claims", CelValue.Of(new Echo()));

        Assert.True(Environment.Compile("claims.anything == 'anything' && claims['x'] == 'x'", mustWork: true).Evaluate(activation).IsTrue);
    }

    [Theory]
    [InlineData(Typical)]
    [InlineData("claims.ref in ['refs/heads/main', 'refs/heads/next'] || has(claims.none) || claims.repository_owner_id.matches('^[0-9]+$')")]
    public void A_typical_condition_allocates_nothing(string condition)
    {
        var program = Environment.Compile(condition, mustWork: true);
        var activation = Activate("""{"sub":"x","repository_owner_id":"123","ref":"refs/heads/main"}""");
        Assert.True(program.EvaluateBool(activation).IsTrue);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var all = true;
        for (var i = 0; i < 1000; i++)
        {
            all &= program.EvaluateBool(activation).IsTrue;
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(all);
    }

    private static CelActivation Activate(string claims) =>
        new CelActivation(Environment).Set("claims", CelValue.FromJson(JsonDocument.Parse(claims).RootElement));

    /// <summary>Every claim is its own name.</summary>
    private sealed class Echo : CelMap
    {
        public override int Count => 0;

        public override bool TryGet(in CelValue key, out CelValue value)
        {
            value = key;
            return true;
        }

        public override bool TryGet(string key, ref int hint, out CelValue value)
        {
            value = CelValue.Of(key);
            return true;
        }

        public override CelValue KeyAt(int index) => throw new InvalidOperationException();

        public override CelValue ValueAt(int index) => throw new InvalidOperationException();
    }
}
