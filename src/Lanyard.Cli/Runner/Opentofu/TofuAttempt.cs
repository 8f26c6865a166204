using System.Net;
using System.Text;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Opentofu;

/// <summary>
/// The runner's part of an attempt that plans or applies: brings the configuration or the plan that was approved, tells the tool where its state is, and takes the plan to the server. The tool reaches
/// its state at the loopback endpoint, with the attempt's bearer; the runner hands its calls on.
/// </summary>
internal sealed class TofuAttempt(AttemptPayload payload, OpentofuPayload tofu, StepPlace place, ControlPlane plane, AttemptKey key, AttemptLog log, TimeProvider time)
{
    public const string StepName = "opentofu";
    private const int MaxBundle = 32 << 20;
    private const int MaxShown = 64 << 20;

    private bool IsApply => payload.Phase == "apply";

    /// <summary>What the attempt has planned; null: nothing.</summary>
    public PlanSummary? Plan { get; private set; }

    /// <summary>Before the first step. Null when all is there; else why not.</summary>
    public async Task<string?> PrepareAsync(CancellationToken stopped)
    {
        if (IsApply)
        {
            var answer = await AskAsync(HttpMethod.Get, default, stopped);
            return answer is { Status: HttpStatusCode.OK } plan && place.WriteFile(TofuScript.Bundle, plan.Body) ? null : "the plan that is to be applied could not be had";
        }

        foreach (var (name, text) in tofu.Files ?? new Dictionary<string, string>())
        {
            if (!place.WriteFile(Path.Combine(tofu.Folder ?? "", name), Encoding.UTF8.GetBytes(text)))
            {
                return $"the file {name} could not be written";
            }
        }

        return null;
    }

    public StepPayload Step(StepPayload step, TokenEndpoint endpoint, EndpointBearer bearer) => step with
    {
        Argv = ["/bin/sh", "-c", TofuScript.Text],
        Script = null,
        Environment = new Dictionary<string, string>(step.Environment, StringComparer.Ordinal)
        {
            [TofuScript.FolderVariable] = tofu.Folder ?? ".",
            [TofuScript.ActionVariable] = tofu.Action,
            ["TF_HTTP_ADDRESS"] = endpoint.StateUrlOf(key, ""),
            ["TF_HTTP_LOCK_ADDRESS"] = endpoint.StateUrlOf(key, "/lock"),
            ["TF_HTTP_LOCK_METHOD"] = "POST",
            ["TF_HTTP_UNLOCK_ADDRESS"] = endpoint.StateUrlOf(key, "/unlock"),
            ["TF_HTTP_UNLOCK_METHOD"] = "POST",
            ["TF_HTTP_USERNAME"] = "lanyard",
            ["TF_HTTP_PASSWORD"] = bearer.Text,
        },
    };

    /// <summary>After the step has succeeded. Null when the server has the plan; else why not.</summary>
    public async Task<string?> FinishAsync(CancellationToken stopped)
    {
        if (IsApply)
        {
            return null;
        }

        if (place.ReadFile(TofuScript.Shown, MaxShown) is not { } shown || PlanReading.Read(shown) is not { } plan)
        {
            return "the tool has made no plan";
        }

        log.AppendNote($"plan: {plan.Add} to add, {plan.Change} to change, {plan.Destroy} to destroy" + (plan.Drifted > 0 ? $"; {plan.Drifted} no longer as the state says" : ""));
        if (place.ReadFile(TofuScript.Bundle, MaxBundle) is not { } bundle)
        {
            return $"what was planned is larger than {MaxBundle >> 20} MiB";
        }

        if (await AskAsync(HttpMethod.Put, bundle, stopped) is not { Status: HttpStatusCode.NoContent })
        {
            return "the server did not take the plan";
        }

        Plan = plan;
        return null;
    }

    private Task<RawAnswer?> AskAsync(HttpMethod method, ReadOnlyMemory<byte> body, CancellationToken stopped) => PatientCall.AskAsync(plane, time, method, key, "plan", body, stopped);
}
