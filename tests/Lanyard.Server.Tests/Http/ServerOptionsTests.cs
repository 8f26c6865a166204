using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Http;

/// <summary>The command line of <c>lanyard server</c>: what could expose a token, or make an issuer that nobody can compare, stops the start.</summary>
[Line("2.14")]
public sealed class ServerOptionsTests
{
    [Fact]
    public void Without_options_only_loopback_is_served()
    {
        var options = Accept();

        Assert.Equal("127.0.0.1:7700", options.Listen.ToString());
        Assert.Null(options.PublicUrl);
        Assert.Null(options.Database);
        Assert.Empty(options.TrustedProxies);
    }

    [Theory]
    [InlineData("0.0.0.0:7700")]
    [InlineData("[::]:7700")]
    [InlineData("10.1.2.3:443")]
    public void Without_TLS_no_other_address_is_served_unless_told(string address)
    {
        Assert.Contains("without TLS only loopback", Assert.Single(Refuse("--listen", address)), StringComparison.Ordinal);

        Assert.Equal(address, Accept("--listen", address, "--allow-plain-http").Listen.ToString());
        Assert.Equal(address, Accept("--listen", address, "--tls-cert-file", "c", "--tls-private-key-file", "k").Listen.ToString());
    }

    [Theory]
    [InlineData("https://lanyard.example/", "trailing slash")]
    [InlineData("https://lanyard.example?x=1", "no query")]
    [InlineData("https://lanyard.example#x", "no query")]
    [InlineData("https://user@lanyard.example", "no query, fragment or user")]
    [InlineData("http://lanyard.example", "plain http only on loopback")]
    [InlineData("ftp://lanyard.example", "not an http or https URL")]
    [InlineData("lanyard.example", "not an http or https URL")]
    public void A_public_URL_that_makes_no_issuer_is_refused(string url, string why) =>
        Assert.Contains(why, Assert.Single(Refuse("--public-url", url)), StringComparison.Ordinal);

    [Theory]
    [InlineData("https://lanyard.example")]
    [InlineData("https://lanyard.example:8443/base")]
    [InlineData("http://127.0.0.1:7700")]
    public void A_public_URL_is_taken_to_the_letter(string url) => Assert.Equal(url, Accept("--public-url", url).PublicUrl);

    [Fact]
    public void A_certificate_without_its_key_is_refused_and_so_is_a_key_alone()
    {
        Assert.Contains("go together", Assert.Single(Refuse("--tls-cert-file", "c")), StringComparison.Ordinal);
        Assert.Contains("go together", Assert.Single(Refuse("--tls-private-key-file", "k")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("10081")]
    [InlineData("6h")]
    public void A_read_of_the_cache_is_given_a_minute_to_a_week_and_six_hours_where_nothing_is_said(string minutes)
    {
        Assert.Single(Refuse("--cache-read-minutes", minutes));
        Assert.Equal(TimeSpan.FromMinutes(90), Accept("--cache-read-minutes", "90").CacheReadLife);
        Assert.Null(Accept().CacheReadLife);
    }

    [Theory]
    [InlineData("")]
    [InlineData("iss")]
    [InlineData("two claims")]
    public void What_is_no_claim_to_redact_is_refused_and_whose_token_it_was_stays(string claim)
    {
        Assert.Contains("one claim's name", Assert.Single(Refuse("--audit-redact", claim)), StringComparison.Ordinal);

        Assert.Equal(["sub", "team"], Accept("--audit-redact", "sub", "--audit-redact=team").AuditRedact);
        Assert.Contains("--audit-redact CLAIM", ServerOptions.Help(80), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_mistake_is_told_at_once()
    {
        var mistakes = Refuse("--listen", "nowhere", "--public-url=https://a/", "--trusted-proxy", "10.0.0.0/99", "--frobnicate", "--instance", "Not A Slug", "--data-dir");

        Assert.Equal(6, mistakes.Count);
        Assert.Contains(mistakes, static mistake => mistake.StartsWith("--frobnicate: no such option", StringComparison.Ordinal));
        Assert.Contains(mistakes, static mistake => mistake.StartsWith("--data-dir: needs a value", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_mistake_ends_the_program_with_exit_code_2_before_anything_is_made()
    {
        var folder = Path.Combine(Path.GetTempPath(), $"lanyard-{Guid.NewGuid():N}");

        Assert.Equal(2, await ServerProgram.RunAsync(["--data-dir", folder, "--public-url", "https://a/"]));

        Assert.False(Directory.Exists(folder));
    }

    private static ServerOptions Accept(params string[] arguments)
    {
        var (options, mistakes) = ServerOptions.Parse(arguments);
        Assert.Empty(mistakes);
        return options!;
    }

    private static IReadOnlyList<string> Refuse(params string[] arguments)
    {
        var (options, mistakes) = ServerOptions.Parse(arguments);
        Assert.Null(options);
        return mistakes;
    }
}
