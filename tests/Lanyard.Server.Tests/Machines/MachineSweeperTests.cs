using System.Net;
using Lanyard.Server.Machines;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Machines;

[Line("4.1")]
public sealed class SqliteMachineSweeperTests() : MachineSweeperTests(DatabaseKind.Sqlite);

[Line("4.1")]
[Needs("postgres")]
public sealed class PostgresMachineSweeperTests() : MachineSweeperTests(DatabaseKind.Postgres);

/// <summary>Records of machines do not gather for ever.</summary>
public abstract class MachineSweeperTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private TestServer _server = null!;
    private string _workspace = "";

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync(kind, time: _time);
        _workspace = await _server.MakeWorkspaceAsync("acme");
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_machine_is_shown_for_thirty_days_after_its_end_and_then_its_record_is_gone_and_a_living_one_stays()
    {
        var deleted = await MachineAsync();
        var expired = await MachineAsync();
        await _server.DeleteAsync($"/v1/workspaces/acme/machines/{deleted}");
        _time.Advance(TimeSpan.FromHours(1) + TimeSpan.FromDays(30) - TimeSpan.FromSeconds(1));
        var living = await MachineAsync();

        Assert.Equal(0, await SweepAsync());
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await StatusAsync(deleted), await StatusAsync(expired)));

        _time.Advance(TimeSpan.FromSeconds(2));
        await SweepAsync();

        // The server's own sweep may be about to take them away.
        await Eventually.HoldsAsync(async () => await StatusAsync(deleted) == HttpStatusCode.NotFound && await StatusAsync(expired) == HttpStatusCode.NotFound, "both records are gone");
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(living));
        var machines = _server.Services.GetRequiredService<MachineDirectory>();
        Assert.Null(await machines.FindAliveAsync(expired, TestContext.Current.CancellationToken));
        Assert.NotNull(await machines.FindAliveAsync(living, TestContext.Current.CancellationToken));
        Assert.Contains(expired, (await _server.GetAsync("/v1/workspaces/acme/audit?limit=100")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task However_many_there_are_one_sweep_takes_them_all_away_and_two_at_once_do_not_stop_each_other()
    {
        var end = _time.GetUtcNow() - TimeSpan.FromDays(31);
        foreach (var some in Enumerable.Range(0, 1203).Chunk(400))
        {
            await _server.Database.TransactionAsync(async transaction =>
            {
                foreach (var i in some)
                {
                    await transaction.ExecuteAsync(
                        $"insert into machines (id, workspace, scopes, created_by, created, expires) values ({$"machine_{i}"}, {_workspace}, {"[]"}, {"a"}, {end}, {end})");
                }
            });
        }

        var swept = await Task.WhenAll(Task.Run(SweepAsync), Task.Run(SweepAsync));
        await SweepAsync();

        Assert.InRange(swept.Sum(), 1, 1203);
        Assert.Equal(0, await _server.Database.ScalarAsync($"select count(*) from machines"));
    }

    private Task<int> SweepAsync() => _server.Services.GetRequiredService<MachineSweeper>().SweepAsync(TestContext.Current.CancellationToken);

    private async Task<HttpStatusCode> StatusAsync(string machine) => (await _server.GetAsync($"/v1/workspaces/acme/machines/{machine}")).Status;

    private async Task<string> MachineAsync() =>
        (await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", "admin", """{"lifetimeSeconds":3600,"repository":"demo/app"}""")).Json.GetProperty("machine").GetProperty("id").GetString()!;
}
