using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Net;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A server with a certificate that no public authority has signed: CLI and runner believe it by <c>--ca-file</c>, and in no other way.</summary>
[Line("2.14")]
[Needs("bwrap")]
public sealed class CustomAuthorityTests : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateDirectory($"/var/tmp/lanyard-tls-{Guid.NewGuid():N}");
    private ChildProcess _server = null!;
    private string _url = "";

    private string CaFile => Path.Combine(_folder.FullName, "ca.crt");

    public async ValueTask InitializeAsync()
    {
        using var certificate = TestCertificates.Create();
        await File.WriteAllTextAsync(CaFile, certificate.ExportCertificatePem());
        _url = $"https://localhost:{FreePort.Take()}";
        await StartServerAsync(certificate);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task With_the_authoritys_file_the_CLI_and_a_runner_do_their_work()
    {
        await using var runner = await StartRunnerAsync();

        Assert.Contains("it has one", await RunAsync(), StringComparison.Ordinal);
    }

    /// <summary>First both authorities are in the file, then the server has a certificate of the new one, then the old one goes: the same process is there all the while.</summary>
    [Fact]
    [Line("5.1")]
    public async Task A_runner_that_lives_on_goes_with_an_authority_that_is_rotated()
    {
        await using var runner = await StartRunnerAsync();
        Assert.Contains("it has one", await RunAsync(), StringComparison.Ordinal);
        using var next = TestCertificates.Create("next authority");
        using var ofNext = TestCertificates.CreateIssuedBy(next);

        await File.AppendAllTextAsync(CaFile, "\n" + next.ExportCertificatePem(), TestContext.Current.CancellationToken);
        _server.Kill();
        await _server.DisposeAsync();
        await StartServerAsync(ofNext);
        Assert.Contains("it has one", await RunAsync(), StringComparison.Ordinal);
        await File.WriteAllTextAsync(CaFile, next.ExportCertificatePem(), TestContext.Current.CancellationToken);

        Assert.Contains("it has one", await RunAsync(), StringComparison.Ordinal);
        Assert.False(runner.HasExited, runner.Errors);
    }

    [Fact]
    public async Task Without_it_nothing_is_sent_and_the_exit_code_says_unreachable()
    {
        var refused = await CliAsync("get", "workspaces");

        Assert.Equal(4, refused.ExitCode);
        Assert.DoesNotContain("eyJ", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_authority_is_not_believed_and_a_file_without_a_certificate_is_a_usage_error()
    {
        var other = Path.Combine(_folder.FullName, "other.crt");
        using (var certificate = TestCertificates.Create()) await File.WriteAllTextAsync(other, certificate.ExportCertificatePem());
        var empty = Path.Combine(_folder.FullName, "empty.crt");
        await File.WriteAllTextAsync(empty, "no certificate\n");

        Assert.Equal(4, (await CliAsync("--ca-file", other, "get", "workspaces")).ExitCode);
        Assert.Equal(2, (await CliAsync("--ca-file", empty, "get", "workspaces")).ExitCode);
        Assert.Equal(2, (await CliAsync("--ca-file", empty + ".missing", "get", "workspaces")).ExitCode);
    }

    private async Task StartServerAsync(X509Certificate2 certificate)
    {
        var file = Path.Combine(_folder.FullName, "tls.crt");
        await File.WriteAllTextAsync(file, certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(file + ".key", ECDsaCertificateExtensions.GetECDsaPrivateKey(certificate)!.ExportPkcs8PrivateKeyPem());
        _server = LanyardProcess.Start(
        [
            "server", "--data-dir", Path.Combine(_folder.FullName, "data"), "--listen", $"127.0.0.1:{new Uri(_url).Port}", "--public-url", _url,
            "--tls-cert-file", file, "--tls-private-key-file", file + ".key",
        ]);
        await _server.WaitForErrorLineAsync("ready at", TimeSpan.FromSeconds(60));
    }

    private async Task<ChildProcess> StartRunnerAsync()
    {
        var documents = Path.Combine(_folder.FullName, "all.yaml");
        await File.WriteAllTextAsync(documents, """
            kind: Workspace
            metadata: {slug: acme}
            spec: {}
            ---
            kind: Collection
            metadata: {workspace: acme, slug: prod}
            spec: {}
            ---
            kind: Definition
            metadata: {workspace: acme, collection: prod, slug: hello}
            spec: {audiences: [{audience: 'https://sts.example'}], steps: [{name: main, script: 'lanyard token --audience https://sts.example > token; test -s token; echo it has one'}]}
            """);
        (await CliAsync("--ca-file", CaFile, "apply", "-f", documents)).Succeeded();
        var runner = LanyardProcess.Start(
            ["runner", "--server", _url, "--ca-file", CaFile, "--name", "host", "--key-file", Path.Combine(_folder.FullName, "host.pem"), "--work-dir", Path.Combine(_folder.FullName, "work")]);
        var words = await runner.WaitForErrorLineAsync("lanyard runner approve ", TimeSpan.FromSeconds(60));
        var fingerprint = words[(words.IndexOf("approve ", StringComparison.Ordinal) + 8)..].Split(' ')[0];
        (await CliAsync("--ca-file", CaFile, "runner", "approve", fingerprint, "--collection", "acme/prod")).Succeeded();
        return runner;
    }

    private async Task<string> RunAsync() => (await CliAsync("--ca-file", CaFile, "run", "hello", "-w", "acme", "-c", "prod", "--follow")).Succeeded();

    private Task<CommandResult> CliAsync(params string[] arguments) => LanyardProcess.RunAsync(
        ["--server", _url, .. arguments], new Dictionary<string, string?> { ["LANYARD_DATA_DIR"] = Path.Combine(_folder.FullName, "data") }, deadline: TimeSpan.FromSeconds(90));
}
