using Lanyard.Testing;

namespace Lanyard.Cli.Tests;

/// <summary>Runs one command line as a process would, with an environment, folder and standard input of its own.</summary>
internal sealed class CliRun : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("lanyard-cli-").FullName;

    public Dictionary<string, string> Environment { get; } = [];

    public string Input { get; set; } = "";

    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Ctrl-C.</summary>
    public CancellationToken Interrupted { get; set; }

    public StringWriter Out { get; private set; } = new();

    public StringWriter Error { get; private set; } = new();

    public async Task<int> RunAsync(params string[] args)
    {
        Out = new StringWriter();
        Error = new StringWriter();
        var console = new CliConsole
        {
            Out = Out,
            Error = Error,
            In = new StringReader(Input),
            Environment = name => Environment.GetValueOrDefault(name),
            CurrentDirectory = Folder,
            Time = Time,
            Interactive = false,
        };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Interrupted);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        return await CliProgram.RunAsync(args, console, limit.Token);
    }

    /// <summary>A file in the run's folder.</summary>
    public string Write(string name, string text)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
