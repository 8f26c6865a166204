using System.Text.Json.Nodes;
using Lanyard.EndToEnd.Tests.Docs;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>docs/kubernetes-proxy.md, walked on a real API server.</summary>
[Needs("kube")]
[Line("3.10")]
[Line("3.11")]
public sealed class NewcomerTests(ProxiedCluster proxied) : IClassFixture<ProxiedCluster>, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-newcomer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_page_takes_a_newcomer_from_nothing_to_kubectl_with_a_pipelines_token()
    {
        await using var issuer = await TestIssuer.StartAsync();
        await File.WriteAllTextAsync(
            Path.Combine(_folder, "token"), issuer.Mint("https://kubernetes.example", "repo:acme/app", static c => c["groups"] = new JsonArray("deployers")), TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(Path.Combine(_folder, "lanyard"), Repo.Lanyard);
        var walk = Walk.Read("docs/kubernetes-proxy.md", "## Five minutes");
        var script = walk.Script.Replace("https://issuer.example", issuer.Issuer, StringComparison.Ordinal).Replace("127.0.0.1:8443", $"127.0.0.1:{FreePort.Take()}", StringComparison.Ordinal);
        var environment = new Dictionary<string, string?> { ["PATH"] = $"{_folder}:{Environment.GetEnvironmentVariable("PATH")}", ["KUBECONFIG"] = proxied.Cluster.KubeconfigPath };

        var said = await Walk.TypeAsync(script, _folder, environment);

        var missing = walk.Missing(said);
        Assert.True(missing.Count == 0, $"not printed: {string.Join(" | ", missing)}\n{said}");
    }
}
