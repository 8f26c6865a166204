using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Lanyard.Testing.Processes;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>The clouds' own clients, unchanged, in a job of GitHub's that has nothing but <c>lanyard</c>: each starts its helper by the hook that it has for that.</summary>
[Line("6.6")]
public sealed class CredentialHelperTests : IAsyncLifetime
{
    private const string Subject = "repo:acme/app";

    private const string Google = """
        import { ExternalAccountClient } from 'google-auth-library';
        import { readFileSync } from 'node:fs';
        const client = ExternalAccountClient.fromJSON(JSON.parse(readFileSync(process.env.GOOGLE_APPLICATION_CREDENTIALS, 'utf8')));
        client.scopes = ['https://www.googleapis.com/auth/cloud-platform'];
        console.log(await client.getAccessToken().then(t => t.token, e => `refused ${e.message}`));
        """;

    private const string Azure = """
        import { ClientAssertionCredential } from '@azure/identity';
        import { execFileSync } from 'node:child_process';
        const ask = () => execFileSync(process.env.LANYARD, ['token', '--audience', 'api://AzureADTokenExchange'], { encoding: 'utf8' }).trim();
        const credential = new ClientAssertionCredential(process.env.AZURE_TENANT_ID, process.env.AZURE_CLIENT_ID, async () => ask(),
          { authorityHost: process.env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true });
        console.log(await credential.getToken('https://management.azure.com/.default').then(t => t.token, e => `refused ${e.message}`));
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-helpers-").FullName;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync()
    {
        _issuer = await TestIssuer.StartAsync();
        _issuer.Rotate(SignatureAlgorithm.RS256);
        _issuer.OnRequest = async context =>
        {
            if (context.Request.Path != "/job") return false;
            await context.Response.WriteAsync($$"""{"value":"{{_issuer.Mint(context.Request.Query["audience"]!, Subject)}}"}""");
            return true;
        };
    }

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    [Needs("npm")]
    public async Task Google_auth_library_starts_the_helper_as_its_executable_source()
    {
        await using var google = await GoogleDouble.StartAsync(_issuer.Issuer);
        var account = google.AddServiceAccount("deployer", static subject => subject == Subject);

        var said = (await NodeScript.RunAsync(Google, environment: WithGoogle(google, account), deadline: TimeSpan.FromSeconds(120))).Succeeded().Trim();

        Assert.True(said == "ya29." + account, $"{said}; {string.Join(", ", google.Refused)}");
        Assert.Equal([Subject], google.Admitted);
        var stranger = google.AddServiceAccount("stranger", static subject => subject == "repo:acme/other");
        Assert.StartsWith("refused", (await NodeScript.RunAsync(Google, environment: WithGoogle(google, stranger), deadline: TimeSpan.FromSeconds(120))).Succeeded(), StringComparison.Ordinal);
    }

    [Fact]
    [Needs("gcloud")]
    public async Task Gcloud_logs_in_with_the_helper_as_its_executable_source()
    {
        await using var google = await GoogleDouble.StartAsync(_issuer.Issuer);
        var account = google.AddServiceAccount("deployer", static subject => subject == Subject);
        var environment = WithGoogle(google, account);
        environment["CLOUDSDK_CONFIG"] = _folder;
        environment["CLOUDSDK_CORE_DISABLE_PROMPTS"] = "1";
        var file = environment["GOOGLE_APPLICATION_CREDENTIALS"]!;

        (await Command.RunAsync("gcloud", ["auth", "login", "--cred-file", file, "--quiet"], environment, deadline: TimeSpan.FromSeconds(180))).Succeeded();
        var said = (await Command.RunAsync("gcloud", ["auth", "print-access-token"], environment, deadline: TimeSpan.FromSeconds(180))).Succeeded().Trim();

        Assert.True(said == "ya29." + account, $"{said}; {string.Join(", ", google.Refused)}");
        Assert.All(google.Admitted, static subject => Assert.Equal(Subject, subject));
    }

    [Fact]
    [Needs("npm")]
    public async Task Azure_identity_takes_the_helpers_token_as_its_assertion()
    {
        await using var entra = await EntraDouble.StartAsync(_issuer.Issuer);
        var environment = Job();
        environment["LANYARD"] = Repo.Lanyard;
        environment["AZURE_TENANT_ID"] = EntraDouble.Tenant;
        environment["AZURE_CLIENT_ID"] = EntraDouble.Client;
        environment["AZURE_AUTHORITY_HOST"] = entra.Url;
        var authority = environment["NODE_EXTRA_CA_CERTS"] = Path.Combine(_folder, "authority.pem");
        await File.WriteAllTextAsync(authority, entra.CertificatePem, TestContext.Current.CancellationToken);

        var refused = (await NodeScript.RunAsync(Azure, environment: environment, deadline: TimeSpan.FromSeconds(120))).Succeeded();
        entra.Subjects.Add(Subject);
        var said = (await NodeScript.RunAsync(Azure, environment: environment, deadline: TimeSpan.FromSeconds(120))).Succeeded();

        Assert.Contains("AADSTS700213", refused, StringComparison.Ordinal);
        Assert.True(said.StartsWith("entra-", StringComparison.Ordinal), said);
        Assert.Equal([Subject], entra.Admitted);
    }

    /// <summary>What GitHub gives a job with <c>id-token: write</c>.</summary>
    private Dictionary<string, string?> Job() => new()
    {
        ["XDG_RUNTIME_DIR"] = _folder,
        ["ACTIONS_ID_TOKEN_REQUEST_URL"] = _issuer.Issuer + "/job?api-version=2.0",
        ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "job",
    };

    private Dictionary<string, string?> WithGoogle(GoogleDouble google, string account)
    {
        var file = Path.Combine(_folder, account + ".json");
        File.WriteAllText(file, new JsonObject
        {
            ["type"] = "external_account",
            ["audience"] = "//iam.googleapis.com/" + GoogleDouble.Provider,
            ["subject_token_type"] = "urn:ietf:params:oauth:token-type:jwt",
            ["token_url"] = google.StsUrl,
            ["service_account_impersonation_url"] = $"{google.Url}/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
            ["credential_source"] = new JsonObject { ["executable"] = new JsonObject { ["command"] = $"{Repo.Lanyard} credential gcp", ["timeout_millis"] = 60000 } },
        }.ToJsonString());
        var environment = Job();
        environment["GOOGLE_APPLICATION_CREDENTIALS"] = file;
        environment["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
        return environment;
    }
}
