using Lanyard.Identity.Cel;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

[Line("6.1")]
public sealed class GoogleMappingTests
{
    private const string Assertion = """
        {"sub":"repo:acme/web:ref:refs/heads/main","repository":"acme/web","email":"a@example.com",
         "arn":"arn:aws:sts::123456789012:assumed-role/deploy/session","groups":["x","y"]}
        """;

    [Theory]
    [InlineData("assertion.sub", "repo:acme/web:ref:refs/heads/main")]
    [InlineData("assertion.arn.extract('assumed-role/{role}/')", "deploy")]
    [InlineData("assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role_name}/')", "arn:aws:sts::123456789012:assumed-role/deploy")]
    [InlineData("assertion.arn.contains('assumed-role') ? assertion.arn.extract('sts::{account}:') : assertion.arn", "123456789012")]
    [InlineData("assertion.sub.extract('{everything}')", "repo:acme/web:ref:refs/heads/main")]
    [InlineData("assertion.sub.extract('ref:{ref}')", "refs/heads/main")]
    [InlineData("assertion.sub.extract('missing/{x}/')", "")]
    [InlineData("assertion.arn.extract('assumed-role/{role}#')", "")]
    [InlineData("assertion.repository.split('/')[0] + '@' + assertion.email.split('@')[1]", "acme@example.com")]
    [InlineData("'acme'.lowerAscii() + '-' + assertion.groups.join('+')", "acme-x+y")]
    public void A_mapping_makes_the_attribute_that_Google_would_make(string expression, string expected) =>
        Assert.Equal(expected, CelEnvironments.GoogleMapping.Run(expression, "assertion", Assertion).Value.AsString);

    [Theory]
    [InlineData("'x'.extract('no place')")]
    [InlineData("'x'.extract('{a}{b}')")]
    [InlineData("'x'.extract('{}')")]
    [InlineData("'x'.extract('}a{')")]
    public void A_template_without_exactly_one_place_is_an_error(string expression) =>
        Assert.True(CelEnvironments.GoogleMapping.Run(expression).IsError);

    [Fact]
    public void The_condition_sees_the_assertion_and_what_was_mapped()
    {
        var environment = CelEnvironments.GoogleCondition;
        var program = environment.Compile("assertion.repository == 'acme/web' && attribute.owner == 'acme' && google.subject.size() < 128", mustWork: true);
        var activation = new CelActivation(environment)
            .Set("assertion", Json("""{"repository":"acme/web"}"""))
            .Set("attribute", Json("""{"owner":"acme"}"""))
            .Set("google", Json("""{"subject":"s"}"""));

        Assert.True(program.EvaluateBool(activation).IsTrue);
    }

    [Fact]
    public void A_mapping_sees_neither_other_attributes_nor_more_than_2048_characters()
    {
        Assert.NotEmpty(CelEnvironments.GoogleMapping.Mistakes("attribute.owner"));
        Assert.NotEmpty(CelEnvironments.GoogleMapping.Mistakes($"'{new string('x', 2048)}'"));
    }

    private static CelValue Json(string text) => CelValue.FromJson(System.Text.Json.JsonDocument.Parse(text).RootElement);
}
