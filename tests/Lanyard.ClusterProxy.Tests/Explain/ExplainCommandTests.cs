using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Explain;

[Line("3.7")]
public sealed class ExplainCommandTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-explain-").FullName;
    private readonly StringWriter _output = new();
    private readonly StringWriter _errors = new();
    private TestIssuer _issuer = null!;
    private string _file = null!;

    public async ValueTask InitializeAsync()
    {
        _issuer = await TestIssuer.StartAsync();
        _file = Path.Combine(_folder, "authentication.yaml");
        await File.WriteAllTextAsync(_file, $$"""
            apiVersion: apiserver.config.k8s.io/v1
            kind: AuthenticationConfiguration
            jwt:
            - issuer: {url: "{{_issuer.Issuer}}", audiences: [k8s]}
              claimMappings:
                username: {claim: sub, prefix: "ci:"}
              claimValidationRules: [{expression: "claims.env == 'prod'", message: production only}]
            """);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return _issuer.DisposeAsync();
    }

    [Fact]
    public async Task Every_step_and_the_user_are_shown_with_no_server()
    {
        var code = await RunAsync(_issuer.Mint("k8s", change: c => c["env"] = "prod"), "-", "--authentication-config", _file);

        Assert.Equal(0, code);
        Assert.Contains("ok  Signature", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("ok  Policy", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("user:   ci:subject", _output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("garbage", "NO  Shape")]
    [InlineData("audience", "NO  Audience")]
    [InlineData("rule", "NO  Condition")]
    [InlineData("issuer", "NO  Issuer")]
    [InlineData("expired", "NO  Time")]
    public async Task The_step_that_refuses_is_named(string fault, string expected)
    {
        var token = fault switch
        {
            "garbage" => "garbage",
            "audience" => _issuer.Mint("other"),
            "issuer" => _issuer.Mint("k8s", change: c => c["iss"] = "https://other.example"),
            "expired" => _issuer.Mint("k8s", change: c => (c["iat"], c["nbf"], c["exp"]) = (1_000_000, 1_000_000, 1_000_300)),
            _ => _issuer.Mint("k8s"),
        };

        Assert.Equal(1, await RunAsync(token, "-", "--authentication-config", _file));
        Assert.Contains(expected, _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("user:", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_comes_from_a_file_or_the_input_and_never_from_the_command_line()
    {
        var file = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(file, _issuer.Mint("k8s", change: c => c["env"] = "prod") + "\n");

        Assert.Equal(0, await RunAsync("", "--file", file, "--authentication-config", _file));
        Assert.Equal(2, await RunAsync("", "--authentication-config", _file));
        Assert.Equal(2, await RunAsync("", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), "--authentication-config", _file));
        Assert.Equal(2, await RunAsync("", "-", "--authentication-config", _file + "x"));
        Assert.Equal(2, await RunAsync("", "-", "--authentication-config", _file));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    public async Task Help_is_given_whatever_else_is_there_or_missing(string help)
    {
        Assert.Equal(0, await RunAsync("", "--authentication-config", help));
        foreach (var option in (string[])["--authentication-config", "--access-entries", "--file", "--oidc-issuer-url"])
        {
            Assert.Contains(option, _output.ToString(), StringComparison.Ordinal);
        }

        Assert.Empty(_errors.ToString()!);
    }

    private Task<int> RunAsync(string input, params string[] args) => ClusterProxyProgram.ExplainAsync(args, new StringReader(input), _output, _errors);
}
