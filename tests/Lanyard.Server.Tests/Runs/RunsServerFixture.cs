using Lanyard.Server.Tests.Storage;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>A server with collections and a definition, on a database of each test's own.</summary>
public abstract class RunsServerFixture(DatabaseKind kind) : IAsyncLifetime
{
    private protected RunsServer Runs { get; private set; } = null!;

    private protected TestServer Server => Runs.Server;

    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync() => Runs = await RunsServer.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (Runs is not null)
            await Runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
