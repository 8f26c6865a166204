using System.Text.Json;
using Lanyard.Protocol.Runs;

namespace Lanyard.Protocol.Resources;

/// <summary>What can be run.</summary>
/// <param name="Steps">1 to 200, one after the other; with <paramref name="Opentofu"/> also none: what prepares its folder.</param>
/// <param name="TimeoutSeconds">Of the whole run, 1 to 86400; absent: 3600.</param>
/// <param name="Executor"><c>process</c> or <c>kubernetes</c>: only runners with that executor take its runs. Absent: any.</param>
/// <param name="Audiences">For whom its runs may have identity tokens.</param>
/// <param name="DefaultAudience">One of <paramref name="Audiences"/>; absent: the workspace's.</param>
/// <param name="Labels">What a runner must have to take its runs.</param>
/// <param name="Uuid">Fixes the id at creation, so that policies of other systems that name it keep matching; hyphenated, lower case.</param>
/// <param name="Cloud">Cloud accounts of its runs; each block replaces the collection's.</param>
/// <param name="Pod">How the pods of its runs look; each member replaces the collection's.</param>
/// <param name="Runner">Slug of the one runner that takes its runs.</param>
/// <param name="Retry">When a run is tried again; absent: see <see cref="RetrySpec"/>.</param>
/// <param name="QueueTimeoutSeconds">How long a run waits for a runner, each time it waits, 1 to 2592000; absent: 86400.</param>
/// <param name="SilenceTimeoutSeconds">A step that writes nothing for so long is ended, 1 to 86400; absent: it may be silent.</param>
/// <param name="GraceSeconds">Between the signal and the kill, 0 to 600; absent: 10.</param>
/// <param name="Operations">What its runs may do to runs of the same collection, by the runtime API; absent: nothing.</param>
/// <param name="Cache">Its steps use the cache of the run's repository; absent: they have none.</param>
/// <param name="Mask">Names of variables whose values are replaced by <c>***</c> in logs and in what the API shows of a run; at most 50.</param>
/// <param name="Opentofu">Its runs plan and apply infrastructure with OpenTofu or Terraform, whichever the runner finds.</param>
/// <param name="SharedWith">
/// Slugs of workspaces whose collections may run it, as <c>workspace/collection/definition</c>; at most 100. Such a run belongs to the collection that runs it; its identity is
/// this definition's, signed by this workspace's issuer.
/// </param>
public sealed record DefinitionSpec(
    IReadOnlyList<StepSpec> Steps,
    string? Description = null,
    int? TimeoutSeconds = null,
    string? Executor = null,
    IReadOnlyList<AudienceSpec>? Audiences = null,
    string? DefaultAudience = null,
    IReadOnlyList<string>? Labels = null,
    string? Uuid = null,
    CloudSpec? Cloud = null,
    PodSpec? Pod = null,
    string? Runner = null,
    RetrySpec? Retry = null,
    int? QueueTimeoutSeconds = null,
    int? SilenceTimeoutSeconds = null,
    int? GraceSeconds = null,
    CacheUseSpec? Cache = null,
    IReadOnlyList<OperationSpec>? Operations = null,
    IReadOnlyList<string>? Mask = null,
    OpentofuSpec? Opentofu = null,
    IReadOnlyList<string>? SharedWith = null);

/// <summary>Operations on the runs of one definition.</summary>
/// <param name="Definition">Its slug.</param>
/// <param name="Actions">Of <c>start</c>, <c>extend</c>, <c>cancel</c>; any of them also lets the caller see the runs' state.</param>
/// <param name="Phases">In which a run may be started; absent: <c>run</c> alone.</param>
public sealed record OperationSpec(string Definition, IReadOnlyList<string> Actions, IReadOnlyList<string>? Phases = null);

