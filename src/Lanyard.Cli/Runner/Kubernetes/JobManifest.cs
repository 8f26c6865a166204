using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Pods;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// The Job of an attempt: a pod with two containers under the restricted pod security standard. <c>steps</c> has the definition's image and nothing of
/// ours; <c>lanyard</c> has this program, and alone the token that proves the pod. A pure function of settings and payload.
/// </summary>
internal static class JobManifest
{
    public const string RunnerLabel = "lanyard.dev/runner";
    public const string RunLabel = "lanyard.dev/run";
    public const string AttemptLabel = "lanyard.dev/attempt";
    public const string StepsContainer = "steps";
    public const string LanyardContainer = "lanyard";
    private const long DefaultUser = 65532;
    private const int StopSeconds = 60;
    private const int TokenSeconds = 3600;

    public static string NameOf(AttemptKey key) => PodNames.OfJob(key.Run, key.Attempt);

    /// <summary>Of a Job that is there.</summary>
    public static string? UidOf(JsonObject job) => ClusterApi.Text(job["metadata"]?["uid"]);

    /// <summary>Whether a Job that is there is this attempt's, made by an earlier process of this runner.</summary>
    public static bool IsSame(JsonObject found, JsonObject wanted) =>
        new[] { RunnerLabel, RunLabel, AttemptLabel }.All(label =>
            ClusterApi.Text(found["metadata"]?["labels"]?[label]) is { } value && value == ClusterApi.Text(wanted["metadata"]?["labels"]?[label]));

