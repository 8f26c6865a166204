using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>What a chart and an overlay make of <c>deploy/</c>: each object as one line, members in order, without what kustomize adds to names of generated ConfigMaps.</summary>
internal static partial class Rendered
{
    /// <summary>Helm's own program is not needed: its templates are Go's, with sprig.</summary>
    public static async Task<List<string>> HelmAsync(string chart, params string[] values)
    {
        var said = await Command.RunAsync(Repo.At("eng", "helm-render", "run"), [Repo.At("deploy", "helm", chart), "lanyard", .. values], deadline: TimeSpan.FromMinutes(5));
        return [.. JsonNode.Parse(said.Succeeded())!.AsArray().Select(o => Plain(o!))];
    }

    public static async Task<List<string>> KustomizeAsync(KubeCluster cluster, string kubectl, string folder)
    {
        var yaml = (await Command.RunAsync(kubectl, ["kustomize", folder], deadline: TimeSpan.FromMinutes(1))).Succeeded();
        var objects = new List<string>();
        foreach (var document in yaml.Split("\n---\n"))
        {
            if (document.Contains("kind: TLSRoute", StringComparison.Ordinal))
            {
                // Nobody here serves its type, so that kubectl can't read it; its own text is compared.
                objects.Add("TLSRoute " + document.Contains("cluster-proxy", StringComparison.Ordinal));
                continue;
            }

            var json = (await Command.RunAsync("kubectl", ["--kubeconfig", cluster.KubeconfigPath, "create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-"], input: document)).Succeeded();
            objects.Add(Plain(JsonNode.Parse(json)!));
        }

        return objects;
    }

    private static string Plain(JsonNode o)
    {
        var kind = o["kind"]!.GetValue<string>();
        if (kind == "TLSRoute")
        {
            return "TLSRoute True";
        }

        if (kind == "ConfigMap" && o["data"]!.AsObject().Any(static d => d.Key.Contains('.', StringComparison.Ordinal)))
        {
            // The text of a file and the same values written by a program differ in form; that it is read is another test's.
            return "ConfigMap " + string.Join(',', o["data"]!.AsObject().Select(d => d.Key));
        }

        return $"{kind} {GeneratedName().Replace(Sorted(o)!.ToJsonString(), "\"$1\"")}";
    }

    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.Where(m => m.Key is not ("creationTimestamp" or "status") && !IsTrigger(m)).OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, Sorted(m.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => node?.DeepClone(),
    };

    /// <summary>A new pod for a changed ConfigMap: kustomize gives the map another name for that, a chart writes its sum into the pod.</summary>
    private static bool IsTrigger(KeyValuePair<string, JsonNode?> member) =>
        member is { Key: "annotations", Value: JsonObject all } && all.All(static one => one.Key.StartsWith("checksum/", StringComparison.Ordinal));

    [GeneratedRegex("\"(cluster-proxy|lanyard-runner)-[a-z0-9]{10}\"")]
    private static partial Regex GeneratedName();
}
