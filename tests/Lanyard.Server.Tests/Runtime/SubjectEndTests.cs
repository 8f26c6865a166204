using Lanyard.Protocol.Runs;
using Lanyard.Server.Runtime;
using Lanyard.Server.Tests.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runtime;

/// <summary>What integrations are told of the end of those whom they knew by a key.</summary>
[Line("4.2")]
public sealed class SubjectEndTests() : RunsServerFixture(DatabaseKind.Sqlite)
{
    [Fact]
    public async Task An_attempt_has_ended_when_it_is_to_stop_when_it_is_over_and_when_it_never_was_and_a_workflow_never()
    {
        var questions = RuntimeSubjects.Questions(Server.Services);
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var (ended, stopping) = (await runner.TakeAsync(), "");
        Assert.False(await questions.HasEnded($"{ended}.1", Cancel));
        await runner.EndAsync(ended);
        await Runs.CreateAsync();
        stopping = await runner.TakeAsync();
        Assert.False(await questions.HasEnded($"{stopping}.1", Cancel));
        await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{stopping}/cancel", "admin");

        foreach (var (key, hasEnded) in ((string, bool)[])[
            ($"{ended}.1", true), ($"{stopping}.1", true), ($"{stopping}.2", true), ("run_0.1", true), ("machine_0", true), ("workflow:1:2:3", false), ("workflow:1.1", false)])
            Assert.Equal((key, hasEnded), (key, await questions.HasEnded(key, Cancel)));
    }
}
