using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>docs/kubernetes-proxy.md, walked: its files are written, its commands are run, on a real API server.</summary>
[Needs("kube")]
[Line("3.10")]
[Line("3.11")]
public sealed partial class NewcomerTests(ProxiedCluster proxied) : IClassFixture<ProxiedCluster>, IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-newcomer-").FullName;
    private ChildProcess? _proxy;

    public async ValueTask DisposeAsync()
    {
        await (_proxy?.DisposeAsync() ?? ValueTask.CompletedTask);
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task The_page_takes_a_newcomer_from_nothing_to_kubectl_with_a_pipelines_token()
    {
        await using var issuer = await TestIssuer.StartAsync();
        await File.WriteAllTextAsync(At("token"), issuer.Mint("https://kubernetes.example", "repo:acme/app", static c => c["groups"] = new JsonArray("deployers")), TestContext.Current.CancellationToken);
        var page = (await File.ReadAllTextAsync(Repo.At("docs", "kubernetes-proxy.md"), TestContext.Current.CancellationToken)).Replace("https://issuer.example", issuer.Issuer, StringComparison.Ordinal);
        var said = "";
        var address = "";
        foreach (Match step in Steps().Matches(page))
        {
            var text = step.Groups["text"].Value.Replace("https://127.0.0.1:8443", address, StringComparison.Ordinal).Replace("127.0.0.1:8443", "127.0.0.1:0", StringComparison.Ordinal);
            switch (step.Groups["what"].Value)
            {
                case "run":
                    said += (await Command.RunAsync("bash", ["-euc", $"cd {_folder}\n{text}"], Environment(), deadline: TimeSpan.FromMinutes(2))).Succeeded();
                    break;
                case "background":
                    _proxy = ChildProcess.Start("bash", ["-euc", $"cd {_folder}\nexec {text}"], Environment());
                    var line = await _proxy.WaitForErrorLineAsync("ready on ");
                    address = line[(line.IndexOf("ready on ", StringComparison.Ordinal) + 9)..].Trim();
                    break;
                default:
                    await File.WriteAllTextAsync(At(step.Groups["name"].Value), text, TestContext.Current.CancellationToken);
                    break;
            }
        }

        Assert.Contains("configmap/hello created", said, StringComparison.Ordinal);
        Assert.Contains("configmap/hello created\nconfigmap/hello", said, StringComparison.Ordinal);
        Assert.Contains("user:   ci:repo:acme/app", said, StringComparison.Ordinal);
        Assert.Contains("group:  ci:deployers", said, StringComparison.Ordinal);
    }

    private string At(string name) => Path.Combine(_folder, name);

    private Dictionary<string, string?> Environment()
    {
        var bin = Directory.CreateDirectory(At("bin")).FullName;
        var program = Path.Combine(bin, "lanyard");
        if (!File.Exists(program))
        {
            File.WriteAllText(program, $"#!/bin/sh\nexec {Repo.Lanyard} \"$@\"\n");
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        return new(StringComparer.Ordinal) { ["PATH"] = $"{bin}:{System.Environment.GetEnvironmentVariable("PATH")}", ["KUBECONFIG"] = proxied.Cluster.KubeconfigPath };
    }

    [GeneratedRegex("<!-- (?<what>file|run|background)( (?<name>\\S+))? -->\n```\\w+\n(?<text>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Steps();
}
