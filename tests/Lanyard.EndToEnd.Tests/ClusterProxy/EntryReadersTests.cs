using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>Access entries are read twice, as JSON by the server that keeps them and as YAML by the proxy that decides by them: what one takes the other must take.</summary>
[Line("3.2")]
public sealed class EntryReadersTests
{
    [Fact]
    public async Task Server_and_proxy_refuse_the_same_documents()
    {
        const string good = """{"name":"a","issuer":"https://i.example","claims":{"sub":"x"},"username":"u:{sub}","groups":["g"],"extras":{"example.org/k":"v"}}""";
        (string Old, string New)[] changes =
        [
            ("", ""), ("\"a\"", "\"\""), ("\"a\"", "7"), ("{\"sub\":\"x\"}", "{}"), ("\"claims\":{\"sub\":\"x\"},", ""), ("\"x\"", "{\"globb\":\"x\"}"), ("u:{sub}", "u:{sub"), ("u:{sub}", ""),
            ("\"username\"", "\"user\""), ("example.org/k", "plain"), ("example.org/k", "Example.org/k"), ("example.org/k", "a.k8s.io/k"), ("[\"g\"]", "\"g\""), ("[\"g\"]", "[1]"), ("[\"g\"]", "[]"),
            ("\"v\"", "[\"v\",\"w\"]"), ("\"v\"", "true"), ("{\"example.org/k\":\"v\"}", "[]"), ("\"x\"", "[\"x\",\"y\"]"), ("\"x\"", "{\"contains\":\"x\"}"),
        ];
        await using var lanyard = await Installation.StartAsync();
        await lanyard.ApplyAsync(Documents.Workspace("acme"));
        using var admin = lanyard.CreateClient(await lanyard.AdminTokenAsync());
        foreach (var (old, @new) in changes)
        {
            var entry = old.Length == 0 ? good : good.Replace(old, @new, StringComparison.Ordinal);
            var document = $$$"""{"kind":"AccessEntries","spec":{"entries":[{{{entry}}}]}}""";
            var file = Path.Combine(lanyard.Folder, "entries.json");
            await File.WriteAllTextAsync(file, document, TestContext.Current.CancellationToken);
            var read = (await LanyardProcess.RunAsync(["access-entry", "list", "--access-entries", file])).ExitCode == 0;
            using var request = new HttpRequestMessage(HttpMethod.Put, new Uri($"{lanyard.Url}/v1/workspaces/acme/access-entries/{Guid.NewGuid():N}"[..^12]));
            request.Content = new StringContent($$$"""{"spec":{{{JsonNode.Parse(document)!["spec"]!.ToJsonString()}}}}""", null, "application/json");
            using var answer = await admin.SendAsync(request, TestContext.Current.CancellationToken);

            Assert.True(read == (answer.StatusCode == HttpStatusCode.Created), $"the proxy {(read ? "reads" : "refuses")}, the server says {(int)answer.StatusCode}: {entry}");
        }
    }
}
