using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>STS is of a public authority, the instance of one of its own: a runner that is told of the one still speaks with the other.</summary>
[Line("5.3")]
[Needs("bwrap")]
public sealed class StsAuthorityTests : IAsyncLifetime
{
    private Installation _installation = null!;
    private AwsDouble _sts = null!;

    public async ValueTask InitializeAsync()
    {
        _installation = await Installation.StartAsync();
        _sts = await AwsDouble.StartWithTlsAsync(_installation.IssuerOf("acme"), "sts.amazonaws.com");
    }

    public async ValueTask DisposeAsync()
    {
        await _sts.DisposeAsync();
        await _installation.DisposeAsync();
    }

    /// <summary>What the system trusts is what SSL_CERT_FILE says, for a process of .NET as for others.</summary>
    [Theory]
    [InlineData(true, false, true)]
    [InlineData(false, true, true)]
    [InlineData(false, false, false)]
    public async Task The_runner_has_keys_of_an_STS_that_the_system_or_its_own_file_vouches_for(bool bySystem, bool byFile, bool hasKeys)
    {
        await using var mailbox = new StepMailbox();
        var role = _sts.AddRole("apply", static _ => true);
        var ask = "curl -s -H \"Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN\" \"$AWS_CONTAINER_CREDENTIALS_FULL_URI\" > keys || :; ";
        await _installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"),
            Documents.Definition("acme", "prod", "deploy", ask + mailbox.Say("\"$(cat keys)\""), $"cloud: {{aws: {{roleArn: '{role}', credentials: endpoint, region: eu-central-1, stsEndpoint: '{_sts.Url}'}}}}"));
        await using var runner = await StartRunnerAsync(bySystem, byFile);

        (await _installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();
        var message = await mailbox.ReceiveAsync(TimeSpan.FromSeconds(120));
        await message.AnswerAsync();

        var said = JsonNode.Parse(message.Text)!;
        Assert.True(hasKeys == (said["SecretAccessKey"] is not null), message.Text);
        Assert.Equal(_sts.Secrets.FirstOrDefault(), said["SecretAccessKey"]?.GetValue<string>());
    }

    private async Task<ChildProcess> StartRunnerAsync(bool bySystem, bool byFile)
    {
        using var own = TestCertificates.Create("own authority");
        var ownFile = _installation.WriteFile(own.ExportCertificatePem() + (byFile ? "\n" + _sts.CertificatePem : ""));
        var runner = LanyardProcess.Start(
            ["runner", "--server", _installation.Url, "--ca-file", ownFile, "--name", "host", "--key-file", _installation.KeyFile("host"), "--work-dir", Path.Combine(_installation.Folder, "work")],
            new Dictionary<string, string?> { ["SSL_CERT_FILE"] = _installation.WriteFile(bySystem ? _sts.CertificatePem : own.ExportCertificatePem()) });
        var words = await runner.WaitForErrorLineAsync("lanyard runner approve ", TimeSpan.FromSeconds(60));
        var fingerprint = words[(words.IndexOf("approve ", StringComparison.Ordinal) + "approve ".Length)..].Split(' ')[0];
        (await _installation.LanyardAsync("runner", "approve", fingerprint, "--collection", "acme/prod")).Succeeded();
        return runner;
    }
}
