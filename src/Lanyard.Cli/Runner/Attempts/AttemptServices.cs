using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>What all attempts of a runner share.</summary>
/// <param name="Http">For the issuers; the control plane has its own way.</param>
/// <param name="LogLimit">Bytes of one attempt's log; over it, head and tail are kept.</param>
internal sealed record AttemptServices(
    ControlPlane Plane,
    SandboxLauncher Launcher,
    LimitWatch Limits,
    TokenEndpoint Endpoint,
    HttpClient Http,
    RunnerFolders Folders,
    long LogLimit,
    TimeProvider Time,
    ILogger Log);
