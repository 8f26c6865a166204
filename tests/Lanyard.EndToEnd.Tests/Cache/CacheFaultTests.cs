using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>A disk that is full, two replicas, a client of another make, and the CLI, all real.</summary>
public sealed class CacheFaultTests
{
    [Fact]
    [Line("4.4")]
    public async Task A_full_disk_refuses_the_upload_leaves_nothing_of_it_and_takes_the_next_that_fits()
    {
        var folder = $"/var/tmp/lanyard-full-{Guid.NewGuid():N}";
        var data = Path.Combine(folder, "data");
        Directory.CreateDirectory(Path.Combine(data, "cache"));
        var port = FreePort.Take();
        try
        {
            await using var server = ChildProcess.Start(
                "unshare", ["--mount", "sh", "-c", $"mount -t tmpfs -o size=8m tmpfs {data}/cache && exec {Repo.Lanyard} server --data-dir {data} --listen 127.0.0.1:{port}"]);
            await server.WaitForErrorLineAsync("ready at", TimeSpan.FromSeconds(90));
            var url = $"http://127.0.0.1:{port}";
            var client = await Replica.ConnectAsync(url, data);
            var token = await client.MachineAsync("demo/app");

            Assert.Equal(HttpStatusCode.InsufficientStorage, await client.PutAsync((await client.ReserveAsync(token, "large")).Url, new byte[12 << 20]));
            Assert.True(await client.SaveAsync(token, "small", RandomNumberGenerator.GetBytes(6 << 20)));
            Assert.Equal(HttpStatusCode.InsufficientStorage, await client.PutAsync((await client.ReserveAsync(token, "large")).Url, new byte[4 << 20]));
            Assert.Equal("small", await client.FindAsync(token, "small"));
            Assert.Null(await client.FindAsync(token, "large"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    [Needs("postgres")]
    [Line("4.3")]
    [Line("4.4")]
    [Line("4.5")]
    public async Task Two_replicas_are_one_cache_a_key_has_one_owner_and_blocks_may_go_to_either()
    {
        var database = await (await PostgresServer.SharedAsync())!.CreateDatabaseAsync();
        var folder = Directory.CreateDirectory($"/var/tmp/lanyard-pair-{Guid.NewGuid():N}").FullName;
        var data = Path.Combine(folder, "data");
        string[] urls = [$"http://127.0.0.1:{FreePort.Take()}", $"http://127.0.0.1:{FreePort.Take()}"];
        var servers = new List<ChildProcess>();
        try
        {
            foreach (var url in urls)
            {
                servers.Add(LanyardProcess.Start(["server", "--data-dir", data, "--database", database, "--listen", new Uri(url).Authority, "--public-url", urls[0]]));
                await servers[^1].WaitForErrorLineAsync("ready at", TimeSpan.FromSeconds(90));
            }

            var first = await Replica.ConnectAsync(urls[0], data);
            var second = first with { Url = urls[1] };
            var machines = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => first.MachineAsync("demo/app")));
            var raced = await Task.WhenAll(machines.Select((token, i) => (i % 2 == 0 ? first : second).ReserveAsync(token, "race")));
            var winner = Assert.Single(machines.Zip(raced), static pair => pair.Second.Status == HttpStatusCode.OK).First;

            // Blocks to one and the other, the list to one, the end to the other; either restores.
            var (one, two) = ((await first.ReserveAsync(winner, "race")).Url, (await second.ReserveAsync(winner, "race")).Url);
            Assert.Equal(HttpStatusCode.Created, await first.PutAsync($"{one}&comp=block&blockid={CacheInstallation.BlockId("1")}", [1, 2]));
            Assert.Equal(HttpStatusCode.Created, await first.PutAsync($"{two}&comp=block&blockid={CacheInstallation.BlockId("2")}", [3]));
            Assert.Equal(HttpStatusCode.Created, await first.PutAsync(
                $"{two}&comp=blocklist", Encoding.ASCII.GetBytes($"<BlockList><Latest>{CacheInstallation.BlockId("1")}</Latest><Latest>{CacheInstallation.BlockId("2")}</Latest></BlockList>")));
            Assert.True((await first.FinaliseAsync(winner, "race", 3)).Json.GetProperty("ok").GetBoolean());
            foreach (var replica in (Replica[])[first, second])
            {
                Assert.Equal("race", await replica.FindAsync(machines[0], "race"));
                Assert.Equal([1, 2, 3], await replica.GetAsync((await replica.LookUpAsync(machines[0], "race")).Url));
            }

            // What one gives out, the other may be asked for; what one takes away, the other does not find.
            var given = (await first.LookUpAsync(machines[0], "race")).Url.Replace(urls[0], urls[1], StringComparison.Ordinal);
            Assert.Equal([1, 2, 3], await second.GetAsync(given));
            Assert.True(await first.SaveAsync(machines[1], "taken", [4]));
            Assert.Equal("taken", await second.FindAsync(machines[0], "taken"));
            await first.DeleteAsync(key: "taken");
            Assert.Null(await second.FindAsync(machines[0], "taken"));
            servers[0].Kill();
            Assert.Equal("race", await second.FindAsync(machines[0], "race"));
        }
        finally
        {
            foreach (var server in servers) await server.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    [Needs("npm")]
    [Line("4.3")]
    public async Task Wireit_restores_over_TLS_what_it_has_saved_and_does_not_build_again()
    {
        await using var installation = await Installation.StartAsync(address: IPAddress.Loopback);
        await installation.ApplyAsync(Documents.Workspace("acme"));
        var made = await installation.LanyardAsync("machine", "create", "-w", "acme", "--repository", "demo/app", "--ref", "refs/heads/main");
        var (node, modules) = await NodeScript.LocateAsync();
        var folder = Directory.CreateTempSubdirectory("lanyard-wireit-");
        Directory.CreateSymbolicLink(Path.Combine(folder.FullName, "node_modules"), modules);
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "package.json"),
            """{"name":"x","version":"1.0.0","scripts":{"build":"wireit"},"wireit":{"build":{"command":"date +%N > out && echo built >> log","files":["in"],"output":["out"]}}}""");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "package-lock.json"), """{"name":"x","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"x","version":"1.0.0"}}}""");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "in"), "1");
        try
        {
            var first = await BuildAsync();
            File.Delete(Path.Combine(folder.FullName, "out"));
            Directory.Delete(Path.Combine(folder.FullName, ".wireit"), recursive: true);
            var second = await BuildAsync();

            Assert.Equal(first, second);
            Assert.Single(await File.ReadAllLinesAsync(Path.Combine(folder.FullName, "log")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        async Task<string> BuildAsync()
        {
            var environment = new Dictionary<string, string?>
            {
                ["WIREIT_CACHE"] = "github", ["ACTIONS_RESULTS_URL"] = installation.Url + "/", ["ACTIONS_CACHE_URL"] = installation.Url + "/runtime/cache/",
                ["ACTIONS_RUNTIME_TOKEN"] = made.Succeeded().Trim(), ["NODE_EXTRA_CA_CERTS"] = installation.CertificateFile, ["RUNNER_TEMP"] = folder.FullName,
                ["PATH"] = $"{Path.GetDirectoryName(node)}:{Environment.GetEnvironmentVariable("PATH")}", ["npm_package_json"] = Path.Combine(folder.FullName, "package.json"),
            };
            var result = await Command.RunAsync("sh", ["-c", $"cd {folder.FullName} && npm run build"], environment, deadline: TimeSpan.FromMinutes(2));
            Assert.True(result.ExitCode == 0, $"{result.Output}\n{result.Errors}");
            return await File.ReadAllTextAsync(Path.Combine(folder.FullName, "out"));
        }
    }

    [Fact]
    [Line("4.7")]
    [Line("4.8")]
    public async Task The_CLI_lists_shows_counts_quarantines_releases_and_deletes_entries()
    {
        await using var installation = await Installation.StartAsync();
        await installation.ApplyAsync(Documents.Workspace("acme"));
        var client = await Replica.ConnectAsync(installation.Url, installation.DataFolder);
        var token = await client.MachineAsync("demo/app");
        await client.SaveAsync(token, "linux-1", new byte[1000]);
        await client.SaveAsync(token, "mac-1", new byte[500]);

        var listed = (await installation.LanyardJsonAsync("cache", "ls", "-w", "acme", "--key", "linux-")).AsArray();
        var id = Assert.Single(listed)!["id"]!.GetValue<string>();
        var shown = await installation.LanyardJsonAsync("cache", "show", "-w", "acme", id);
        Assert.Equal(("linux-1", 64), (shown["key"]!.GetValue<string>(), shown["digest"]!.GetValue<string>().Length));
        var producer = shown["producer"]!["subject"]!.GetValue<string>();
        var usage = await installation.LanyardJsonAsync("cache", "usage", "-w", "acme", "--by", "key");
        Assert.Equal((2, 1500, "linux-1"), (usage["entries"]!.GetValue<int>(), usage["bytes"]!.GetValue<int>(), usage["rows"]![0]!["name"]!.GetValue<string>()));

        (await installation.LanyardAsync("cache", "quarantine", "-w", "acme", "--subject", producer, "--reason", "incident 7")).Succeeded();
        Assert.Null(await client.FindAsync(token, "linux-1"));
        Assert.Equal("incident 7", (await installation.LanyardJsonAsync("cache", "show", "-w", "acme", id))["reason"]!.GetValue<string>());
        (await installation.LanyardAsync("cache", "release", "-w", "acme", "--subject", producer)).Succeeded();
        Assert.Equal("linux-1", await client.FindAsync(token, "linux-1"));

        (await installation.LanyardAsync("cache", "rm", "-w", "acme", id)).Succeeded();
        Assert.Null(await client.FindAsync(token, "linux-1"));
        Assert.Equal("mac-1", await client.FindAsync(token, "mac-1"));
        Assert.NotEqual(0, (await installation.LanyardAsync("cache", "show", "-w", "acme", id)).ExitCode);
        Assert.NotEqual(0, (await installation.LanyardAsync("cache", "rm", "-w", "acme", "4711")).ExitCode);
    }
}
