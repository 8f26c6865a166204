using System.CommandLine;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Cli.Runner.Kubernetes;

namespace Lanyard.Cli.Runner;

/// <summary>The options of <c>lanyard runner</c>, and how they become settings. Every mistake is reported at once.</summary>
internal sealed class RunnerOptionSet
{
    private const string CaFileVariable = "LANYARD_CA_FILE";
    private const int MostAttempts = 500;
    private const uint FirstUsableUid = 1000;
    private const uint LastUsableUid = 4_000_000_000;

    private readonly Option<string> _server = new("--server") { Description = "URL of the instance; default: LANYARD_SERVER" };
    private readonly Option<string> _caFile = new("--ca-file") { Description = "PEM bundle to be trusted instead of the system's roots, read anew for each connection; default: LANYARD_CA_FILE, else the text in LANYARD_AUTHORITIES" };
    private readonly Option<int> _concurrency = new("--concurrency") { Description = "attempts at once, 1 to 500", DefaultValueFactory = _ => 4 };
    private readonly Option<string[]> _label = new("--label") { Description = "label of this runner; may be repeated" };
    private readonly Option<string> _workDir = new("--work-dir") { Description = "folder for attempts and logs; other users must be able to go through its parents where the runner is root" };
    private readonly Option<string> _kubeconfig = new("--kubeconfig") { Description = "the way to the API server, with --executor kubernetes or --push-keys; default: the pod's own service account" };
    private readonly Option<string> _executor = new("--executor") { Description = "process: in sandboxes of this host; kubernetes: in pods of a cluster", DefaultValueFactory = _ => "process" };
    private readonly Option<bool> _once = new("--once") { Description = "take one run and exit with its result" };
    private readonly Option<string> _sandbox = new("--sandbox") { Description = "bwrap or none; default: bwrap where it is installed. none serves one collection only" };
    private readonly Option<string[]> _readOnly = new("--read-only") { Description = "folder of this host that steps may read, such as a tool chain in /opt; may be repeated" };
    private readonly Option<uint> _firstUid = new("--first-uid")
    {
        Description = "where the runner is root, the n-th concurrent attempt runs under this uid + n",
        DefaultValueFactory = _ => RunnerSettings.DefaultFirstUid,
    };

    private readonly Option<int> _maxProcesses = new("--max-processes") { Description = "processes and threads of an attempt, 16 to 1000000", DefaultValueFactory = _ => StepLimits.DefaultProcesses };
    private readonly Option<int> _maxOpenFiles = new("--max-open-files") { Description = "open files of each process of an attempt, 64 to 1000000", DefaultValueFactory = _ => StepLimits.DefaultOpenFiles };
    private readonly Option<int?> _maxMemory = new("--max-memory") { Description = "MiB of memory of an attempt, from 16; default: four fifths of the host's" };
    private readonly Option<int?> _maxDisk = new("--max-disk") { Description = "MiB in an attempt's folders, from 1; default: no limit but --disk-reserve" };
    private readonly Option<int?> _diskReserve = new("--disk-reserve") { Description = "MiB that stay free where the work folder is: below them the attempt that uses most is ended; default: a twentieth of the disk, at most 1024" };
    private readonly Option<string> _credentials = new("--credentials-program") { Description = "what steps find as `lanyard`; default: lanyard-credentials beside this program" };

    private readonly ProofOptionSet _proof = new();
    private readonly KubernetesOptionSet _kubernetes = new();

    public Command CreateCommand()
    {
        var command = new Command(
            "runner",
            "Takes runs from the collections that it is connected to, each in a sandbox of its own.\n"
            + "(lanyard runner requests and lanyard runner approve are an admin's commands: see their --help.)\n\n"
            + "SIGTERM finishes what is held and exits; a second one cancels it. Pods go on without their runner: SIGTERM ends that at once, and the next one finds them.\n"
            + "Exit codes: 0 done · 1 with --once: the run did not succeed · 2 wrong usage · 3 another process took this runner's place · 4 this host is not safe or not able · 70 no progress.");
        Option[] options =
            [_server, _caFile, .. _proof.All, _kubeconfig, _concurrency, _label, _workDir, _executor, _sandbox, _readOnly, _firstUid, _maxProcesses, _maxMemory,
            _maxOpenFiles, _maxDisk, _diskReserve, _credentials, _once];
        Array.ForEach([.. options, .. _kubernetes.All], command.Options.Add);
        return command;
    }

    /// <summary>Null where there are mistakes.</summary>
    public RunnerSettings? Read(ParseResult parsed, List<string> mistakes)
    {
        mistakes.AddRange(ParseMistakes.Of(parsed, CliProgram.WordsOfRunners));
        if (mistakes.Count > 0)
        {
            return null;
        }

        var server = ReadServer(parsed, mistakes);
        var authorities = ReadAuthorities(parsed, mistakes);
        var sandbox = ReadSandbox(parsed, mistakes);
        var kubernetes = ReadKubernetes(parsed, mistakes);
        CheckRanges(parsed, mistakes);
        _proof.Check(parsed, mistakes);
        CheckPaths(parsed, mistakes);
        return mistakes.Count > 0 ? null : _proof.Into(
            new RunnerSettings(
                server!,
                parsed.GetValue(_workDir) ?? DefaultWorkFolder(),
                authorities,
                Concurrency: parsed.GetValue(_once) ? 1 : parsed.GetValue(_concurrency),
                Labels: parsed.GetValue(_label) ?? [],
                Sandbox: sandbox,
                Once: parsed.GetValue(_once),
                ReadOnly: [.. (parsed.GetValue(_readOnly) ?? []).Select(Path.GetFullPath)],
                CredentialsProgram: parsed.GetValue(_credentials),
                FirstUid: parsed.GetValue(_firstUid),
                Kubeconfig: parsed.GetValue(_kubeconfig),
                Limits: ReadLimits(parsed),
                Kubernetes: kubernetes),
            parsed);
    }

