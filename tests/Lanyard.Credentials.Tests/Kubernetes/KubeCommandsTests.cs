using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.Credentials.Tests.Kubernetes;

/// <summary>What the commands write and refuse, without a cluster; with real clusters see the end-to-end tests.</summary>
[Line("3.11")]
public sealed class KubeCommandsTests : IDisposable
{
    private const string Token = "eyJh.eyJleHAiOjE3MDAwMDAwMDB9.c2ln";
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-client-").FullName;
    private readonly StringWriter _output = new();
    private readonly StringWriter _diagnosis = new();
    private readonly Dictionary<string, string?> _environment = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("v1", "Never")]
    [InlineData("v1beta1", null)]
    public async Task A_kubeconfig_is_0600_holds_no_token_and_names_the_plugin_in_the_asked_version(string api, string? interactive)
    {
        _environment["BITBUCKET_STEP_OIDC_TOKEN"] = Token;
        var authority = Path.Combine(_folder, "ca.pem");
        using var certificate = TestCertificates.Create();
        await File.WriteAllTextAsync(authority, certificate.ExportCertificatePem());
        var file = Path.Combine(_folder, "sub", "kubeconfig");

        Assert.Equal(0, await RunAsync("kubeconfig", "--cluster", "x", "--server", "https://proxy.example:8443", "--certificate-authority", authority, "--exec-api", api, "--output", file));

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        var text = await File.ReadAllTextAsync(file);
        Assert.DoesNotContain(Token, text, StringComparison.Ordinal);
        using var written = JsonDocument.Parse(text);
        var exec = written.RootElement.GetProperty("users")[0].GetProperty("user").GetProperty("exec");
        Assert.Equal($"client.authentication.k8s.io/{api}", exec.GetProperty("apiVersion").GetString());
        Assert.Equal(interactive, exec.TryGetProperty("interactiveMode", out var mode) ? mode.GetString() : null);
        Assert.Contains("BITBUCKET_STEP_OIDC_TOKEN", exec.GetProperty("args").EnumerateArray().Select(static a => a.GetString()));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(file)!));
    }

    [Fact]
    public async Task An_entry_of_the_file_of_clusters_is_enough_and_an_option_wins_over_it()
    {
        _environment["LANYARD_ID_TOKEN"] = Token;
        _environment["LANYARD_CLUSTERS"] = Path.Combine(_folder, "clusters.json");
        await File.WriteAllTextAsync(_environment["LANYARD_CLUSTERS"]!, """{"prod": {"server": "https://proxy.example", "audience": "a"}}""");
        var file = Path.Combine(_folder, "kubeconfig");

        Assert.Equal(0, await RunAsync("kubeconfig", "--cluster", "prod", "--audience", "b", "--output", file));

        var text = await File.ReadAllTextAsync(file);
        Assert.Contains("\"https://proxy.example\"", text, StringComparison.Ordinal);
        Assert.Contains("\"b\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kubeconfig_that_exists_is_not_overwritten_unasked()
    {
        _environment["LANYARD_ID_TOKEN"] = Token;
        var file = _environment["KUBECONFIG"] = Path.Combine(_folder, "config");
        await File.WriteAllTextAsync(file!, "mine");

        Assert.Equal(ExitCodes.Usage, await RunAsync("kubeconfig", "--cluster", "x", "--server", "https://proxy.example"));
        Assert.Equal("mine", await File.ReadAllTextAsync(file!));
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v1beta1")]
    public async Task The_plugin_answers_in_the_version_that_kubectl_asks_for_and_says_when_the_token_ends(string version)
    {
        _environment["BITBUCKET_STEP_OIDC_TOKEN"] = Token;
        _environment["KUBERNETES_EXEC_INFO"] = $$"""{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/{{version}}","spec":{"interactive":false} }""";

        Assert.Equal(0, await RunAsync("credential", "kube", "--audience", "a"));

        using var printed = JsonDocument.Parse(_output.ToString());
        Assert.Equal($"client.authentication.k8s.io/{version}", printed.RootElement.GetProperty("apiVersion").GetString());
        Assert.Equal(Token, printed.RootElement.GetProperty("status").GetProperty("token").GetString());
        Assert.Equal("2023-11-14T22:13:20Z", printed.RootElement.GetProperty("status").GetProperty("expirationTimestamp").GetString());
    }

    [Theory]
    [InlineData("client.authentication.k8s.io/v1alpha1")]
    [InlineData("other/v1")]
    public async Task The_plugin_refuses_a_version_that_it_does_not_speak(string version)
    {
        _environment["BITBUCKET_STEP_OIDC_TOKEN"] = Token;
        _environment["KUBERNETES_EXEC_INFO"] = $$"""{"apiVersion":"{{version}}"}""";

        Assert.Equal(ExitCodes.Usage, await RunAsync("credential", "kube", "--audience", "a"));
        Assert.Empty(_output.ToString());
    }

    [Fact]
    public async Task All_mistakes_are_told_at_once_and_no_value_is_repeated()
    {
        Assert.Equal(ExitCodes.Usage, await RunAsync("kubectl", "--cluster", "x", "--server", "http://secret.example", "--nonsense", "--token-source", "jenkins", "--exec-api", "v2"));

        foreach (var name in (string[])["--server", "unknown option --nonsense", "--token-source", "--exec-api", "follow --"])
        {
            Assert.Contains(name, _diagnosis.ToString(), StringComparison.Ordinal);
        }

        Assert.DoesNotContain("secret.example", _diagnosis.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("jenkins", _diagnosis.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_options_value_is_no_second_mistake_and_what_may_be_a_token_is_told_by_its_number()
    {
        Assert.Equal(ExitCodes.Usage, await RunAsync("kubectl", "--clustr", "prod", "--" + Token, "--", "get", "pods"));

        var lines = _diagnosis.ToString().Split('\n').TakeWhile(static line => !line.StartsWith("usage", StringComparison.Ordinal)).ToArray();
        Assert.Contains("lanyard: unknown option --clustr", lines);
        Assert.Contains("lanyard: unknown argument number 3", lines);
        Assert.DoesNotContain("lanyard: unknown argument number 2", lines);
        Assert.DoesNotContain(Token, _diagnosis.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--role-arn", "arn:aws:iam::1:role/x")]
    [InlineData("--region", "eu-central-1.evil.example/")]
    [InlineData("--cluster", "../x")]
    public async Task Names_of_AWS_that_reach_beyond_their_place_are_refused_before_anything_is_sent(string option, string value)
    {
        _environment["BITBUCKET_STEP_OIDC_TOKEN"] = Token;
        Dictionary<string, string> options = new() { ["--cluster"] = "demo", ["--region"] = "eu-central-1", ["--role-arn"] = "arn:aws:iam::123456789012:role/x", [option] = value };

        Assert.Equal(ExitCodes.Usage, await RunAsync(["credential", "eks", .. options.SelectMany(static o => (string[])[o.Key, o.Value])]));
        Assert.Contains(option, _diagnosis.ToString(), StringComparison.Ordinal);
    }

    private Task<int> RunAsync(params string[] args) => CredentialsProgram.RunAsync(args, _environment.GetValueOrDefault, _output, _diagnosis);
}
