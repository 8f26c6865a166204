using System.Text.Json;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Server;

[Line("2.8")]
public sealed class TokenFileCredentialTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task A_rotated_token_is_used_from_the_next_call_on()
    {
        var credential = new TokenFileCredential(_file, TimeProvider.System);
        await File.WriteAllTextAsync(_file, "first\n");
        Assert.Equal("first", (await credential.GetAsync(default)).Value);

        await File.WriteAllTextAsync(_file + ".new", "second");
        File.Move(_file + ".new", _file, overwrite: true);

        Assert.Equal("second", (await credential.GetAsync(default)).Value);
    }

    [Fact]
    public async Task The_last_token_that_was_taken_serves_while_a_newer_ones_key_is_not_known_yet()
    {
        var time = new ManualTime();
        var credential = new TokenFileCredential(_file, time);
        await File.WriteAllTextAsync(_file, "first");
        credential.Accepted(await NextAsync());
        await File.WriteAllTextAsync(_file, "second");
        Assert.Equal("second", await NextAsync());

        credential.Refused("second");
        Assert.Equal("first", await NextAsync());
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal("second", await NextAsync());

        // Both are refused: then the file has the last word.
        credential.Refused("second");
        Assert.Equal("first", await NextAsync());
        credential.Refused("first");
        Assert.Equal("second", await NextAsync());

        async Task<string> NextAsync() => (await credential.GetAsync(default)).Value;
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("line\nbreak")]
    public async Task What_is_no_token_is_a_refusal(string content)
    {
        await File.WriteAllTextAsync(_file, content);

        Assert.True((await new TokenFileCredential(_file, TimeProvider.System).GetAsync(default)).IsRefused);
        Assert.True((await new TokenFileCredential(_file + ".absent", TimeProvider.System).GetAsync(default)).IsRefused);
    }
}
