using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Server;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

[Line("2.8")]
public sealed class RunnerOptionTests
{
    [Fact]
    public void What_was_typed_becomes_settings()
    {
        var settings = Read([], "--server", "https://lanyard.example/", "--token-file", "/var/run/token", "--concurrency", "9", "--label", "a", "--label", "b", "--sandbox", "bwrap", "--work-dir", "/w")!;

        Assert.Equal((new Uri("https://lanyard.example/"), "/var/run/token", 9, SandboxChoice.Bubblewrap, "/w", false), (settings.Server, settings.TokenFile, settings.Concurrency, settings.Sandbox, settings.WorkFolder, settings.Once));
        Assert.Equal(["a", "b"], settings.Labels!);
    }

    [Fact]
    public void Every_mistake_is_told_at_once()
    {
        List<string> mistakes = [];

        Assert.Null(Read(mistakes, "--server", "http://lanyard.example", "--concurrency", "0", "--sandbox", "docker", "--executor", "docker", "--first-uid", "0", "--read-only", "/"));

        Assert.Equal(7, mistakes.Count);
        Assert.All(["--server", "--concurrency", "--sandbox", "--executor", "--first-uid", "--token-file", "--read-only"], name => Assert.Contains(mistakes, mistake => mistake.Contains(name, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("--server", "https://user@lanyard.example")]
    [InlineData("--server", "https://lanyard.example/?a=b")]
    [InlineData("--key-file", "/k")]
    [InlineData("--nonsense")]
    [InlineData("--push-keys", "lanyard")]
    [InlineData("--push-keys", "lanyard/../keys")]
    [InlineData("--kubeconfig", "/nowhere/config")]
    [InlineData("--max-processes", "15")]
    [InlineData("--max-memory", "0")]
    [InlineData("--max-open-files", "-1")]
    [InlineData("--max-disk", "0")]
    [InlineData("--disk-reserve", "-1")]
    public void A_mistake_is_no_runner(params string[] more)
    {
        List<string> mistakes = [];
        string[] server = more[0] == "--server" ? [] : ["--server", "https://lanyard.example"];

        Assert.Null(Read(mistakes, [.. server, "--token-file", "/t", .. more]));
        Assert.NotEmpty(mistakes);
    }

    [Fact]
    [Line("6.4")]
    public void A_runner_in_a_cluster_says_in_every_call_whose_it_is()
    {
        var settings = Read([], "--server", "https://lanyard.example", "--token-file", "/t", "--workspace", "acme")!;

        using var http = RunnerHttp.Create(settings.Server, null, settings.Workspace);
        Assert.Equal(["acme"], http.DefaultRequestHeaders.GetValues("Lanyard-Workspace"));
        Assert.Null(Read([], "--server", "https://lanyard.example", "--key-file", "/k", "--workspace", "acme"));
        Assert.Null(Read([], "--server", "https://lanyard.example", "--token-file", "/t", "--workspace", "not one"));
    }

    [Fact]
    public void Who_pushes_the_clusters_keys_is_a_service_account_by_namespace_and_name()
    {
        var settings = Read([], "--server", "https://lanyard.example", "--token-file", "/t", "--push-keys", "lanyard/keys.pusher")!;

        Assert.Equal(("lanyard", "keys.pusher"), (settings.PushKeys!.Namespace, settings.PushKeys.Name));
        Assert.Null(Read([], "--server", "https://lanyard.example", "--key-file", "/k", "--push-keys", "lanyard/keys"));
    }

    [Fact]
    [Line("2.9")]
    public void What_an_attempt_may_use_of_the_host_is_told_in_MiB_and_has_sound_defaults()
    {
        var told = Read([], "--server", "https://lanyard.example", "--token-file", "/t", "--max-processes", "100", "--max-memory", "512", "--max-open-files", "256", "--max-disk", "2048", "--disk-reserve", "0")!.Limits!;
        var usual = Read([], "--server", "https://lanyard.example", "--token-file", "/t", "--work-dir", "/tmp/not/there/yet")!.Limits!;

        Assert.Equal((100, 512L << 20, 256, 2048L << 20, 0), (told.Processes, told.MemoryBytes, told.OpenFiles, told.DiskBytes, told.DiskReserveBytes));
        Assert.Equal((4096, 65_536, null), (usual.Processes, usual.OpenFiles, usual.DiskBytes));
        Assert.InRange(usual.MemoryBytes, 1, long.MaxValue);
        Assert.InRange(usual.DiskReserveBytes, 1, 1024L << 20);
    }

    private static RunnerSettings? Read(List<string> mistakes, params string[] args)
    {
        var options = new RunnerOptionSet();
        return options.Read(options.CreateCommand().Parse(args), mistakes);
    }
}
