using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runners;

/// <summary>A fingerprint is base64url: it may begin as options do.</summary>
[Line("2.8")]
public sealed class FingerprintTests : IAsyncLifetime
{
    private readonly CliRun _cli = new();
    private FakeApi _api = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeApi.StartAsync();
        _cli.Environment["LANYARD_SERVER"] = _api.Url;
        _cli.Environment["LANYARD_DATA_DIR"] = _cli.Folder;
        _cli.Write("admin-key.pem", _api.AdminKey.ExportPem());
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        _cli.Dispose();
    }

    [Theory]
    [InlineData("-ochNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("-fchNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("-hchNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("--chNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("-_chNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    public async Task A_host_is_approved_by_a_fingerprint_that_begins_as_an_option_does(string fingerprint)
    {
        var asked = new List<string>();
        _api.OnRequest = async http =>
        {
            asked.Add($"{http.Request.Method} {http.Request.Path} {await new StreamReader(http.Request.Body).ReadToEndAsync()}");
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return true;
        };

        await _cli.RunAsync("runner", "approve", fingerprint, "--name", "host", "--collection", "acme/prod", "-ojson");

        Assert.Contains(asked, call => call.Contains(fingerprint, StringComparison.Ordinal));
        Assert.DoesNotContain("--help", _cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_output_written_right_behind_its_letter_is_understood()
    {
        _api.OnRequest = async http =>
        {
            await http.Response.WriteAsync("""{"items":[]}""");
            return true;
        };

        Assert.Equal(0, await _cli.RunAsync("runner", "requests", "-ojson"));
        Assert.NotNull(JsonNode.Parse(_cli.Out.ToString()));
    }
}
