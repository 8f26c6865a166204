using System.Text.Json.Nodes;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A server that trusts the runtime tokens of one GitHub.</summary>
public abstract class WorkflowServerTests : IAsyncLifetime
{
    private protected WorkflowServer Cache { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cache = await WorkflowServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await Cache.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected static string Text(JsonNode json, string name) => json[name]?.GetValue<string>() ?? "";
}
