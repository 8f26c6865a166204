using System.Net;
using System.Text.Json;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>A server with definitions of OpenTofu and a runner that takes their runs, at a time that the test sets.</summary>
public abstract class OpentofuTests(DatabaseKind kind) : IAsyncLifetime
{
    protected const string Home = "/v1/workspaces/demo/collections/one";
    protected const string Lock = """{"ID":"lock-1","Operation":"OperationTypeApply","Who":"me"}""";

    internal static CancellationToken Cancel => TestContext.Current.CancellationToken;

    internal ManualTime Time { get; } = new();

    internal RunsServer Runs { get; private set; } = null!;

    internal SimulatedRunner Runner { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Runs = await RunsServer.StartAsync(kind, time: Time);
        foreach (var (slug, more) in ((string, string)[])[("infra", ""), ("auto", ",\"approval\":false"), ("shared", ",\"state\":\"infra\"")])
            (await Runs.Server.PutAsync(
                $"{Home}/definitions/{slug}", """{"spec":{"steps":[{"name":"fetch","script":"true"}],"opentofu":{"files":{"main.tf":"# SLUG"}MORE}}}""".Replace("SLUG", slug, StringComparison.Ordinal).Replace("MORE", more, StringComparison.Ordinal))).Made();
        Runner = await Runs.RunnerAsync("r1", "one");
        await Runner.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Runs is not null)
            await Runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() : null;

    private protected Task<Answer> SayAsync(string run, string word) => Runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/{word}", "admin", "{}");

    protected async Task<string> TakeAsync(string definition, string? action = null)
    {
        await Runs.CreateAsync(action is null ? $$"""{"definition":"{{definition}}"}""" : $$"""{"definition":"{{definition}}","action":"{{action}}"}""");
        return await Runner.TakeAsync();
    }

    /// <summary>A run whose plan is with the server and has so many changes.</summary>
    protected async Task<string> PlanAsync(string definition, string plan, int changes = 2, string? action = null)
    {
        var run = await TakeAsync(definition, action);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Put, run, "plan", plan)).Status);
        Assert.Equal(HttpStatusCode.OK, (await Runner.PlannedAsync(run, changes)).Status);
        return run;
    }

    /// <summary>A run whose plan was approved, and whose second attempt applies it.</summary>
    protected async Task<string> ApplyAsync(string definition)
    {
        var run = await PlanAsync(definition, "p");
        await SayAsync(run, "approve");
        Assert.Equal(run, await Runner.TakeAsync());
        return run;
    }
}
