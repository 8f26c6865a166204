using Lanyard.Protocol.Kubernetes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Protocol.Tests.Kubernetes;

/// <summary>The API server's own rule for keys of extras in <c>AuthenticationConfiguration</c>.</summary>
[Line("3.1")]
[Line("3.2")]
public sealed class ExtraKeysTests
{
    [Theory]
    [InlineData("example.org/team")]
    [InlineData("example/team")]
    [InlineData("a-1.example.org/a/b:c~d%20e")]
    [InlineData("notkubernetes.io/team")]
    [InlineData("kubernetes.io.example.org/team")]
    public void A_key_of_an_own_domain_is_taken(string key) => Assert.True(ExtraKeys.IsOwn(key));

    [Theory]
    [InlineData("")]
    [InlineData("team")]
    [InlineData("/team")]
    [InlineData("example.org/")]
    [InlineData("Example.org/team")]
    [InlineData("example.org/Team")]
    [InlineData("example.org/te am")]
    [InlineData("example.org/téam")]
    [InlineData("example.org/team\nImpersonate-User")]
    [InlineData("example.org/team#1")]
    [InlineData("example .org/team")]
    [InlineData("example_org/team")]
    [InlineData("-example.org/team")]
    [InlineData("example-.org/team")]
    [InlineData("example..org/team")]
    [InlineData(".example.org/team")]
    [InlineData("example.org./team")]
    public void A_key_that_the_API_server_would_not_take_is_refused(string key) => Assert.False(ExtraKeys.IsOwn(key));

    [Theory]
    [InlineData("kubernetes.io/team")]
    [InlineData("k8s.io/team")]
    [InlineData("authentication.kubernetes.io/credential-id")]
    [InlineData("x.y.k8s.io/team")]
    public void Keys_of_Kubernetes_itself_are_nobodys_to_fill(string key) => Assert.False(ExtraKeys.IsOwn(key));

    [Fact]
    public void A_domain_may_be_as_long_as_a_name_and_no_longer()
    {
        var longest = string.Join('.', Enumerable.Repeat(new string('a', 62), 4));
        Assert.True(ExtraKeys.IsOwn($"{longest}aa/k"));
        Assert.False(ExtraKeys.IsOwn($"{longest}aaa/k"));
    }
}
