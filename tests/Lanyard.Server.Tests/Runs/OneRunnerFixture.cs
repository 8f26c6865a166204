using Lanyard.Server.Tests.Storage;

namespace Lanyard.Server.Tests.Runs;

/// <summary>The same with a runner of one collection that has a session.</summary>
public abstract class OneRunnerFixture(DatabaseKind kind) : RunsServerFixture(kind)
{
    private protected SimulatedRunner Runner { get; private set; } = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Runner = await Runs.RunnerAsync("r1", "one");
        await Runner.OpenAsync();
    }
}
