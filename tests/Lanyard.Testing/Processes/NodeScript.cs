namespace Lanyard.Testing.Processes;

/// <summary>
/// Runs a JavaScript module with the foreign clients of <c>eng/npm/package-lock.json</c> (jose, openid-client, @actions/core …) beside it,
/// installing them when they are missing.
/// </summary>
public static class NodeScript
{
    private static readonly Lazy<Task<(string Node, string Modules)>> Installed = new(InstallAsync);

    /// <summary>Runs the module's source text; <paramref name="input"/> is its standard input, where tokens go.</summary>
    public static async Task<CommandResult> RunAsync(
        string source, string? input = null, IReadOnlyDictionary<string, string?>? environment = null, TimeSpan? deadline = null)
    {
        var (node, modules) = await Installed.Value;
        var folder = Directory.CreateTempSubdirectory("lanyard-node-");
        try
        {
            Directory.CreateSymbolicLink(Path.Combine(folder.FullName, "node_modules"), modules);
            var script = Path.Combine(folder.FullName, "script.mjs");
            await File.WriteAllTextAsync(script, source);
            return await Command.RunAsync(node, [script], environment, input, deadline);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The program and the folder of its modules, for steps that bring them into their sandbox.</summary>
    public static Task<(string Node, string Modules)> LocateAsync() => Installed.Value;

    private static async Task<(string Node, string Modules)> InstallAsync()
    {
        var said = (await Command.RunAsync(Repo.At("eng", "npm", "install"), [], deadline: TimeSpan.FromMinutes(5))).Succeeded();
        var values = said.Split('\n').Select(static line => line.Split('=', 2)).ToDictionary(static pair => pair[0], static pair => pair[1]);
        return (values["NODE"], values["MODULES"]);
    }
}
