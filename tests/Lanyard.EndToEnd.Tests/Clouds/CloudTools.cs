using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>Node and its modules where the uids of steps can read them: one copy for all tests of a class, because it is large.</summary>
public sealed class CloudTools : IAsyncLifetime
{
    public string Folder { get; } = $"/var/tmp/lanyard-tools-{Guid.NewGuid():N}";

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Folder);
        var (node, modules) = await NodeScript.LocateAsync();
        (await Command.RunAsync("cp", ["-rL", modules, node, Folder], deadline: TimeSpan.FromMinutes(3))).Succeeded();
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(Folder, recursive: true);
        return ValueTask.CompletedTask;
    }
}
