using Lanyard.Testing;
using Lanyard.Testing.Processes;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>An image of the program, made once from published files.</summary>
internal static class LanyardImage
{
    private static readonly Lazy<Task<string>> Made = new(MakeAsync);

    /// <returns>The file of the image.</returns>
    public static Task<string> GetAsync() => Made.Value;

    private static async Task<string> MakeAsync()
    {
        var folder = Directory.CreateDirectory(Repo.At("artifacts", "image")).FullName;
        var published = Path.Combine(folder, "files");
        if (Directory.Exists(published))
        {
            Directory.Delete(published, recursive: true);
        }

        var configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        (await Command.RunAsync(
            "dotnet",
            ["publish", Repo.At("src", "Lanyard", "Lanyard.csproj"), "--no-build", "--nologo", "-v", "quiet", "-c", configuration, "-p:ValidateExecutableReferencesMatchSelfContained=false", "-o", published],
            deadline: TimeSpan.FromMinutes(5))).Succeeded();
        var image = Path.Combine(folder, "lanyard.tar");
        (await Command.RunAsync(Repo.At("eng", "lanyard-image"), [image, PodCluster.Image, published], deadline: TimeSpan.FromMinutes(5))).Succeeded();
        return image;
    }
}
