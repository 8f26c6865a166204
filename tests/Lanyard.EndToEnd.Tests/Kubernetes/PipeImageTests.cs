using System.Text.Json.Nodes;
using Lanyard.EndToEnd.Tests.ClusterProxy;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>
/// <c>deploy/pipe/Containerfile</c> without a container engine: its instructions are followed on the files of our own image, and its entry point is run on what comes of it, as
/// another uid on a root that can't be written.
/// </summary>
[Needs("bwrap")]
[Needs("kubectl-1.20")]
[Line("6.9")]
public sealed class PipeImageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-pipe-image-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_the_Containerfile_makes_runs_kubectl_by_its_entry_point()
    {
        var kubectl = (await KubectlOnPath.AllAsync())[^1];
        var root = Directory.CreateDirectory(Path.Combine(_folder, "root")).FullName;
        var layers = Directory.CreateDirectory(Path.Combine(_folder, "layers")).FullName;
        (await Command.RunAsync("tar", ["-xf", await LanyardImage.GetAsync(), "-C", layers], deadline: TimeSpan.FromMinutes(2))).Succeeded();
        (await Command.RunAsync("tar", ["-xf", Path.Combine(layers, "layer", "layer.tar"), "-C", root], deadline: TimeSpan.FromMinutes(2))).Succeeded();
        foreach (var mount in (string[])["proc", "dev"]) Directory.CreateDirectory(Path.Combine(root, mount)); // an engine makes them by itself
        string[] entry = [];
        var stages = new List<string>();
        foreach (var words in (await File.ReadAllLinesAsync(Repo.At("deploy", "pipe", "Containerfile"), TestContext.Current.CancellationToken))
            .Where(static line => line.Length > 0 && line[0] != '#').Select(static line => line.Split(' ', 2)))
        {
            switch (words)
            {
                case ["ARG", _]: break;
                case ["FROM", { } from]: stages.Add(from); break;
                case ["COPY", { } copy] when copy.Split(' ') is ["--from=kubectl", { } source, { } target]:
                    Assert.Equal("kubectl", Path.GetFileName(source));
                    File.Copy((await Command.RunAsync("readlink", ["-f", kubectl])).Succeeded().Trim(), root + target);
                    break;
                case ["ENTRYPOINT", { } json]: entry = [.. JsonNode.Parse(json)!.AsArray().Select(static word => word!.GetValue<string>())]; break;
                default: Assert.Fail($"an instruction that this test does not know: {string.Join(' ', words)}"); break;
            }
        }

        Assert.Equal(["${KUBECTL} AS kubectl", "${LANYARD}"], stages);
        var said = await Command.RunAsync(
            "bwrap",
            [
                "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all", "--uid", "65532", "--clearenv",
                "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "CLUSTER_NAME", "prod", "--setenv", "LANYARD_CLUSTER_SERVER", "https://proxy.example",
                "--setenv", "BITBUCKET_STEP_OIDC_TOKEN", "eyJh.eyJleHAiOjE3MDAwMDAwMDB9.c2ln", "--setenv", "KUBECTL_COMMAND", "version --client -o json", .. entry,
            ],
            deadline: TimeSpan.FromMinutes(2));

        Assert.Contains("clientVersion", said.Succeeded(), StringComparison.Ordinal);
    }
}
