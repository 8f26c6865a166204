using System.Text;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Impersonation;

[Line("3.3")]
public sealed class ImpersonationHeadersTests
{
    [Fact]
    public void User_uid_groups_and_extras_are_one_line_each()
    {
        var user = new KubernetesUser("ci:repo/42")
        {
            Uid = "u-1",
            Groups = ["a", "b, c"],
            Extras = [new("example.org/repo", "x"), new("example.org/repo", "y"), new(KubernetesUser.CredentialId, "JTI=7")],
        };

        var lines = Encoding.UTF8.GetString(ImpersonationHeaders.Create(user).Value.Lines);

        Assert.Equal(
            "Impersonate-User: ci:repo/42\r\nImpersonate-Uid: u-1\r\nImpersonate-Group: a\r\nImpersonate-Group: b, c\r\n"
            + "Impersonate-Extra-Example.org%2frepo: x\r\nImpersonate-Extra-Example.org%2frepo: y\r\n"
            + "Impersonate-Extra-Authentication.kubernetes.io%2fcredential-Id: JTI=7\r\n",
            lines);
    }

    /// <summary>What client-go's escape and Go's header spelling make of these keys (transport.headerKeyEscape, textproto.CanonicalMIMEHeaderKey).</summary>
    [Theory]
    [InlineData("scopes", "Impersonate-Extra-Scopes")]
    [InlineData("a%b", "Impersonate-Extra-A%25b")]
    [InlineData("alpha@example.com", "Impersonate-Extra-Alpha%40example.com")]
    [InlineData("x y", "Impersonate-Extra-X%20y")]
    [InlineData("é", "Impersonate-Extra-%c3%a9")]
    [InlineData("some-KEY", "Impersonate-Extra-Some-Key")]
    [InlineData("!#$&'*+.^_`|~", "Impersonate-Extra-!#$&'*+.^_`|~")]
    public void Extra_keys_are_escaped_as_client_go_does(string key, string name) => Assert.Equal(name, ImpersonationHeaders.ExtraHeaderName(key));

    [Theory]
    [InlineData("")]
    [InlineData(" root")]
    [InlineData("root ")]
    [InlineData("root\t")]
    [InlineData("a\r\nImpersonate-Group: system:masters")]
    [InlineData("a\0")]
    [InlineData("a\u007f")]
    public void Names_that_a_header_would_change_are_refused(string name)
    {
        Assert.True(ImpersonationHeaders.Create(new KubernetesUser(name)).IsRefused);
        Assert.True(ImpersonationHeaders.Create(new KubernetesUser("ok") { Groups = ["fine", name] }).IsRefused);
        Assert.True(ImpersonationHeaders.Create(new KubernetesUser("ok") { Uid = name }).IsRefused);
        Assert.True(ImpersonationHeaders.Create(new KubernetesUser("ok") { Extras = [new("key", name)] }).IsRefused);
    }

    [Fact]
    public void Half_a_surrogate_pair_is_no_name() => Assert.True(ImpersonationHeaders.Create(new KubernetesUser("a" + (char)0xd800)).IsRefused);

    [Fact]
    public void An_extra_without_a_key_is_refused() => Assert.True(ImpersonationHeaders.Create(new KubernetesUser("ok") { Extras = [new("", "v")] }).IsRefused);
}