    /// <returns>Or why this runner makes no pod for it.</returns>
    public static Outcome<JsonObject> Create(AttemptPayload payload, RunnerSettings settings, string runner)
    {
        var kubernetes = settings.Kubernetes!;
        var pod = payload.Pod ?? new PodPayload();
        if ((pod.Image ?? kubernetes.StepImage) is not { } image)
        {
            return new Refusal(RefusalReason.RequestMalformed, "neither definition, collection nor runner names an image for the steps");
        }

        var account = pod.ServiceAccount ?? kubernetes.ServiceAccount;
        if (account != kubernetes.ServiceAccount && !kubernetes.AllowedServiceAccounts.Contains(account))
        {
            return new Refusal(RefusalReason.Forbidden, $"this runner does not allow the service account {account}");
        }

        var key = new AttemptKey(payload.Run, payload.Attempt);
        var labels = Labels(payload, runner);
        return new JsonObject
        {
            ["apiVersion"] = "batch/v1",
            ["kind"] = "Job",
            ["metadata"] = new JsonObject { ["name"] = NameOf(key), ["labels"] = labels.DeepClone() },
            ["spec"] = new JsonObject
            {
                ["backoffLimit"] = 0,
                // Kubernetes counts from the Job's making, the steps' time from their beginning.
                ["activeDeadlineSeconds"] = (int)kubernetes.StartLimit.TotalSeconds + payload.TimeoutSeconds + payload.GraceSeconds + StopSeconds,
                ["ttlSecondsAfterFinished"] = (int)kubernetes.Keep.TotalSeconds,
                ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["labels"] = labels, ["annotations"] = Undisturbed() }, ["spec"] = Pod(payload, pod, settings, image, account) },
            },
        };
    }

    private static JsonObject Labels(AttemptPayload payload, string runner) => new()
    {
        ["app.kubernetes.io/name"] = "lanyard-run",
        ["app.kubernetes.io/managed-by"] = "lanyard",
        [RunnerLabel] = runner,
        [RunLabel] = payload.Run,
        [AttemptLabel] = payload.Attempt.ToString(CultureInfo.InvariantCulture),
        ["lanyard.dev/workspace"] = payload.Workspace,
        ["lanyard.dev/collection"] = payload.Collection,
        ["lanyard.dev/definition"] = payload.Definition,
    };

    /// <summary>Autoscalers that tidy up nodes move pods by ending them; what is in the midst of an apply is nothing to be moved.</summary>
    private static JsonObject Undisturbed() => new()
    {
        ["cluster-autoscaler.kubernetes.io/safe-to-evict"] = "false",
        ["karpenter.sh/do-not-disrupt"] = "true",
    };

    private static JsonObject Pod(AttemptPayload payload, PodPayload pod, RunnerSettings settings, string image, string account)
    {
        var spec = new JsonObject
        {
            ["restartPolicy"] = "Never",
            ["serviceAccountName"] = account,
            ["automountServiceAccountToken"] = false,
            ["enableServiceLinks"] = false,
            ["terminationGracePeriodSeconds"] = payload.GraceSeconds + 20,
            ["securityContext"] = new JsonObject
            {
                ["runAsNonRoot"] = true,
                ["runAsUser"] = pod.User ?? DefaultUser,
                ["runAsGroup"] = DefaultUser,
                ["fsGroup"] = DefaultUser,
                ["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" },
            },
            ["containers"] = new JsonArray(Lanyard(payload, settings), Steps(pod, image)),
            ["volumes"] = Volumes(settings),
        };
        if (pod.NodeSelector is { Count: > 0 } selector)
        {
            spec["nodeSelector"] = Map(selector);
        }

        return spec;
    }

    /// <summary>First in the list: it is started first, and has made its pipes when the other one looks for them.</summary>
    private static JsonObject Lanyard(AttemptPayload payload, RunnerSettings settings)
    {
        var container = new JsonObject
        {
            ["name"] = LanyardContainer,
            ["image"] = settings.Kubernetes!.PodImage,
            ["command"] = new JsonArray("lanyard", "pod"),
            ["env"] = Environment(
                (PodSettings.ServerVariable, settings.Server.AbsoluteUri.TrimEnd('/')),
                (PodSettings.RunVariable, payload.Run),
                (PodSettings.AttemptVariable, payload.Attempt.ToString(CultureInfo.InvariantCulture)),
                (PodSettings.WorkspaceVariable, payload.Workspace),
                (PodSettings.AuthoritiesVariable, settings.Authorities?.Pem ?? ""),
                ("TMPDIR", PodSettings.Spool),
                ("DOTNET_EnableDiagnostics", "0")),
            ["resources"] = new JsonObject
            {
                ["requests"] = new JsonObject { ["cpu"] = "20m", ["memory"] = "96Mi" },
                ["limits"] = new JsonObject { ["memory"] = "256Mi" },
            },
            ["securityContext"] = Restricted(readOnlyRoot: true, DefaultUser),
            ["volumeMounts"] = LanyardMounts(payload),
        };
        if (settings.Kubernetes.PodImagePullPolicy is { } policy)
        {
            container["imagePullPolicy"] = policy;
        }

        return container;
    }

    /// <summary>The steps' folder is ours too only where plans are brought and fetched.</summary>
    private static JsonArray LanyardMounts(AttemptPayload payload)
    {
        var mounts = new JsonArray(Mount("control", PodSettings.Control), Mount("spool", PodSettings.Spool), Mount("identity", PodSettings.TokenFolder, isReadOnly: true));
        if (payload.Opentofu is not null)
        {
            mounts.Add(Mount("work", PodSettings.Work));
        }

        return mounts;
    }

    private static JsonObject Steps(PodPayload pod, string image)
    {
        var container = new JsonObject
        {
            ["name"] = StepsContainer,
            ["image"] = image,
            ["command"] = new JsonArray("/bin/sh", "-c", Unexpanded(StepWrapper.Text(PodSettings.Control))),
            ["workingDir"] = PodSettings.Work,
            ["resources"] = new JsonObject { ["requests"] = Map(pod.Requests ?? Nothing), ["limits"] = Map(pod.Limits ?? Nothing) },
            ["securityContext"] = Restricted(readOnlyRoot: false, null),
            ["volumeMounts"] = new JsonArray(Mount("control", PodSettings.Control, isReadOnly: true), Mount("work", PodSettings.Work)),
        };
        if (pod.ImagePullPolicy is { } policy)
        {
            container["imagePullPolicy"] = policy;
        }

        return container;
    }

    /// <summary>Kubernetes expands <c>$(NAME)</c> in commands, and takes <c>$$</c> for a dollar.</summary>
    internal static string Unexpanded(string text) => text.Replace("$", "$$", StringComparison.Ordinal);

    private static readonly Dictionary<string, string> Nothing = [];

    private static JsonArray Volumes(RunnerSettings settings) =>
    [
        new JsonObject { ["name"] = "control", ["emptyDir"] = new JsonObject { ["medium"] = "Memory", ["sizeLimit"] = "16Mi" } },
        new JsonObject { ["name"] = "spool", ["emptyDir"] = new JsonObject { ["sizeLimit"] = "256Mi" } },
        new JsonObject { ["name"] = "work", ["emptyDir"] = new JsonObject() },
        new JsonObject
        {
            ["name"] = "identity",
            ["projected"] = new JsonObject
            {
                ["sources"] = new JsonArray(new JsonObject
                {
                    ["serviceAccountToken"] = new JsonObject
                    {
                        ["audience"] = settings.Server.AbsoluteUri.TrimEnd('/'), ["expirationSeconds"] = TokenSeconds, ["path"] = PodSettings.TokenName,
                    },
                }),
            },
        },
    ];

    private static JsonObject Restricted(bool readOnlyRoot, long? user)
    {
        var context = new JsonObject
        {
            ["allowPrivilegeEscalation"] = false,
            ["readOnlyRootFilesystem"] = readOnlyRoot,
            ["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") },
        };
        if (user is { } uid)
        {
            context["runAsUser"] = uid;
        }

        return context;
    }

    private static JsonObject Mount(string volume, string path, bool isReadOnly = false) =>
        new() { ["name"] = volume, ["mountPath"] = path, ["readOnly"] = isReadOnly };

    private static JsonArray Environment(params ReadOnlySpan<(string Name, string Value)> variables)
    {
        var list = new JsonArray();
        foreach (var (name, value) in variables)
        {
            list.Add(new JsonObject { ["name"] = name, ["value"] = value });
        }

        return list;
    }

    private static JsonObject Map(IReadOnlyDictionary<string, string> values) =>
        new(values.Select(static pair => KeyValuePair.Create(pair.Key, (JsonNode?)JsonValue.Create(pair.Value))));
}
