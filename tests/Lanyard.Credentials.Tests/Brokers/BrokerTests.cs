using System.Text.Json.Nodes;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Logins;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests.Brokers;

/// <summary>Helpers of Google, Entra and Vault against doubles that verify the pipeline's token, and what every helper keeps.</summary>
[Line("6.6")]
public sealed class BrokerTests : BrokerTestBase
{
    [Fact]
    public async Task What_is_kept_is_readable_by_its_user_alone_and_never_longer_than_the_token_lives()
    {
        Be(AwsDouble.Audience, 55);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(2, _aws.SessionNames.Count);
        Be(AwsDouble.Audience, 300);
        Assert.Equal(0, await RunAsync("aws"));
        var kept = Assert.Single(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(kept)!));
        Assert.InRange(long.Parse(File.ReadLines(kept).First(), System.Globalization.CultureInfo.InvariantCulture), 0, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + 300);
        Assert.DoesNotContain(_environment["BITBUCKET_STEP_OIDC_TOKEN"], await File.ReadAllTextAsync(kept, TestContext.Current.CancellationToken), StringComparison.Ordinal);

        // A folder that others can look into, or a link in its place, is not used.
        File.SetUnixFileMode(Path.GetDirectoryName(kept)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(4, _aws.SessionNames.Count);
    }

    [Fact]
    public async Task Nothing_is_kept_on_a_disk_whatever_the_environment_calls_its_runtime_folder()
    {
        var disk = Directory.CreateTempSubdirectory("lanyard-disk-").FullName;
        Assert.SkipWhen(new DriveInfo(disk).DriveFormat == "tmpfs", "there is no folder on a disk");
        try
        {
            _environment["XDG_RUNTIME_DIR"] = disk;
            Be(AwsDouble.Audience);
            Assert.Equal((0, 0), (await RunAsync("aws"), await RunAsync("aws")));
            Assert.Empty(Directory.EnumerateFileSystemEntries(disk));
            // It is kept all the same, where memory is.
            Assert.Single(_aws.SessionNames);
        }
        finally
        {
            Directory.Delete(disk, recursive: true);
        }
    }

    [Fact]
    [Needs("root")]
    public async Task A_folder_or_a_file_that_another_user_made_is_neither_written_to_nor_believed()
    {
        var folder = Path.Combine(_folder, $"lanyard-{Environment.UserName}");
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await OwnAsync("65534", folder);
        Be(AwsDouble.Audience, 300);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Empty(Directory.EnumerateFiles(folder));

        await OwnAsync("0", folder);
        Assert.Equal(0, await RunAsync("aws"));
        var kept = Assert.Single(Directory.EnumerateFiles(folder));
        await OwnAsync("65534", kept);
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(3, _aws.SessionNames.Count);
        // It has been replaced by the user's own.
        Assert.Equal(0, await RunAsync("aws"));
        Assert.Equal(3, _aws.SessionNames.Count);
    }

    [Fact]
    public async Task Googles_executable_source_is_answered_with_the_token_and_failures_are_json_too()
    {
        _environment["GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE"] = LoginDouble.GoogleAudience;
        _environment["GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"] = "urn:ietf:params:oauth:token-type:jwt";
        Be(LoginDouble.GoogleAudience);
        Assert.Equal(0, await RunAsync("gcp"));
        var answer = JsonNode.Parse(_said)!;
        Assert.Equal((1, true, "urn:ietf:params:oauth:token-type:jwt", _environment["BITBUCKET_STEP_OIDC_TOKEN"]), (
            answer["version"]!.GetValue<int>(), answer["success"]!.GetValue<bool>(), answer["token_type"]!.GetValue<string>(), answer["id_token"]!.GetValue<string>()));
        Assert.True(answer["expiration_time"]!.GetValue<long>() > TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());

        _environment.Remove("BITBUCKET_STEP_OIDC_TOKEN");
        Assert.Equal(2, await RunAsync("gcp"));
        Assert.Equal((false, "2"), (JsonNode.Parse(_said)!["success"]!.GetValue<bool>(), JsonNode.Parse(_said)!["code"]!.GetValue<string>()));
        _environment["GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"] = "urn:ietf:params:oauth:token-type:saml2";
        Assert.Equal(2, await RunAsync("gcp"));
    }

    [Fact]
    public async Task Entra_and_vault_are_logged_in_to_once_and_say_why_they_refuse()
    {
        Be("api://AzureADTokenExchange");
        string[] azure = ["azure", "--client-id", LoginDouble.Client, "--tenant-id", LoginDouble.Tenant];
        Assert.Equal(0, await RunAsync(azure));
        Assert.Equal(("entra-access-token", "Bearer", LoginDouble.Tenant), (
            JsonNode.Parse(_said)!["accessToken"]!.GetValue<string>(), JsonNode.Parse(_said)!["tokenType"]!.GetValue<string>(), JsonNode.Parse(_said)!["tenant"]!.GetValue<string>()));
        Assert.Equal(0, await RunAsync(azure));
        Assert.Equal(1, _login.Logins);
        Assert.Equal(1, await RunAsync("azure", "--client-id", "other", "--tenant-id", LoginDouble.Tenant));
        Assert.Contains("AADSTS700016", _diagnosis, StringComparison.Ordinal);
        Assert.Equal(2, await RunAsync("azure", "--client-id", LoginDouble.Client, "--tenant-id", "a/../b"));

        Be(_login.Url);
        Assert.Equal(0, await RunAsync("vault", "get", "--role", "deploy"));
        Assert.Equal("hvs.vault-token\n", _said);
        Assert.Equal(0, await RunAsync("vault", "--role", "deploy"));
        Assert.Equal(2, _login.Logins);
        Assert.Equal(1, await RunAsync("vault", "get", "--role", "other"));
        Assert.Contains("invalid audience", _diagnosis, StringComparison.Ordinal);
        Assert.Equal(0, await RunAsync("vault", "store"));
        Assert.Equal("", _said);
        Assert.Equal(2, await RunAsync("vault", "get", "--role", "deploy", "--address", "http://vault.example"));
    }
}
