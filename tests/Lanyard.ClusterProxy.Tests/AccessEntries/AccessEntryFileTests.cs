using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.AccessEntries;

[Line("3.2")]
public sealed class AccessEntryFileTests
{
    private const string Good = """
        apiVersion: lanyard/v1
        kind: AccessEntries
        entries:
        - name: a
          issuer: https://i.example
          claims: {sub: x}
          username: "u:{sub}"
          extras: {example.org/k: [v]}
        - name: b
          issuer: https://i.example
          claims: {sub: y}
          username: "u:{sub}"
        """;

    [Fact]
    public void A_good_file_is_read() => Assert.Equal(["a", "b"], AccessEntryFile.Parse(Good, "file").Select(e => e.Name));

    [Theory]
    [InlineData("name: b", "name: a", "entries[1].name: another entry")]
    [InlineData("claims: {sub: x}", "claims: {}", "entries[0].claims: at least one condition")]
    [InlineData("  claims: {sub: x}\n", "", "entries[0].claims: required")]
    [InlineData("claims: {sub: x}", "claims: {sub: {globb: x}}", "entries[0].claims.sub")]
    [InlineData("username: \"u:{sub}\"\n  extras", "username: \"u:{sub\"\n  extras", "entries[0].username: a {")]
    [InlineData("username: \"u:{sub}\"\n  extras", "user: x\n  extras", "entries[0].user: unknown field")]
    [InlineData("example.org/k", "plain", "entries[0].extras.plain: a key is lower-case")]
    [InlineData("example.org/k", "Example.org/k", "entries[0].extras.Example.org/k: a key is lower-case")]
    [InlineData("example.org/k", "authentication.kubernetes.io/credential-id", "entries[0].extras.authentication.kubernetes.io/credential-id")]
    [InlineData("kind: AccessEntries", "kind: AccessEntry", "kind: must be")]
    public void A_mistake_is_named_with_its_place(string old, string @new, string expected)
    {
        var yaml = Good.Replace(old, @new, StringComparison.Ordinal);
        Assert.NotEqual(Good, yaml);

        Assert.Contains(expected, Assert.Throws<ConfigurationException>(() => AccessEntryFile.Parse(yaml, "file")).Message, StringComparison.Ordinal);
    }
}
