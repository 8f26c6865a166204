using System.Globalization;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner;

/// <summary>Runs attempts as processes of this host, each in a sandbox: work folder, sandbox, loopback endpoint.</summary>
internal sealed class ProcessExecutor : Executor
{
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(30);
    private readonly RunnerSettings _settings;
    private readonly HttpClient _http;
    private readonly HttpClient _clouds;
    private readonly TimeProvider _time;
    private readonly RunnerFolders _folders;
    private readonly SpawnThread _spawn;
    private readonly SandboxLauncher _launcher;
    private readonly LimitWatch _limits;
    private readonly DiskReserve _reserve;
    private readonly CacheListener _cache;
    private TokenEndpoint? _endpoint;
    private AttemptServices? _services;

    private ProcessExecutor(RunnerSettings settings, RunnerFolders folders, HttpClient http, TimeProvider time)
    {
        (_settings, _folders, _http, _time) = (settings, folders, http, time);
        _clouds = RunnerHttp.CreateForClouds(settings.Authorities);
        _cache = new CacheListener(http, time);
        var mode = settings.Sandbox is SandboxChoice.None || (settings.Sandbox is SandboxChoice.Automatic && !SandboxProbe.IsInstalled)
            ? SandboxMode.None
            : SandboxMode.Bubblewrap;
        _spawn = new SpawnThread(mode is SandboxMode.None && settings.Adopts ? Adoption.Begin() : null);
        var limits = settings.Limits ?? StepLimits.DefaultsFor(settings.WorkFolder);
        _launcher = new SandboxLauncher(mode, folders, settings.ReadOnly ?? [], limits, _spawn, time);
        _reserve = new DiskReserve(folders.Root, limits.DiskReserveBytes);
        _limits = new LimitWatch(limits, _reserve, time);
    }

    public override string Name => "process";

    public override bool IsSandboxed => _launcher.Mode is SandboxMode.Bubblewrap;

    public override bool OutlivesRunner => false;

    public override Shortage? NoRoom => _reserve.Shortage() is { } free
        ? new(NoRoomReasons.Disk, string.Create(CultureInfo.InvariantCulture, $"of the disk of {_folders.Root} {free / StepLimits.MiB} MiB are free, less than must stay free (--disk-reserve)"))
        : null;

    public static Outcome<ProcessExecutor> Open(RunnerSettings settings, HttpClient http, TimeProvider time) =>
        RunnerFolders.Open(settings.WorkFolder, settings.CredentialsProgram ?? BesideThisProgram()).TryGet(out var folders, out var refusal)
            ? new ProcessExecutor(settings, folders, http, time)
            : refusal;

    public override async Task<Refusal?> CheckAsync(CancellationToken cancellationToken)
    {
        if (OwnerOf(0) is not null && _folders.FirstClosedParent() is { } closed)
        {
            return new Refusal(RefusalReason.Forbidden, $"steps run under uids of their own, which can't enter {closed}: choose another --work-dir");
        }

        using var limit = new CancellationTokenSource(ProbeLimit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await SandboxProbe.TryAsync(_launcher, _folders, OwnerOf(0), either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new Refusal(RefusalReason.Unavailable, $"the sandbox did not end within {ProbeLimit.TotalSeconds:0} s");
        }
    }

    public override async Task<IReadOnlyList<HeldAttempt>> StartAsync(RunnerServices services, SessionResponse session, CancellationToken cancellationToken)
    {
        _endpoint = await TokenEndpoint.StartAsync(_time, cancellationToken);
        _services = new AttemptServices(
            services.Plane, (key, slot) => new SandboxPlace(_launcher, _limits, _folders, key, OwnerOf(slot)), _endpoint, _cache, _http, _clouds, _folders.LogFileOf, _settings.LogLimit,
            _time, services.Log);
        return []; // steps die with their runner
    }

    public override HeldAttempt Create(AttemptPayload payload, int slot, SessionResponse session) =>
        new AttemptExecution(payload, _services!, slot, session.MaxLogChunkBytes);

    public override async ValueTask DisposeAsync()
    {
        if (_endpoint is not null)
        {
            await _endpoint.DisposeAsync();
        }

        await _cache.DisposeAsync();
        _clouds.Dispose();
        _spawn.Dispose();
        _folders.Dispose();
    }

    /// <summary>The uid that the steps of a slot run under; null: the runner's own.</summary>
    private uint? OwnerOf(int slot) => Environment.IsPrivilegedProcess ? _settings.FirstUid + (uint)slot : null;

    private static string? BesideThisProgram()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "lanyard-credentials");
        return File.Exists(path) ? path : null;
    }
}
