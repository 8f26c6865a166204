using System.Text;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Clouds;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>An attempt's folder on this host, and the sandbox around it.</summary>
internal sealed class SandboxPlace(SandboxLauncher launcher, LimitWatch limits, RunnerFolders folders, AttemptKey key, uint? owner) : StepPlace
{
    private readonly AttemptFolder _folder = new(folders.Attempts, key, owner);

    public override string SearchPath => launcher.SearchPath;

    public override string Home => launcher.HomeOf(_folder);

    public override string Temporary => launcher.TemporaryOf(_folder);

    public override string Clouds => launcher.CloudsOf(_folder);

    public override bool TryName(string host)
    {
        if (launcher.Mode is not SandboxMode.Bubblewrap)
        {
            return false;
        }

        _folder.WriteHosts(host);
        return true;
    }

    public override CloudFolder OpenClouds()
    {
        var clouds = new CloudFolder(folders.Memory, key, owner);
        _folder.Clouds = clouds.Path;
        return clouds;
    }

    public override StepCommand Script(string script, IReadOnlyDictionary<string, string> environment)
    {
        _folder.Write(_folder.Script, Encoding.UTF8.GetBytes(script));
        return new StepCommand(["/bin/sh", "-e", launcher.ScriptOf(_folder)], environment, IsScript: true);
    }

    public override async Task<RunningStep> StartAsync(StepCommand command) => await launcher.StartAsync(key, _folder, command);

    public override Task<string?> WatchAsync(RunningStep step, CancellationToken ended) => limits.WatchAsync((StepProcess)step, _folder, ended);

    public override bool WriteFile(string name, ReadOnlySpan<byte> content)
    {
        var path = Path.Combine(_folder.Work, name);
        for (var parent = Path.GetDirectoryName(name); !string.IsNullOrEmpty(parent); parent = Path.GetDirectoryName(parent))
        {
            // Before the first step: nobody but the runner has been here.
            var folder = Path.Combine(_folder.Work, parent);
            Directory.CreateDirectory(folder);
            if (_folder.Owner is { } owner)
            {
                PrivateFiles.GiveTo(folder, owner);
            }
        }

        _folder.Write(path, content);
        return true;
    }

    public override byte[]? ReadFile(string name, int most) => PrivateFiles.ReadOfAnother(Path.Combine(_folder.Work, name), most);

    public override void Dispose() => _folder.Dispose();
}