    private static string DefaultWorkFolder() => Environment.IsPrivilegedProcess
        ? "/var/lib/lanyard-runner"
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "lanyard", "runner");

    private Uri? ReadServer(ParseResult parsed, List<string> mistakes)
    {
        var text = parsed.GetValue(_server) ?? Environment.GetEnvironmentVariable("LANYARD_SERVER");
        if (!Uri.TryCreate(text, UriKind.Absolute, out var server) || server.Query.Length > 0 || server.Fragment.Length > 0 || server.UserInfo.Length > 0)
        {
            mistakes.Add("--server: the URL of the instance is needed, here or in LANYARD_SERVER");
            return null;
        }

        if (server.Scheme != Uri.UriSchemeHttps && !(server.Scheme == Uri.UriSchemeHttp && server.IsLoopback))
        {
            mistakes.Add("--server: must be https; http is for this machine's loopback only");
        }

        return server;
    }

    private SandboxChoice ReadSandbox(ParseResult parsed, List<string> mistakes)
    {
        switch (parsed.GetValue(_sandbox))
        {
            case null:
                return SandboxChoice.Automatic;
            case "bwrap":
                return SandboxChoice.Bubblewrap;
            case "none":
                return SandboxChoice.None;
            default:
                mistakes.Add("--sandbox: must be bwrap or none");
                return SandboxChoice.Automatic;
        }
    }

    private Authorities? ReadAuthorities(ParseResult parsed, List<string> mistakes)
    {
        var file = parsed.GetValue(_caFile) ?? Environment.GetEnvironmentVariable(CaFileVariable);
        if (string.IsNullOrEmpty(file))
        {
            return Pods.PodSettings.ReadAuthorities(Environment.GetEnvironmentVariable, mistakes);
        }

        try
        {
            return Authorities.InFile(file);
        }
        catch (CommandStopped stopped)
        {
            mistakes.Add(stopped.Message);
            return null;
        }
    }

    private KubernetesSettings? ReadKubernetes(ParseResult parsed, List<string> mistakes)
    {
        if (parsed.GetValue(_executor) is "kubernetes")
        {
            if (parsed.GetValue(_once))
            {
                mistakes.Add("--once: not with --executor kubernetes");
            }

            return _kubernetes.Read(parsed, parsed.GetValue(_kubeconfig), mistakes);
        }

        if (parsed.GetValue(_executor) is not "process")
        {
            mistakes.Add("--executor: must be process or kubernetes");
        }

        _kubernetes.RefuseAll(parsed, mistakes);
        return null;
    }

    private void CheckRanges(ParseResult parsed, List<string> mistakes)
    {
        if (parsed.GetValue(_concurrency) is < 1 or > MostAttempts)
        {
            mistakes.Add($"--concurrency: must be 1 to {MostAttempts}");
        }

        CheckRange(parsed.GetValue(_maxProcesses), _maxProcesses, 16, 1_000_000, mistakes);
        CheckRange(parsed.GetValue(_maxOpenFiles), _maxOpenFiles, 64, 1_000_000, mistakes);
        CheckRange(parsed.GetValue(_maxMemory) ?? 16, _maxMemory, 16, int.MaxValue, mistakes);
        CheckRange(parsed.GetValue(_maxDisk) ?? 1, _maxDisk, 1, int.MaxValue, mistakes);
        CheckRange(parsed.GetValue(_diskReserve) ?? 0, _diskReserve, 0, int.MaxValue, mistakes);
        if (parsed.GetValue(_firstUid) is < FirstUsableUid or > LastUsableUid)
        {
            mistakes.Add($"--first-uid: must be {FirstUsableUid} to {LastUsableUid}: system users are not for steps");
        }
    }

    private StepLimits ReadLimits(ParseResult parsed)
    {
        var usual = StepLimits.DefaultsFor(parsed.GetValue(_workDir) ?? DefaultWorkFolder());
        return new StepLimits(
            parsed.GetValue(_maxProcesses),
            parsed.GetValue(_maxMemory) is { } memory ? memory * StepLimits.MiB : usual.MemoryBytes,
            parsed.GetValue(_maxOpenFiles),
            parsed.GetValue(_maxDisk) is { } disk ? disk * StepLimits.MiB : null,
            parsed.GetValue(_diskReserve) is { } reserve ? reserve * StepLimits.MiB : usual.DiskReserveBytes);
    }

    private static void CheckRange(int value, Option option, int least, int most, List<string> mistakes)
    {
        if (value < least || value > most)
        {
            mistakes.Add($"{option.Name}: must be {least} to {most}");
        }
    }

    private void CheckPaths(ParseResult parsed, List<string> mistakes)
    {
        if (parsed.GetValue(_kubeconfig) is { } kubeconfig && !File.Exists(kubeconfig))
        {
            mistakes.Add($"--kubeconfig {kubeconfig}: there is no such file");
        }

        foreach (var path in parsed.GetValue(_readOnly) ?? [])
        {
            if (!Directory.Exists(path) || Path.GetFullPath(path) == "/")
            {
                mistakes.Add($"--read-only {path}: must be a folder, and not the root");
            }
        }

        if (parsed.GetValue(_credentials) is { } program && !File.Exists(program))
        {
            mistakes.Add($"--credentials-program {program}: there is no such file");
        }
    }
}
