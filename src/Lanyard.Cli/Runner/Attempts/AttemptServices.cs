using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>What all attempts that this process runs itself share.</summary>
/// <param name="PlaceOf">Where an attempt's steps run, by its slot.</param>
/// <param name="Http">For the issuers; the control plane has its own way.</param>
/// <param name="Clouds">For who is not of the instance: it trusts other authorities, and hears nothing of workspaces.</param>
/// <param name="LogLimit">Bytes of one attempt's log; over it, head and tail are kept.</param>
internal sealed record AttemptServices(
    ControlPlane Plane,
    Func<AttemptKey, int, StepPlace> PlaceOf,
    TokenEndpoint Endpoint,
    CacheListener Cache,
    HttpClient Http,
    HttpClient Clouds,
    Func<AttemptKey, string> LogFileOf,
    long LogLimit,
    TimeProvider Time,
    ILogger Log);
