using Lanyard.Cli.Runner;
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

        Assert.Null(Read(mistakes, "--server", "http://lanyard.example", "--concurrency", "0", "--sandbox", "docker", "--executor", "kubernetes", "--first-uid", "0", "--read-only", "/"));

        Assert.Equal(7, mistakes.Count);
        Assert.All(["--server", "--concurrency", "--sandbox", "--executor", "--first-uid", "--token-file", "--read-only"], name => Assert.Contains(mistakes, mistake => mistake.Contains(name, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("--server", "https://user@lanyard.example")]
    [InlineData("--server", "https://lanyard.example/?a=b")]
    [InlineData("--key-file", "/k")]
    [InlineData("--nonsense")]
    public void A_mistake_is_no_runner(params string[] more)
    {
        List<string> mistakes = [];
        string[] server = more[0] == "--server" ? [] : ["--server", "https://lanyard.example"];

        Assert.Null(Read(mistakes, [.. server, "--token-file", "/t", .. more]));
        Assert.NotEmpty(mistakes);
    }

    private static RunnerSettings? Read(List<string> mistakes, params string[] args)
    {
        var options = new RunnerOptionSet();
        return options.Read(options.CreateCommand().Parse(args), mistakes);
    }
}
