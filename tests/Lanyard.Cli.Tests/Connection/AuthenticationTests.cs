using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Connection;

[Line("2.13")]
public sealed class AuthenticationTests : IAsyncLifetime
{
    private readonly CliRun _cli = new();
    private FakeApi _api = null!;

    public async ValueTask InitializeAsync() => _api = await FakeApi.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        _cli.Dispose();
    }

    [Fact]
    public async Task The_admin_key_of_this_host_signs_an_assertion_that_is_exchanged_for_a_token()
    {
        Directory.CreateDirectory(Path.Combine(_cli.Folder, ".lanyard"));
        _cli.Write(".lanyard/admin-key.pem", _api.AdminKey.ExportPem());
        _cli.Write(".lanyard/server-url", _api.Url + "\n");
        _api.Resources["/v1/workspaces/acme"] = ([], "\"1\"");

        Assert.Equal(0, await _cli.RunAsync("get", "workspace", "acme", "-o", "json"));
        Assert.Equal(1, _api.Exchanges);
        Assert.DoesNotContain(_api.ApiToken, _cli.Out.ToString() + _cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_key_is_not_taken_and_the_exit_code_says_so()
    {
        using var other = SigningKey.Generate(SignatureAlgorithm.ES256);
        var file = _cli.Write("other.pem", other.ExportPem());

        Assert.Equal(5, await _cli.RunAsync("get", "workspaces", "--server", _api.Url, "--admin-key", file));
        Assert.Contains("did not take the admin key key_" + other.KeyId, _cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_others_can_read_is_not_used()
    {
        var file = _cli.Write("admin.pem", _api.AdminKey.ExportPem());
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.GroupRead);

        Assert.Equal(5, await _cli.RunAsync("get", "workspaces", "--server", _api.Url, "--admin-key", file));
        Assert.Equal(0, _api.Exchanges);
    }

    [Fact]
    public async Task A_data_directory_that_is_named_is_the_only_one_looked_at()
    {
        Directory.CreateDirectory(Path.Combine(_cli.Folder, ".lanyard"));
        _cli.Write(".lanyard/admin-key.pem", _api.AdminKey.ExportPem());
        _cli.Environment["LANYARD_DATA_DIR"] = Path.Combine(_cli.Folder, "elsewhere");

        Assert.Equal(5, await _cli.RunAsync("get", "workspaces", "--server", _api.Url));
        Assert.Equal(0, _api.Exchanges);
    }

    [Fact]
    public async Task A_token_file_is_presented_as_it_is_and_a_wrong_one_is_exit_5()
    {
        _api.WorkloadToken = "workload.token.x";
        _api.Resources["/v1/workspaces/acme"] = ([], "\"1\"");
        var good = _cli.Write("token", "workload.token.x\n");

        Assert.Equal(0, await _cli.RunAsync("get", "workspace", "acme", "--server", _api.Url, "--token-file", good));
        Assert.Equal(5, await _cli.RunAsync("get", "workspace", "acme", "--server", _api.Url, "--token-file", _cli.Write("bad", "other")));
        Assert.Equal(0, _api.Exchanges);
    }

    [Fact]
    public async Task A_pipelines_own_token_is_asked_for_with_the_instance_as_audience()
    {
        _api.WorkloadToken = "pipeline.token.x";
        _api.Resources["/v1/workspaces/acme"] = ([], "\"1\"");
        await using var pipeline = await FakeApi.StartAsync();
        string? asked = null;
        pipeline.OnRequest = async http =>
        {
            asked = http.Request.QueryString.Value;
            await http.Response.WriteAsync("""{"value":"pipeline.token.x","count":1}""");
            return true;
        };
        _cli.Environment["ACTIONS_ID_TOKEN_REQUEST_URL"] = pipeline.Url + "/token-request?api-version=2";
        _cli.Environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = pipeline.ApiToken;

        Assert.Equal(0, await _cli.RunAsync("get", "workspace", "acme", "--server", _api.Url));
        Assert.Equal($"?api-version=2&audience={Uri.EscapeDataString(_api.Url)}", asked);
    }

    [Theory]
    [InlineData("http://lanyard.example.com")]
    [InlineData("ftp://lanyard.example.com")]
    [InlineData("https://user:secret@lanyard.example.com")]
    [InlineData("lanyard.example.com")]
    [InlineData("https://lanyard.example.com/?a=b")]
    public async Task A_server_to_which_a_token_would_travel_readable_or_astray_is_a_usage_error(string url)
    {
        Assert.Equal(2, await _cli.RunAsync("get", "workspaces", "--server", url, "--admin-key", _cli.Write("admin.pem", _api.AdminKey.ExportPem())));
    }

    [Fact]
    public async Task A_redirect_is_not_followed_with_the_token()
    {
        await using var elsewhere = await FakeApi.StartAsync();
        _api.OnRequest = http =>
        {
            http.Response.Redirect(elsewhere.Url + http.Request.Path);
            return Task.FromResult(true);
        };

        Assert.Equal(3, await _cli.RunAsync("get", "workspaces", "acme", "--server", _api.Url, "--admin-key", _cli.Write("admin.pem", _api.AdminKey.ExportPem())));
        Assert.Empty(elsewhere.Requests);
    }

    [Fact]
    public async Task Nobody_there_is_exit_4()
    {
        await _api.DisposeAsync();

        Assert.Equal(4, await _cli.RunAsync("get", "workspaces", "--server", _api.Url, "--token-file", _cli.Write("token", "x")));
    }
}
