using System.Diagnostics;
using System.Text.Json.Nodes;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Logins;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests.Brokers;

/// <summary>A pipeline with a token, and doubles of the clouds that it logs in to.</summary>
public abstract class BrokerTestBase : IAsyncLifetime
{
    private protected const string Subject = "repo:acme/app";
    private protected const string Registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    private protected readonly string _folder = Directory.CreateDirectory($"/dev/shm/lanyard-broker-{Guid.NewGuid():N}").FullName;
    private protected readonly Dictionary<string, string> _environment = [];
    private protected TestIssuer _issuer = null!;
    private protected AwsDouble _aws = null!;
    private protected LoginDouble _login = null!;
    private protected string _said = "";
    private protected string _diagnosis = "";

    public async ValueTask InitializeAsync()
    {
        _issuer = await TestIssuer.StartAsync();
        _aws = await AwsDouble.StartAsync(_issuer, Subject);
        _login = await LoginDouble.StartAsync(_issuer, Subject);
        _environment["XDG_RUNTIME_DIR"] = _folder;
        _environment["AWS_ENDPOINT_URL"] = _aws.Url;
        _environment["AWS_ROLE_ARN"] = AwsDouble.Role;
        _environment["AWS_REGION"] = AwsDouble.Region;
        _environment["AZURE_AUTHORITY_HOST"] = _login.Url;
        _environment["VAULT_ADDR"] = _login.Url;
    }

    public async ValueTask DisposeAsync()
    {
        await _login.DisposeAsync();
        await _aws.DisposeAsync();
        await _issuer.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Whom the EKS API server sees in the token that was printed.</summary>
    private protected async Task<string> CallerAsync()
    {
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator };
        using var http = new HttpClient(handler);
        http.DefaultRequestHeaders.Authorization = new("Bearer", JsonNode.Parse(_said)!["status"]!["token"]!.GetValue<string>());
        var answer = JsonNode.Parse(await (await http.GetAsync(new Uri(_aws.KubernetesUrl), TestContext.Current.CancellationToken)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        return answer["caller"]?.GetValue<string>() ?? answer.ToJsonString();
    }

    private protected static string Sorted(string token) => string.Join('&', token.Split('?')[1].Split('&').Order(StringComparer.Ordinal).Prepend(token.Split('?')[0]));

    private protected static async Task OwnAsync(string user, string path)
    {
        using var chown = Process.Start("chown", [user, path]);
        await chown.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, chown.ExitCode);
    }

    private protected void Be(string audience, int seconds = 300) => _environment["BITBUCKET_STEP_OIDC_TOKEN"] =
        _issuer.Mint(audience, Subject, claims => claims["exp"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + seconds);

    private protected Task<int> RunAsync(params string[] args) => args[0] is "aws" or "gcp" or "azure" or "vault" or "rds" or "eks" ? RunWithAsync("", args) : RunWithAsync(args[0], args[1..]);

    private protected async Task<int> RunWithAsync(string input, string[] args)
    {
        var (output, diagnosis) = (new StringWriter(), new StringWriter());
        using var reader = new StringReader(input);
        var code = await CredentialsProgram.RunAsync(["credential", .. args], name => _environment.GetValueOrDefault(name), output, diagnosis, reader);
        (_said, _diagnosis) = (output.ToString(), diagnosis.ToString());
        return code;
    }
}
