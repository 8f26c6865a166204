using Lanyard.ClusterProxy.Configuration;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests;

[Line("3.10")]
public sealed class ClusterProxyOptionsTests
{
    private static readonly string[] Base = ["--tls-cert-file=c", "--tls-private-key-file", "k", "--listen=127.0.0.1:0"];
    private static readonly string[] Oidc = [.. Base, "--oidc-issuer-url=https://i.example", "--oidc-client-id=aud"];

    [Fact]
    [Line("3.1")]
    public void The_oidc_flags_do_what_they_say()
    {
        var oidc = ClusterProxyOptions.Parse(
            [.. Oidc, "--oidc-username-claim=name", "--oidc-username-prefix=p:", "--oidc-groups-claim=roles", "--oidc-groups-prefix=g:", "--oidc-required-claim=a.b=c=d",
                "--oidc-signing-algs=ES256,PS512"]).Oidc!;

        Assert.Equal((new("name", "p:"), new("roles", "g:")), (oidc.Username, oidc.Groups!));
        Assert.Equal([SignatureAlgorithm.ES256, SignatureAlgorithm.PS512], oidc.Issuer.Algorithms.Allowed);
        Assert.Equal(["aud"], oidc.Issuer.Audiences);
        Assert.Null(oidc.Issuer.RequiredClaims.Single().Mismatch(Identity.Tokens.ClaimSet.Parse("""{"a.b":"c=d"}""").Value));
        Assert.NotNull(oidc.Issuer.RequiredClaims.Single().Mismatch(Identity.Tokens.ClaimSet.Parse("""{"a":{"b":"c=d"}}""").Value));
    }

    [Theory]
    [InlineData("sub", null, "https://i.example#")]
    [InlineData("email", null, "")]
    [InlineData("sub", "-", "")]
    [InlineData("sub", "x", "x")]
    [Line("3.1")]
    public void The_user_prefix_defaults_to_the_issuer_so_that_two_issuers_can_not_collide(string claim, string? prefix, string expected)
    {
        string[] given = prefix is null ? [] : ["--oidc-username-prefix", prefix];

        Assert.Equal(expected, ClusterProxyOptions.Parse([.. Oidc, "--oidc-username-claim", claim, .. given]).Oidc!.Username!.Prefix);
    }

    [Fact]
    [Line("3.1")]
    public void RS256_alone_is_accepted_by_default() =>
        Assert.Equal([SignatureAlgorithm.RS256], ClusterProxyOptions.Parse(Oidc).Oidc!.Issuer.Algorithms.Allowed);

    [Theory]
    [InlineData("--nonsense", "unknown argument")]
    [InlineData("--authentication-config=f", "give either it or the --oidc-… flags")]
    [InlineData("--oidc-signing-algs=HS256", "is none of RS256")]
    [InlineData("--oidc-signing-algs=1", "is none of RS256")]
    [InlineData("--oidc-required-claim=a", "must be CLAIM=VALUE")]
    [InlineData("--trusted-proxies=10.0.0.1/40", "is no network")]
    [InlineData("--listen=[::1]:1", "given twice")]
    [InlineData("--health-listen=8080", "an address and a port")]
    [InlineData("--plain-http", "only on a loopback address and without --tls-… files")]
    [InlineData("--kubeconfig", "needs a value")]
    [InlineData("--introspect-token-file=t", "only with --introspect-issuer")]
    [InlineData("--introspect-issuer=https://i.example", "the server tells nobody who does not show a token")]
    [InlineData("--introspect-issuer=http://i.example", "http://i.example is no https URL")]
    public void Mistakes_are_named(string argument, string expected) =>
        Assert.Contains(expected, Assert.Throws<ConfigurationException>(() => ClusterProxyOptions.Parse([.. Oidc, argument])).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("0.0.0.0:1")]
    [InlineData("10.0.0.1:1")]
    public void Tokens_never_travel_readable_beyond_loopback(string listen) => Assert.Throws<ConfigurationException>(
        () => ClusterProxyOptions.Parse(["--plain-http", "--listen", listen, "--authentication-config=f"]));
}
