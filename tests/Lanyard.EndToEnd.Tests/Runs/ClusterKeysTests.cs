using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Kube;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>Two real clusters that call themselves the same, as private clusters do, and one that changes its key.</summary>
[Needs("kube")]
public sealed class ClusterKeysTests
{
    // What every cluster of kubeadm is called.
    private const string SharedIssuer = "https://kubernetes.default.svc";
    private const string Subject = "system:serviceaccount:lanyard:lanyard-runner";

    [Fact]
    [Line("2.3")]
    [Line("2.7")]
    public async Task Clusters_with_one_issuer_and_different_keys_stand_side_by_side_and_a_rotated_key_is_refused_until_it_is_registered()
    {
        await using var installation = await Installation.StartAsync();
        await using var first = NewCluster();
        await using var second = NewCluster();
        await Task.WhenAll(first.InitializeAsync().AsTask(), second.InitializeAsync().AsTask());
        await installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
        await RegisterAsync(installation, first, "first");
        await RegisterAsync(installation, second, "second");
        await installation.ApplyAsync(
            Documents.ClusterRunner("acme", "runner-1", "first", Subject, "prod"), Documents.ClusterRunner("acme", "runner-2", "second", Subject, "prod"));

        var ofFirst = await TokenAsync(installation, first);
        Assert.Equal("runner-1", await RunnerOfAsync(installation, ofFirst));
        Assert.Equal("runner-2", await RunnerOfAsync(installation, await TokenAsync(installation, second)));

        await first.RotateSigningKeyAsync();
        var ofNewKey = await TokenAsync(installation, first);
        Assert.Equal("The token's key is not known.", await RunnerOfAsync(installation, ofNewKey));
        Assert.Equal("runner-1", await RunnerOfAsync(installation, ofFirst));

        await RegisterAsync(installation, first, "first");
        Assert.Equal("runner-1", await RunnerOfAsync(installation, ofNewKey));
        Assert.Equal("runner-2", await RunnerOfAsync(installation, await TokenAsync(installation, second)));
    }

    private static KubeCluster NewCluster() => new() { ApiServerFlags = [$"--service-account-issuer={SharedIssuer}"] };

    private static Task<string> TokenAsync(Installation installation, KubeCluster cluster) =>
        cluster.RequestTokenAsync("lanyard", "lanyard-runner", [installation.Url]);

    private static async Task RegisterAsync(Installation installation, KubeCluster cluster, string slug)
    {
        var said = await installation.LanyardAsync(
            "cluster", "register", "--kubeconfig", cluster.KubeconfigPath, "--workspace", "acme", "--slug", slug, "--keys", "uploaded", "--create", "--yes");
        said.Succeeded();
        Assert.Contains(SharedIssuer, said.Errors, StringComparison.Ordinal);
    }

    /// <returns>The runner that the token is known as, or the server's words of refusal.</returns>
    private static async Task<string> RunnerOfAsync(Installation installation, string token)
    {
        using var client = installation.CreateClient(token);
        var session = new JsonObject
        {
            ["nonce"] = Guid.NewGuid().ToString("N"),
            ["version"] = "1",
            ["concurrency"] = 1,
            ["labels"] = new JsonArray(),
            ["executors"] = new JsonArray("process"),
            ["sandboxed"] = true,
        };
        using var content = new StringContent(session.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri(installation.Url + "/v1/runner/session"), content);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(response.IsSuccessStatusCode ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, response.StatusCode);
        return (body["name"] ?? body["title"])!.GetValue<string>();
    }
}