/// <summary>Infrastructure as code: plan, approval, apply of exactly that plan.</summary>
/// <param name="Files">Files of the configuration, written before anything else; at most 50, together 256 KiB.</param>
/// <param name="Folder">Where the configuration lies, below the folder that steps start in; absent: there.</param>
/// <param name="State">Slug of the state in the collection; absent: the definition's.</param>
/// <param name="Approval">Whether an apply waits for <c>lanyard approve</c>; absent: it does.</param>
/// <param name="ApprovalTimeoutSeconds">How long it waits before the run ends as timed out, 60 to 2,592,000 (30 days); absent: 259,200 (3 days).</param>
public sealed record OpentofuSpec(
    IReadOnlyDictionary<string, string>? Files = null, string? Folder = null, string? State = null, bool? Approval = null, int? ApprovalTimeoutSeconds = null);

/// <summary>When a run is tried again. An attempt that began <c>apply</c> never is, whatever stands here.</summary>
/// <param name="Attempts">Accepted attempts altogether, 1 to 10; absent: 3.</param>
/// <param name="On">Any of <see cref="RetryOn"/>. Absent: after a lost attempt, and where a runner could not begin.</param>
public sealed record RetrySpec(int? Attempts = null, IReadOnlyList<string>? On = null);

public static class RetryOn
{
    /// <summary>The runner vanished: its lease ended, or its new process knows nothing of the attempt.</summary>
    public const string Lost = "lost";

    /// <summary>The runner could not run the attempt, before the first step or in it.</summary>
    public const string RunnerError = AttemptOutcomes.RunnerError;

    /// <summary>A step failed.</summary>
    public const string Failed = "failed";

    /// <summary>The run, or a step, took too long.</summary>
    public const string TimedOut = "timed_out";
}

/// <summary>What runs may do with the cache of their repository. Their own ref is the first scope.</summary>
/// <param name="Mode"><c>none</c>, <c>read</c>, <c>write-only</c> or <c>write</c>: takes away from every scope; absent: <c>write</c>.</param>
/// <param name="ReadRefs">Further scopes, read only, in the order in which they are searched; such as the default branch.</param>
public sealed record CacheUseSpec(string? Mode = null, IReadOnlyList<string>? ReadRefs = null);

/// <param name="Argv">A program and its arguments; exactly one of <paramref name="Argv"/> and <paramref name="Script"/> is given.</param>
/// <param name="Script">For <c>/bin/sh -e</c>.</param>
/// <param name="TimeoutSeconds">1 to 86400; absent: the definition's.</param>
/// <param name="Oidc"><c>true</c>: a token for the default audience in <c>LANYARD_OIDC_TOKEN</c>; <c>{"audiences": […]}</c>: for these,
/// each an audience or <c>{"audience": …, "subject": …}</c> with the name of one of its subject templates.</param>
/// <param name="Cache">Whether it has the cache of its definition; absent: yes.</param>
public sealed record StepSpec(
    string Name,
    IReadOnlyList<string>? Argv = null,
    string? Script = null,
    IReadOnlyDictionary<string, string>? Environment = null,
    int? TimeoutSeconds = null,
    JsonElement? Oidc = null,
    bool? Cache = null);

/// <param name="Audience">The <c>aud</c> claim.</param>
/// <param name="Algorithm"><c>RS256</c> (accepted everywhere; also when absent) or <c>ES256</c>.</param>
/// <param name="Subject">The default: one of <paramref name="Subjects"/> by name, a subject template, or the name of a preset; absent: <c>lanyard</c>.</param>
/// <param name="LifetimeSeconds">60 to 3600; absent: 600.</param>
/// <param name="Subjects">Further subject templates (or presets) by name, at most 10: a caller may ask for one.</param>
/// <param name="Condition">CEL over <c>claims</c>, the claims that the token would have: runs for which it is not true get no token for the audience.</param>
/// <param name="Conditions">The same for single subject templates, by name: a template whose condition is not true can't be had.</param>
public sealed record AudienceSpec(
    string Audience,
    string? Algorithm = null,
    string? Subject = null,
    int? LifetimeSeconds = null,
    IReadOnlyDictionary<string, string>? Subjects = null,
    string? Condition = null,
    IReadOnlyDictionary<string, string>? Conditions = null);
