using Lanyard.Protocol.Runs;

namespace Lanyard.Testing.Runs;

/// <summary>Builds what an attempt is handed out with.</summary>
public static class Payloads
{
    private static int s_count;

    public static AttemptPayload Of(params StepPayload[] steps) => new(
        Run: $"run_{Interlocked.Increment(ref s_count):d8}",
        Attempt: 1,
        Workspace: "acme",
        Collection: "prod",
        Definition: "deploy",
        DefinitionUuid: "01980000-0000-7000-8000-000000000000",
        Phase: "apply",
        Issuer: "",
        DefaultAudience: "https://default.example",
        RuntimeToken: $"eyJ0.runtime{s_count}.{Guid.NewGuid():n}{Guid.NewGuid():n}",
        LeaseSeconds: 30,
        TimeoutSeconds: 120,
        GraceSeconds: 2,
        Steps: steps,
        Variables: new Dictionary<string, string>());

    public static StepPayload Script(string script, int timeoutSeconds = 60, IReadOnlyList<string>? oidc = null, params (string Name, string Value)[] environment) =>
        new("step", null, script, environment.ToDictionary(e => e.Name, e => e.Value), timeoutSeconds, oidc);

    public static StepPayload Program(params string[] argv) => new("step", argv, null, new Dictionary<string, string>(), 60, null);
}
