using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

[Line("2.10")]
public sealed class SubjectTemplateTests
{
    private static readonly Dictionary<string, string?> Values = new()
    {
        ["instance"] = "acme",
        ["workspace"] = "team",
        ["collection"] = "prod",
        ["definition"] = "deploy",
        ["definition_uuid"] = "0195c0de-0000-7000-8000-000000000001",
        ["phase"] = "plan",
        ["runner"] = "pool",
        ["repository"] = "11111111-aaaa",
        ["step"] = "22222222-bbbb",
    };

    [Theory]
    [InlineData(null, "workspace:team:collection:prod:definition:deploy:phase:plan")]
    [InlineData("lanyard", "workspace:team:collection:prod:definition:deploy:phase:plan")]
    [InlineData("meshstack-definition", "system:serviceaccount:acme:workspace.team.buildingblockdefinition.0195c0de-0000-7000-8000-000000000001")]
    [InlineData("meshstack-runner", "system:serviceaccount:acme:pool")]
    [InlineData("bitbucket", "{11111111-aaaa}:{22222222-bbbb}")]
    [InlineData("{workspace}[/{environment}]/{phase}", "team/plan")]
    [InlineData("{workspace}[/{phase}/{environment}]", "team")]
    [InlineData("{{{workspace}}}", "{team}")]
    [InlineData("fixed", "fixed")]
    public void A_template_gives_its_subject(string? template, string subject) =>
        Assert.Equal(subject, SubjectTemplate.Parse(template).Value.Render(Values).Value);

    [Theory]
    [InlineData("{environment}")]
    [InlineData("a:{environment}:b")]
    [InlineData("{workspace}[:{phase}]:{actor}")]
    public void A_missing_value_outside_brackets_is_a_refusal_and_never_an_empty_text(string template)
    {
        var parsed = SubjectTemplate.Parse(template).Value;
        Assert.Equal(RefusalReason.ScopeNotAllowed, parsed.Render(Values).Refusal.Reason);
        var empty = new Dictionary<string, string?>(Values) { ["environment"] = "", ["actor"] = "" };
        Assert.Equal(RefusalReason.ScopeNotAllowed, parsed.Render(empty).Refusal.Reason);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("}")]
    [InlineData("{workspace")]
    [InlineData("{unknown}")]
    [InlineData("{Workspace}")]
    [InlineData("{}")]
    [InlineData("[{phase}")]
    [InlineData("{phase}]")]
    [InlineData("[[{phase}]]")]
    [InlineData("[]")]
    [InlineData("[text]")]
    [InlineData("bl\tank")]
    [InlineData("café")]
    public void What_is_no_template_is_refused_when_it_is_written(string template) =>
        Assert.Equal(RefusalReason.RequestMalformed, SubjectTemplate.Parse(template).Refusal.Reason);

    [Fact]
    public void A_subject_longer_than_255_characters_or_not_ascii_is_refused()
    {
        var template = SubjectTemplate.Parse("{workspace}").Value;
        Assert.False(template.Render(new Dictionary<string, string?> { ["workspace"] = new string('a', 255) }).IsRefused);
        Assert.True(template.Render(new Dictionary<string, string?> { ["workspace"] = new string('a', 256) }).IsRefused);
        Assert.True(template.Render(new Dictionary<string, string?> { ["workspace"] = "größe" }).IsRefused);
    }

    [Fact]
    public void A_value_that_looks_like_a_template_stays_a_value() =>
        Assert.Equal("{phase}[x]", SubjectTemplate.Parse("{workspace}").Value.Render(new Dictionary<string, string?> { ["workspace"] = "{phase}[x]", ["phase"] = "p" }).Value);
}
