using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Clusters;

/// <summary>
/// The server as a process, the admin's commands as processes, a real API server: what is registered logs in with nothing but its service-account
/// token, and stops when it is deleted.
/// </summary>
[Line("2.7")]
[Line("2.8")]
[Line("2.13")]
[Needs("kube")]
public sealed partial class RegisteredClusterTests(KubeCluster cluster) : IClassFixture<KubeCluster>, IAsyncLifetime
{
    private const string Resources =
        "kind: Workspace\nmetadata: {slug: acme}\n---\nkind: Collection\nmetadata: {workspace: acme, slug: infra}\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-e2e-").FullName;
    private readonly HttpClient _http = new();
    private ChildProcess _server = null!;
    private string _url = "";

    public async ValueTask InitializeAsync()
    {
        _server = LanyardProcess.Start(["server", "--listen", "127.0.0.1:0", "--data-dir", _folder]);
        _url = (await _server.WaitForErrorLineAsync("ready at ")).Split("ready at ")[1].Trim();
        (await LanyardAsync(Resources, "apply", "-f", "-")).Succeeded();
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_runner_of_a_registered_cluster_is_known_by_its_service_account_token_alone()
    {
        (await LanyardAsync(
            null, "cluster", "register", "--workspace", "acme", "--slug", "prod", "--kubeconfig", cluster.KubeconfigPath,
            "--namespace", "runners", "--create", "--yes", "--runner", "r1", "--collection", "infra")).Succeeded();

        await cluster.CreateServiceAccountAsync("runners", "other");
        Assert.Equal(HttpStatusCode.OK, await LogInAsync(await cluster.RequestTokenAsync("runners", "lanyard-runner", [_url], 600)));
        Assert.Equal(HttpStatusCode.Unauthorized, await LogInAsync(await cluster.RequestTokenAsync("runners", "lanyard-runner", ["https://elsewhere.example.com"], 600)));
        Assert.Equal(HttpStatusCode.Unauthorized, await LogInAsync(await cluster.RequestTokenAsync("runners", "other", [_url], 600)));
    }

    [Fact]
    public async Task A_request_from_register_sh_is_approved_by_its_code_and_then_its_runner_logs_in()
    {
        var wizard = (await Command.RunAsync(
            "bash", ["-c", "bash -c \"$(curl -fsSL \"$0/register.sh\")\" -- --namespace team --create --yes < /dev/null", _url],
            new Dictionary<string, string?> { ["KUBECONFIG"] = cluster.KubeconfigPath }, deadline: TimeSpan.FromMinutes(2))).Succeeded();
        var code = CodePattern().Match(wizard).Value;
        (await LanyardAsync(
            null, "cluster", "approve", code, "--workspace", "acme", "--slug", "team", "--yes", "--runner", "r2", "--collection", "infra")).Succeeded();

        var token = await cluster.RequestTokenAsync("team", "lanyard-runner", [_url], 600);
        Assert.Equal(HttpStatusCode.OK, await LogInAsync(token));
        Assert.Equal(3, (await LanyardAsync(null, "cluster", "approve", code, "--workspace", "acme", "--slug", "again", "--yes")).ExitCode);
        var audit = (await LanyardAsync(null, "audit")).Succeeded();
        Assert.Contains("cluster.approve", audit, StringComparison.Ordinal);
        Assert.DoesNotContain(token.Split('.')[2], audit, StringComparison.Ordinal);

        (await LanyardAsync(null, "delete", "runner", "r2", "--workspace", "acme")).Succeeded();
        (await LanyardAsync(null, "delete", "cluster", "team", "--workspace", "acme")).Succeeded();
        Assert.Equal(HttpStatusCode.Unauthorized, await LogInAsync(token));
    }

    private async Task<HttpStatusCode> LogInAsync(string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{_url}/v1/runner/session");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Content = JsonContent.Create(
            new SessionRequest(Guid.NewGuid().ToString("n"), "test", 1, [], ["process"], true), RunnerJson.Default.SessionRequest);
        using var response = await _http.SendAsync(request);
        return response.StatusCode;
    }

    private Task<CommandResult> LanyardAsync(string? input, params string[] arguments) =>
        LanyardProcess.RunAsync(arguments, new Dictionary<string, string?> { ["LANYARD_DATA_DIR"] = _folder }, input, TimeSpan.FromMinutes(1));

    [GeneratedRegex("[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}")]
    private static partial Regex CodePattern();
}
