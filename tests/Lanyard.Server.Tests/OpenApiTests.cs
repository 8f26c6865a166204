using System.Text.Json;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests;

[Line("2.6")]
public sealed class OpenApiTests
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>A change of the API is a change of this file, seen in review. <c>LANYARD_UPDATE=1</c> writes it anew.</summary>
    [Fact]
    public async Task The_document_that_is_served_is_the_one_that_is_kept()
    {
        await using var server = await TestServer.StartWholeAsync();
        var served = JsonSerializer.Serialize((await server.GetAsync("/openapi.json", principal: null)).Json, Indented) + "\n";
        var path = Path.Combine(Repo.Root, "docs", "openapi.json");
        if (Environment.GetEnvironmentVariable("LANYARD_UPDATE") == "1")
        {
            await File.WriteAllTextAsync(path, served, TestContext.Current.CancellationToken);
        }

        Assert.Equal(await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken), served);
    }
}
