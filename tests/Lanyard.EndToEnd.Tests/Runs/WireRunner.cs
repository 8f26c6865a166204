using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A runner that is nothing but its calls, so that a test holds an attempt's runtime token, which real runners keep to themselves.</summary>
internal sealed class WireRunner(HttpClient client) : IDisposable
{
    private const string Subject = "system:serviceaccount:lanyard:runner";
    private string _session = "";

    /// <summary>Registers the issuer as a cluster by the trial of a fresh token, for the runner <c>k8s</c>, which is still to be applied.</summary>
    /// <param name="url">The instance's.</param>
    public static async Task RegisterAsync(HttpClient admin, string url, TestIssuer cluster)
    {
        var write = new JsonObject
        {
            ["spec"] = new JsonObject
            {
                ["issuer"] = cluster.Issuer,
                ["keys"] = new JsonObject { ["jwks"] = JsonNode.Parse(cluster.Jwks) },
                ["runner"] = new JsonObject { ["namespace"] = "lanyard", ["serviceAccount"] = "runner" },
            },
            ["token"] = cluster.Mint(url, Subject),
        };
        using var content = JsonContent.Create(write);
        using var response = await admin.PutAsync(new Uri("/v1/workspaces/acme/clusters/build", UriKind.Relative), content);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
    }

    public static string Bearer(TestIssuer cluster, string url) => cluster.Mint(url, Subject);

    /// <summary>The runner's document, once its cluster is registered.</summary>
    public static string Document(string collection) => Lanyard.Testing.Installations.Documents.ClusterRunner("acme", "k8s", "build", Subject, collection);

    /// <summary>Opens a session, waits for the run, accepts and starts it.</summary>
    /// <returns>The attempt's runtime token.</returns>
    public async Task<string> AcceptAsync(string run)
    {
        var open = """{"nonce":"0123456789abcdef","version":"1","concurrency":1,"labels":[],"executors":["process"],"sandboxed":true}""";
        _session = (await CallAsync("session", JsonNode.Parse(open)!.AsObject()))["session"]!.GetValue<string>();
        var offer = (await CallAsync("poll", Body(("free", 1), ("waitSeconds", 30), ("holds", new JsonArray()))))["offers"]![0]!;
        Assert.Equal(run, offer["run"]!.GetValue<string>());
        var token = (await CallAsync($"attempts/{run}/1/accept", Body()))["runtimeToken"]!.GetValue<string>();
        await CallAsync($"attempts/{run}/1/start", Body());
        return token;
    }

    public async Task LogAsync(string run, long offset, string text)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(text)) { Headers = { ContentType = new("application/octet-stream") } };
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/runner/attempts/{run}/1/log?offset={offset}") { Content = content, Headers = { { "Lanyard-Session", _session } } };
        using var response = await client.SendAsync(request);
        response.EnsureSuccessStatusCode();
    }

    public Task EndAsync(string run, string log = "")
    {
        var bytes = Encoding.UTF8.GetBytes(log);
        return CallAsync($"attempts/{run}/1/end", Body(("outcome", "succeeded"), ("logBytes", bytes.Length), ("logSha256", Convert.ToHexStringLower(SHA256.HashData(bytes)))));
    }

    public void Dispose() => client.Dispose();

    private JsonObject Body(params (string Name, JsonNode Value)[] more)
    {
        var body = new JsonObject { ["session"] = _session };
        foreach (var (name, value) in more) body[name] = value;
        return body;
    }

    private async Task<JsonNode> CallAsync(string path, JsonObject body)
    {
        using var content = JsonContent.Create(body);
        using var response = await client.PostAsync(new Uri("/v1/runner/" + path, UriKind.Relative), content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {text}");
        return JsonNode.Parse(text)!;
    }
}
