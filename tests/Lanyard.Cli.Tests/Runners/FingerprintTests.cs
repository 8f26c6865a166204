using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runners;

/// <summary>A fingerprint is base64url: it may begin as options do.</summary>
[Line("2.8")]
public sealed class FingerprintTests : CliApiTests
{
    [Theory]
    [InlineData("-ochNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("-fchNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("-hchNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("--chNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    [InlineData("-_chNIeaAYAFXFhznxOqRx40QhseHvhopY1pDa2HrBQ")]
    public async Task A_host_is_approved_by_a_fingerprint_that_begins_as_an_option_does(string fingerprint)
    {
        var asked = new List<string>();
        Api.OnRequest = async http =>
        {
            asked.Add($"{http.Request.Method} {http.Request.Path} {await new StreamReader(http.Request.Body).ReadToEndAsync()}");
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return true;
        };

        await Cli.RunAsync("runner", "approve", fingerprint, "--name", "host", "--collection", "acme/prod", "-ojson");

        Assert.Contains(asked, call => call.Contains(fingerprint, StringComparison.Ordinal));
        Assert.DoesNotContain("--help", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_output_written_right_behind_its_letter_is_understood()
    {
        Api.OnRequest = async http =>
        {
            await http.Response.WriteAsync("""{"items":[]}""");
            return true;
        };

        Assert.Equal(0, await Cli.RunAsync("runner", "requests", "-ojson"));
        Assert.NotNull(JsonNode.Parse(Cli.Out.ToString()));
    }
}
