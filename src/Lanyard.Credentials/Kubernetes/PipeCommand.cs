using System.Globalization;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>
/// <c>lanyard pipe</c>: what Bitbucket's pipe aws-eks-kubectl-run does, told by environment variables alone, so that it is a container's entry point. The cluster is an EKS
/// cluster (<c>CLUSTER_NAME</c>, <c>AWS_OIDC_ROLE_ARN</c>) or behind a cluster proxy (<c>LANYARD_CLUSTER_SERVER</c>), the token is the job's own, and kubectl is kubectl.
/// </summary>
internal sealed class PipeCommand(Func<string, string?> environment, TextWriter diagnosis, KubeCommands kube)
{
    public const string Usage =
        """
        usage: lanyard pipe        everything is said by variables:

        KUBECTL_COMMAND            such as "get pods"; apply adds labels and needs RESOURCE_PATH
        KUBECTL_ARGS               further arguments: words, or a list (KUBECTL_ARGS_COUNT, KUBECTL_ARGS_0 …)
        RESOURCE_PATH              of apply: a file or folder; KUBECTL_APPLY_ARGS before it (default -f)
        LABELS                     of apply: NAME=VALUE, words or a list; WITH_DEFAULT_LABELS=false leaves out those that name the commit and the step
        CLUSTER_NAME               with AWS_OIDC_ROLE_ARN and AWS_DEFAULT_REGION an EKS cluster; ROLE_ARN is a second role, which the first takes on and the cluster knows
                                   with LANYARD_CLUSTER_SERVER, LANYARD_CLUSTER_CA_FILE and LANYARD_CLUSTER_AUDIENCE a cluster proxy
        DEBUG=true                 says which commands are run; tokens are in none of them

        exit codes: kubectl's own; 1 refused · 2 wrong usage · 3 no identity in this environment · 4 could not be reached
        """;

    private const int MostItems = 200;

    /// <summary>What the pipe's own default labels are called, and from which variable each comes.</summary>
    private static readonly (string Label, string Variable)[] DefaultLabels =
    [
        ("bitbucket.org/bitbucket_commit", "BITBUCKET_COMMIT"), ("bitbucket.org/bitbucket_deployment_environment", "BITBUCKET_DEPLOYMENT_ENVIRONMENT"),
        ("bitbucket.org/bitbucket_repo_owner", "BITBUCKET_REPO_OWNER"), ("bitbucket.org/bitbucket_repo_slug", "BITBUCKET_REPO_SLUG"),
        ("bitbucket.org/bitbucket_build_number", "BITBUCKET_BUILD_NUMBER"), ("bitbucket.org/bitbucket_step_triggerer_uuid", "BITBUCKET_STEP_TRIGGERER_UUID"),
    ];

    public async Task<int> RunAsync()
    {
        var words = Words.Parse(environment("ROLE_ARN") is { Length: > 0 } second ? [ClusterTarget.AssumeRole, second] : [], ClusterTarget.AssumeRole);
        var command = Split(words, "KUBECTL_COMMAND", environment("KUBECTL_COMMAND")) ?? [];
        if (command.Length == 0) words.Mistakes.Add("KUBECTL_COMMAND is needed");
        var more = List(words, "KUBECTL_ARGS");
        if (command is ["apply"])
        {
            var path = environment("RESOURCE_PATH") is { Length: > 0 } given ? given : null;
            if (path is null) words.Mistakes.Add("RESOURCE_PATH is needed for apply");
            else if (!Path.Exists(path)) words.Mistakes.Add("RESOURCE_PATH must be a file or folder that is there");
            var how = Split(words, "KUBECTL_APPLY_ARGS", environment("KUBECTL_APPLY_ARGS") is { Length: > 0 } said ? said : "-f") ?? [];
            var labels = Labels(words);
            return await kube.PipeAsync(words, labels.Count == 0
                ? (run, _) => run([.. command, .. how, path!, .. more], null)
                : (run, read) => ApplyAsync(run, read, how, path!, labels, more), Debug);
        }

        return await kube.PipeAsync(words, (run, _) => run([.. command, .. more], null), Debug);
    }

    private Action<IEnumerable<string>>? Debug => environment("DEBUG") is "true" ? words => diagnosis.WriteLine($"+ kubectl {string.Join(' ', words)}") : null;

    /// <summary>kubectl itself writes the labels, without a cluster, and applies what it wrote: the documents are read by nobody else.</summary>
    private static async Task<int> ApplyAsync(KubectlRun run, KubectlRead read, string[] how, string path, IReadOnlyList<string> labels, string[] more)
    {
        var (code, labelled) = await read(["label", .. how, path, "--local", "--overwrite", "-o", "json", .. labels]);
        return code != 0 ? code : await run(["apply", "-f", "-", .. more], labelled);
    }

    private List<string> Labels(Words words)
    {
        var labels = new List<string>();
        if (environment("WITH_DEFAULT_LABELS") is not ("false" or "False"))
        {
            foreach (var (label, variable) in DefaultLabels)
                if (environment(variable) is { Length: > 0 } value && IsValue(value.Trim('{', '}')) && value.Trim('{', '}') is { Length: > 0 } usable) labels.Add($"{label}={usable}");
        }

        foreach (var label in List(words, "LABELS"))
        {
            var at = label.IndexOf('=', StringComparison.Ordinal);
            if (at > 0 && IsName(label[..at]) && IsValue(label[(at + 1)..])) labels.Add(label);
            else words.Mistakes.Add("LABELS: each must be NAME=VALUE, of what Kubernetes takes as a label");
        }

        return labels;
    }

    private static bool IsName(string name) => name.Length <= 317 && name[0] != '-' && name.Count('/') <= 1 && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '/');

    private static bool IsValue(string value) => value.Length <= 63 && value.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')
        && (value.Length == 0 || (char.IsAsciiLetterOrDigit(value[0]) && char.IsAsciiLetterOrDigit(value[^1])));

    /// <summary>A variable with words, or a list as Bitbucket hands one to a pipe: <c>NAME_COUNT</c>, <c>NAME_0</c> and so on.</summary>
    private string[] List(Words words, string name)
    {
        if (environment(name + "_COUNT") is not { Length: > 0 } count) return Split(words, name, environment(name)) ?? [];
        if (int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var items) && items <= MostItems)
            return [.. Enumerable.Range(0, items).Select(index => environment($"{name}_{index.ToString(CultureInfo.InvariantCulture)}") ?? "")];
        words.Mistakes.Add($"{name}_COUNT must be at most {MostItems}");
        return [];
    }

    private static string[]? Split(Words words, string name, string? text)
    {
        var split = ShellWords.Split(text ?? "");
        if (split is null) words.Mistakes.Add($"{name}: every quote must be closed");
        return split;
    }
}

/// <summary>Runs kubectl on this terminal.</summary>
/// <param name="input">Its standard input; null: ours.</param>
internal delegate Task<int> KubectlRun(IReadOnlyList<string> arguments, string? input);

/// <summary>Runs kubectl and takes its standard output.</summary>
internal delegate Task<(int Code, string Output)> KubectlRead(IReadOnlyList<string> arguments);
