using System.Text.Json;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Server;

[Line("2.8")]
public sealed class HostKeyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-key-").FullName;

    private string KeyFile => Path.Combine(_folder, "sub", "host-key.pem");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_key_is_made_once_readable_by_nobody_else()
    {
        using var first = HostKey.Open(KeyFile, TimeProvider.System).Value;
        using var second = HostKey.Open(KeyFile, TimeProvider.System).Value;

        Assert.Equal(first.Fingerprint, second.Fingerprint);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        Assert.Single(Directory.EnumerateFiles(Path.GetDirectoryName(KeyFile)!));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void A_key_that_others_can_read_or_write_is_refused(UnixFileMode extra)
    {
        HostKey.Open(KeyFile, TimeProvider.System).Value.Dispose();
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | extra);

        Assert.True(HostKey.Open(KeyFile, TimeProvider.System).IsRefused);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]
    [InlineData("not a key")]
    public void What_is_no_key_is_refused_and_left_as_it_is(string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(KeyFile)!);
        File.WriteAllText(KeyFile, content);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        Assert.True(HostKey.Open(KeyFile, TimeProvider.System).IsRefused);
        Assert.Equal(content, File.ReadAllText(KeyFile));
    }

    [Fact]
    public void An_assertion_names_the_key_and_the_instance_lives_a_minute_and_is_never_the_same()
    {
        using var key = HostKey.Open(KeyFile, TimeProvider.System).Value;

        var (one, two) = (key.Assert("https://lanyard.example"), key.Assert("https://lanyard.example"));

        Assert.NotEqual(one, two);
        Assert.False(UnverifiedToken.Parse(one).IsRefused);
        using var claims = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(one.Split('.')[1]));
        var root = claims.RootElement;
        Assert.Equal("key_" + key.Fingerprint, root.GetProperty("iss").GetString());
        Assert.Equal("key_" + key.Fingerprint, root.GetProperty("sub").GetString());
        Assert.Equal("https://lanyard.example", root.GetProperty("aud").GetString());
        Assert.Equal(60, root.GetProperty("exp").GetInt64() - root.GetProperty("iat").GetInt64());
        Assert.True(root.GetProperty("jti").GetString()!.Length >= 32);
    }
}
