using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Platforms;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>
/// Runners whose login is what their platform says of them: the real server, the real runner, and doubles of the platforms' endpoints alone. A proxy that answers
/// nobody stands in their environment: tokens of a host never go through one.
/// </summary>
[Needs("bwrap")]
[Line("5.2")]
[Line("5.4")]
public sealed class PlatformRunnerTests : IAsyncLifetime
{
    private Installation _installation = null!;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => (_installation, _issuer) = (await Installation.StartAsync(), await TestIssuer.StartAsync());

    public async ValueTask DisposeAsync()
    {
        await _installation.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task A_host_of_AWS_takes_runs_by_its_role_alone()
    {
        await using var aws = await AwsHostDouble.StartAsync(_issuer);
        await TakesARunAsync(
            AwsHostDouble.Role, ["aws"], new() { ["AWS_ENDPOINT_URL_STS"] = aws.Url, ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = aws.Url }, aws);
    }

    [Fact]
    public async Task A_host_of_Google_takes_runs_by_its_service_account_alone()
    {
        await using var google = await GoogleMetadataDouble.StartAsync(_issuer);
        await TakesARunAsync(GoogleMetadataDouble.Subject, ["google-metadata"], new() { ["GCE_METADATA_HOST"] = new Uri(google.Url).Authority }, google);
    }

    [Fact]
    public async Task A_host_of_Azure_takes_runs_by_its_managed_identity_alone()
    {
        await using var azure = await AzureImdsDouble.StartAsync(_issuer);
        await TakesARunAsync(AzureImdsDouble.ObjectId, ["azure-imds", "api://lanyard"], new() { ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = azure.Url }, azure, "api://lanyard");
    }

    [Fact]
    public Task A_host_takes_runs_by_a_token_that_somebody_keeps_in_a_file() => TakesARunAsync(
        "spiffe://acme.example/builder", ["file", _installation.WriteFile(_issuer.Mint(_installation.Url, "spiffe://acme.example/builder"))], []);

    [Fact]
    public Task A_host_takes_runs_by_a_token_that_a_command_prints() => TakesARunAsync(
        "host-7", ["exec", $"test \"$LANYARD_AUDIENCE\" = {_installation.Url} && cat {_installation.WriteFile(_issuer.Mint(_installation.Url, "host-7"))}"], []);

    private async Task TakesARunAsync(string subject, string[] source, Dictionary<string, string?> environment, CloudDouble? platform = null, string? audience = null)
    {
        await _installation.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            Documents.TrustedIssuer("acme", "platform", _issuer) + (audience is null ? "" : $"\n  audiences: ['{audience}']"),
            Documents.TrustPolicy("acme", null, "builders", "platform", subject, "runner: builder"),
            Documents.Definition("acme", "prod", "whoami", "lanyard token --audience https://sts.example | cut -d. -f2 | tr '_-' '/+' | base64 -d 2>/dev/null || true", "audiences: [{audience: 'https://sts.example', subject: meshstack-runner}]"),
            """
            kind: Runner
            metadata: {workspace: acme, slug: builder}
            spec: {collections: [prod], identity: {policy: builders}}
            """);
        foreach (var name in (string[])["http_proxy", "HTTP_PROXY", "all_proxy"]) environment[name] = "http://127.0.0.1:9";
        environment["no_proxy"] = new Uri(_installation.Url).Host + ",localhost";
        var runner = LanyardProcess.Start(
            ["runner", "--server", _installation.Url, "--work-dir", Path.Combine(_installation.Folder, "work"), "--name", "acme/builder", "--token-source", .. source], environment);
        await using (runner)
        {
            var run = (await _installation.LanyardAsync("run", "whoami", "-w", "acme", "-c", "prod")).Succeeded();
            var view = await _installation.WaitForEndAsync("acme", "prod", run);
            Assert.True(view["state"]!.GetValue<string>() == "succeeded", view.ToJsonString() + runner.Errors);
            Assert.Equal("builder", view["attempts"]![0]!["runner"]!.GetValue<string>());

            // The run goes by the runner's own identity where its definition says so.
            var printed = (await _installation.LanyardAsync("logs", run, "-w", "acme", "-c", "prod")).Succeeded();
            Assert.Matches("\"sub\":\"system:serviceaccount:[a-z0-9-]+:builder\"", printed);
            Assert.DoesNotContain("eyJ", runner.Errors + _installation.Server.Errors, StringComparison.Ordinal);
        }

        if (platform is not null)
        {
            Assert.NotEmpty(platform.Admitted);
            Assert.Empty(platform.Refused);
        }
    }
}
