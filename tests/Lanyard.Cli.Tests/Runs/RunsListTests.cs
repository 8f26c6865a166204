using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runs;

[Line("2.9")]
public sealed class RunsListTests() : CliApiTests("acme", "infra")
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        // 120 runs in pages of 50.
        Api.OnRequest = async http =>
        {
            var from = int.TryParse(http.Request.Query["after"], out var after) ? after : 0;
            var items = Enumerable.Range(from, Math.Min(50, 120 - from)).Select(number =>
                new JsonObject { ["id"] = $"run_{number:000}", ["state"] = "succeeded", ["definition"] = "plan", ["phase"] = "run", ["createdAt"] = "2026-11-30T14:26:57.811+02:00" });
            var page = new JsonObject { ["items"] = new JsonArray([.. items]) };
            if (from + 50 < 120) page["next"] = (from + 50).ToString(System.Globalization.CultureInfo.InvariantCulture);
            await http.Response.WriteAsync(page.ToJsonString());
            return true;
        };
    }

    [Theory]
    [InlineData(50, true)]
    [InlineData(100, true)]
    [InlineData(119, true)]
    [InlineData(120, false)]
    [InlineData(500, false)]
    public async Task Who_sees_a_part_of_the_runs_is_told_that_there_are_more(int limit, bool more)
    {
        Assert.Equal(0, await Cli.RunAsync("runs", "--limit", $"{limit}"));

        Assert.Equal(Math.Min(limit, 120) + 1, Cli.Out.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(more ? $"These are the newest {limit}; there are more: --limit, --state.\n" : "", Cli.Error.ToString());
    }

    [Fact]
    public async Task Times_are_to_the_second_in_UTC_and_every_row_fits_into_eighty_columns()
    {
        Assert.Equal(0, await Cli.RunAsync("runs", "--state", "failed"));

        Assert.Contains("  2026-11-30T12:26:57Z\n", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.All(Cli.Out.ToString().Split('\n'), static line => Assert.InRange(line.Length, 0, 80));
        Assert.Contains("GET /v1/workspaces/acme/collections/infra/runs?state=failed", Api.Requests);
    }
}
