using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Clouds;
using Lanyard.Cli.Runner.Sandbox;

namespace Lanyard.Cli.Runner.Pods;

/// <summary>
/// The steps' container of this pod, seen from the other one: what <see cref="StepWrapper"/> says and hears. Steps can read the control folder and
/// write nothing in it (their mount is read-only), so nothing in it can be put in another's place.
/// </summary>
internal sealed class PodPlace : StepPlace
{
    private readonly string _control;
    private readonly string _work;
    private readonly AttemptKey _key;
    private readonly Func<string, string, Task> _happened;
    private readonly FileStream _commands;
    private readonly FileStream _signals;
    private readonly ConcurrentDictionary<int, TaskCompletionSource<StepExit>> _waiting = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _last;

    /// <param name="happened">Told of what belongs into the attempt's timeline: reason and message.</param>
    public PodPlace(string control, string work, AttemptKey key, Func<string, string, Task> happened)
    {
        (_control, _work, _key, _happened) = (control, work, key, happened);
        NamedPipe.Make(PathOf(StepWrapper.Signals));
        NamedPipe.Make(PathOf(StepWrapper.Results));
        _signals = NamedPipe.OpenBoth(PathOf(StepWrapper.Signals));
        NamedPipe.Make(PathOf(StepWrapper.Commands));
        _commands = NamedPipe.OpenBoth(PathOf(StepWrapper.Commands));
        new Thread(ReadResults) { IsBackground = true, Name = "results of steps" }.Start();
    }

    /// <summary>Completes when the steps' container has come up.</summary>
    public Task Ready => _ready.Task;

    public override string? SearchPath => null;

    public override string Home => _work;

    public override string Temporary => "/tmp";

    public override string Clouds => PathOf("clouds");

    public override CloudFolder OpenClouds() => new(Clouds, _key, owner: null, forGroup: true, isWhole: true);

    public override StepCommand Script(string script, IReadOnlyDictionary<string, string> environment)
    {
        var path = PathOf($"script-{_last + 1}");
        Write(path, script);
        return new StepCommand(["/bin/sh", "-e", path], environment, IsScript: true);
    }

    /// <summary>Before the first step: nothing but the wrapper runs in the other container, and nobody has put a link in the way.</summary>
    public override bool WriteFile(string name, ReadOnlySpan<byte> content)
    {
        var path = Path.Combine(_work, name);
        for (var parent = Path.GetDirectoryName(path)!; parent.Length > _work.Length; parent = Path.GetDirectoryName(parent)!)
        {
            PrivateFiles.CreateFolder(parent, PrivateFiles.SharedFolder);
        }

        PrivateFiles.Write(path, content, owner: null);
        File.SetUnixFileMode(path, PrivateFiles.SharedFile);
        return true;
    }

    public override byte[]? ReadFile(string name, int most) => PrivateFiles.ReadOfAnother(Path.Combine(_work, name), most);

    public override async Task<RunningStep> StartAsync(StepCommand command)
    {
        if (_gone.Task.IsCompleted)
        {
            throw Gone();
        }

        var step = ++_last;
        Write(PathOf(StepWrapper.FileOf(step)), FileText(command));
        var ended = new TaskCompletionSource<StepExit>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[step] = ended;
        NamedPipe.Make(PathOf(StepWrapper.OutputOf(step)));
        var output = new PipeOutput(PathOf(StepWrapper.OutputOf(step)));
        await _commands.WriteAsync(Encoding.ASCII.GetBytes($"{step.ToString(CultureInfo.InvariantCulture)}\n"));
        if (_gone.Task.IsCompleted)
        {
            ended.TrySetException(Gone());
        }

        return new PodStep(this, step, command.IsScript, output, ended.Task);
    }

    /// <summary>The steps' container hears the end of both pipes, kills what runs, and ends.</summary>
    public override void Dispose()
    {
        _commands.Dispose();
        _signals.Dispose();
        NamedPipe.Release(PathOf(StepWrapper.Results));
    }

    internal void Signal(int step, string word)
    {
        var line = Encoding.ASCII.GetBytes($"{step.ToString(CultureInfo.InvariantCulture)} {word}\n");
        try
        {
            _signals.Write(line);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The attempt is over.
        }
    }

    internal Task TellAsync(string reason, string message) => _happened(reason, message);

    private static IOException Gone() => new("the container of the steps has ended");

    private string PathOf(string name) => Path.Combine(_control, name);

    /// <summary>A shell that gives way to the step's program. The environment comes on top of the container's own.</summary>
    private string FileText(StepCommand command)
    {
        var text = new StringBuilder($"cd {Quoted.Shell(_work)} || exit 126\n");
        foreach (var (name, value) in command.Environment)
        {
            text.Append("export ").Append(name).Append('=').Append(Quoted.Shell(value)).Append('\n');
        }

        return text.Append("exec").AppendJoin("", command.Argv.Select(static word => " " + Quoted.Shell(word))).Append('\n').ToString();
    }

    /// <summary>Appears whole, by rename.</summary>
    private static void Write(string path, string text)
    {
        PrivateFiles.Write(path + ".next", Encoding.UTF8.GetBytes(text), owner: null);
        File.SetUnixFileMode(path + ".next", PrivateFiles.GroupFile);
        File.Move(path + ".next", path, overwrite: true);
    }

    /// <summary>Opening waits for the wrapper, and reading ends with it: a container that dies is noticed at once.</summary>
    private void ReadResults()
    {
        using var reader = new StreamReader(NamedPipe.OpenForReading(PathOf(StepWrapper.Results)), Encoding.ASCII);
        _ready.TrySetResult();
        while (reader.ReadLine() is { } line)
        {
            if (line.Split(' ') is [var number, var status, var killed]
                && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var step)
                && int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out var code)
                && _waiting.TryRemove(step, out var ended))
            {
                ended.TrySetResult(StepExit.FromStatus(code) with { IsOutOfMemory = killed != "0" });
            }
        }

        _gone.TrySetResult();
        foreach (var ended in _waiting.Values)
        {
            ended.TrySetException(Gone());
        }
    }

    private sealed class PodStep(PodPlace place, int step, bool isScript, PipeOutput output, Task<StepExit> ended) : RunningStep
    {
        public override Stream Output => output.Stream;

        public override async Task<StepExit> WaitAsync()
        {
            StepExit exit;
            try
            {
                exit = await ended;
            }
            catch (IOException)
            {
                output.Release();
                throw;
            }

            if (exit.IsOutOfMemory)
            {
                await place.TellAsync("OOMKilled", $"step {step} reached the memory limit of its container, and the kernel killed a process of it");
            }

            return exit;
        }

        public override bool Terminate()
        {
            place.Signal(step, isScript ? "CHILDREN" : "TERM");
            return true;
        }

        public override void Kill() => place.Signal(step, "KILL");

        public override void Dispose()
        {
            if (!ended.IsCompleted)
            {
                Kill();
            }

            output.Release();
        }
    }
}
