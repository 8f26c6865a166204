using Lanyard.Cli.Runner;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>A runner under test and the control plane that it calls, which a test can make fail.</summary>
public abstract class FakePlaneTests : IAsyncLifetime
{
    private protected static TimeSpan Deadline { get; } = TimeSpan.FromSeconds(90);

    private protected FakeControlPlane Plane { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Plane = await FakeControlPlane.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await Plane.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>The host's number of a process whose working folder is the attempt's.</summary>
    private protected static int ProcessIn(RunnerUnderTest runner, FakeAttempt attempt)
    {
        var environment = $"LANYARD_RUN={attempt.Payload.Run}";
        return Directory.EnumerateDirectories("/proc")
            .Where(folder => int.TryParse(Path.GetFileName(folder), out _) && Read(Path.Combine(folder, "environ")).Contains(environment, StringComparison.Ordinal))
            .Select(folder => int.Parse(Path.GetFileName(folder), null))
            .First();
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
