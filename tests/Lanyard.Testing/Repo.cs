namespace Lanyard.Testing;

/// <summary>Where the checkout of the running tests lies.</summary>
public static class Repo
{
    /// <summary>The folder of <c>Lanyard.slnx</c>.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The program that people type, as built in the configuration of the running tests.</summary>
    public static string Lanyard => Program("Lanyard", "lanyard");

    /// <summary>A program of this checkout, as built in the configuration of the running tests.</summary>
    public static string Program(string project, string name) => Path.Combine(Root, "artifacts", "bin", project, Configuration, name);

    /// <summary>A path below the root.</summary>
    public static string At(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Name;

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Lanyard.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No Lanyard.slnx above {AppContext.BaseDirectory}.");
    }
}
