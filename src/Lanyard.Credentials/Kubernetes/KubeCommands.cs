using Lanyard.Credentials.Aws;
using Lanyard.Credentials.Pipelines;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>
/// <c>lanyard kubeconfig</c>, <c>lanyard kubectl</c> and the exec plugin behind both, <c>lanyard credential kube|eks</c>. A pipeline's own token
/// is all that they need: through the cluster proxy it goes as it is, for EKS it is first turned into a role's credentials.
/// </summary>
internal sealed class KubeCommands(Func<string, string?> environment, TextWriter output, TextWriter diagnosis)
{
    public const string Usage =
        """
        usage: lanyard kubeconfig --cluster NAME [CLUSTER] [TOKEN] [--exec-api v1beta1|v1] [--output FILE]
               lanyard kubectl --cluster NAME [CLUSTER] [TOKEN] [--kubectl PROGRAM] [-- ARGUMENT…]
               lanyard credential kube --audience AUDIENCE [TOKEN]
               lanyard credential eks --cluster NAME [--region REGION] [--role-arn ARN] [--assume-role-arn ARN] [TOKEN]

        CLUSTER:  a cluster proxy: --server URL [--certificate-authority FILE] [--audience AUDIENCE]
                  EKS itself: [--eks] [--region REGION] [--role-arn ARN] [--assume-role-arn ARN]; the second role is taken on by the first
                  or an entry of --clusters FILE
                  LANYARD_CLUSTER[_SERVER|_CA_FILE|_AUDIENCE], LANYARD_CLUSTERS, CLUSTER_NAME, AWS_DEFAULT_REGION and AWS_OIDC_ROLE_ARN say the same; without --, KUBECTL_COMMAND is run
        TOKEN:    found by itself in GitHub Actions, Bitbucket, Buildkite, CircleCI, Spacelift, HCP Terraform, Azure DevOps, a Lanyard run, and in GitLab as LANYARD_ID_TOKEN
                  or --token-source SOURCE (github, gitlab, bitbucket, buildkite, circleci, spacelift, terraform, azure-devops, lanyard, file), --token-file FILE, --token-variable NAME

        exit codes: 0 done · 1 refused · 2 wrong usage · 3 no identity in this environment · 4 could not be reached; kubectl's own
        """;

    private static readonly string[] TargetOptions = [.. ClusterTarget.Options, .. TokenSource.Options];

    /// <summary>Writes a kubeconfig; its path by <c>--output</c>, <c>KUBECONFIG</c>, or else kubectl's own default.</summary>
    public async Task<int> KubeconfigAsync(string[] args)
    {
        var words = Words.Parse(args, [.. TargetOptions, "--exec-api", "--output"]);
        var target = ClusterTarget.Resolve(words, environment);
        var source = TokenSource.Resolve(words, environment);
        var api = ReadExecApi(words);
        var home = environment("HOME");
        var file = words.Text("--output", environment, "KUBECONFIG") ?? (string.IsNullOrEmpty(home) ? null : Path.Combine(home, ".kube", "config"));
        if (file is null || file.Contains(':', StringComparison.Ordinal))
        {
            words.Mistakes.Add("--output must say one file: KUBECONFIG and HOME do not");
        }
        else if (!words.Has("--output") && File.Exists(file))
        {
            words.Mistakes.Add("there is a kubeconfig already: say --output to write elsewhere or to replace it");
        }

        if (words.Rest is not null)
        {
            words.Mistakes.Add("nothing may follow --");
        }

        if (words.Mistakes.Count > 0)
        {
            return await MistakenAsync(words);
        }

        var (located, code) = await LocateAsync(target!, source!);
        if (located is null)
        {
            return code;
        }

        KubeconfigFile.Write(file!, located, api, Plugin(located, source!));
        await output.WriteLineAsync(file);
        return ExitCodes.Done;
    }

    /// <summary>Runs kubectl with a kubeconfig of its own, in a folder that only we can read and that is gone afterwards.</summary>
    public async Task<int> KubectlAsync(string[] args)
    {
        var words = Words.Parse(args, [.. TargetOptions, "--exec-api", "--kubectl"]);
        var target = ClusterTarget.Resolve(words, environment);
        var source = TokenSource.Resolve(words, environment);
        var api = ReadExecApi(words);
        var arguments = words.Rest ?? ShellWords.Split(environment("KUBECTL_COMMAND") ?? "");
        if (arguments is null or [])
        {
            words.Mistakes.Add("kubectl's arguments must follow -- (or be in KUBECTL_COMMAND, every quote closed)");
        }

        if (words.Mistakes.Count > 0)
        {
            return await MistakenAsync(words);
        }

        var (located, code) = await LocateAsync(target!, source!);
        var kubectl = words.Text("--kubectl", environment, "LANYARD_KUBECTL") ?? "kubectl";
        return located is null ? code : await WithKubeconfigAsync(located, source!, api, async file => await KubectlProcess.RunAsync(kubectl, arguments!, file) ?? await NotStartedAsync());
    }

    /// <summary>The exec plugin of a cluster proxy's kubeconfig: the pipeline's token as it is.</summary>
    public async Task<int> KubeCredentialAsync(string[] args)
    {
        var words = Words.Parse(args, ["--audience", .. TokenSource.Options]);
        var source = TokenSource.Resolve(words, environment);
        var version = ReadExecInfo(words);
        if (words.Text("--audience", environment) is not { } audience)
        {
            words.Mistakes.Add("--audience is needed");
            return await MistakenAsync(words);
        }

        if (words.Mistakes.Count > 0)
        {
            return await MistakenAsync(words);
        }

        var answer = await PipelineToken.GetAsync(source!, audience, environment);
        if (answer.Token is not { } token)
        {
            return await FailedAsync(answer.Error!, answer.ExitCode);
        }

        DateTimeOffset? expires = TokenDescription.ExpiryOf(token) is { } seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
        await output.WriteLineAsync(ExecCredential.Write(version!, token, expires));
        return ExitCodes.Done;
    }

    /// <summary>The exec plugin of an EKS cluster's kubeconfig: what <c>aws eks get-token</c> prints, from the pipeline's token alone.</summary>
    public async Task<int> EksCredentialAsync(string[] args)
    {
        var words = Words.Parse(args, ["--cluster", "--region", "--role-arn", ClusterTarget.AssumeRole, "--audience", "--eks!", .. TokenSource.Options]);
        var source = TokenSource.Resolve(words, environment);
        var version = ReadExecInfo(words);
        var target = ClusterTarget.Resolve(words, name => name is "LANYARD_CLUSTER_SERVER" or "LANYARD_CLUSTERS" ? null : environment(name));
        if (words.Mistakes.Count > 0 || target is null)
        {
            return await MistakenAsync(words);
        }

        var session = await EksSession.AsClusterKnowsAsync(target, source!, environment, TimeProvider.System);
        if (session.Credentials is null)
        {
            return await FailedAsync(session.Error!, session.ExitCode);
        }

        var now = TimeProvider.System.GetUtcNow();
        var token = EksToken.Create(session.Credentials, AwsEndpoint.Sts(target.Region!, environment)!, target.Region!, target.Name, now);
        await output.WriteLineAsync(ExecCredential.Write(version!, token, now + EksToken.Life));
        return ExitCodes.Done;
    }

    /// <summary>For <see cref="PipeCommand"/>: all mistakes first, then what it wants of kubectl, with one kubeconfig for all of it.</summary>
    public async Task<int> PipeAsync(Words words, Func<KubectlRun, KubectlRead, Task<int>> work, Action<IEnumerable<string>>? tell)
    {
        var (target, source) = (ClusterTarget.Resolve(words, environment), TokenSource.Resolve(words, environment));
        if (words.Mistakes.Count > 0) return await MistakenAsync(words, PipeCommand.Usage);
        var (located, code) = await LocateAsync(target!, source!);
        var kubectl = environment("LANYARD_KUBECTL") is { Length: > 0 } named ? named : "kubectl";
        return located is null ? code : await WithKubeconfigAsync(located, source!, ExecCredential.V1Beta1, file => work(
            async (arguments, input) =>
            {
                tell?.Invoke(arguments);
                return await KubectlProcess.RunAsync(kubectl, arguments, file, input) ?? await NotStartedAsync();
            },
            async arguments =>
            {
                tell?.Invoke(arguments);
                var (exit, said) = await KubectlProcess.ReadAsync(kubectl, arguments, file);
                return (exit ?? await NotStartedAsync(), said);
            }));
    }

    private Task<int> NotStartedAsync() => FailedAsync("kubectl can't be started: put it on the PATH or say --kubectl", ExitCodes.Unreachable);

    private static async Task<int> WithKubeconfigAsync(ClusterTarget target, TokenSource source, string api, Func<string, Task<int>> work)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-kubectl-").FullName;
        try
        {
            var file = Path.Combine(folder, "kubeconfig");
            KubeconfigFile.Write(file, target, api, Plugin(target, source));
            return await work(file);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>An EKS cluster's address and authority come from <c>eks:DescribeCluster</c>; a proxy's are known.</summary>
    private async Task<(ClusterTarget? Target, int ExitCode)> LocateAsync(ClusterTarget target, TokenSource source)
    {
        if (target.Server is not null)
        {
            return (target, ExitCodes.Done);
        }

        var session = await EksSession.StartAsync(target, source, environment, TimeProvider.System);
        if (session.Credentials is null)
        {
            return (null, await FailedAsync(session.Error!, session.ExitCode));
        }

        var found = await EksClient.DescribeAsync(target, session.Credentials, environment, TimeProvider.System);
        return found.Target is null ? (null, await FailedAsync(found.Error!, found.ExitCode)) : (found.Target, ExitCodes.Done);
    }

    private static List<string> Plugin(ClusterTarget target, TokenSource source)
    {
        // Under `dotnet lanyard.dll` the program's own file comes second.
        var own = Environment.ProcessPath!;
        List<string> command = Path.GetFileNameWithoutExtension(own) is "dotnet" ? [own, Path.GetFullPath(Environment.GetCommandLineArgs()[0])] : [own];
        command.AddRange(target.RoleArn is { } role
            ? ["credential", "eks", "--cluster", target.Name, "--region", target.Region!, "--role-arn", role, .. target.AssumedRoleArn is { } assumed ? (string[])[ClusterTarget.AssumeRole, assumed] : []]
            : ["credential", "kube"]);
        return [.. command, "--audience", target.Audience, .. source.AsOptions()];
    }

    private string ReadExecApi(Words words)
    {
        var api = words.Text("--exec-api", environment) ?? "v1beta1";
        if (api is not ("v1" or "v1beta1"))
        {
            words.Mistakes.Add("--exec-api must be v1beta1 or v1");
        }

        return api is "v1" ? ExecCredential.V1 : ExecCredential.V1Beta1;
    }

    private string? ReadExecInfo(Words words)
    {
        var version = ExecCredential.VersionFor(environment("KUBERNETES_EXEC_INFO"));
        if (version is null)
        {
            words.Mistakes.Add("KUBERNETES_EXEC_INFO asks for a version other than client.authentication.k8s.io/v1 and v1beta1");
        }

        return version;
    }

    private async Task<int> MistakenAsync(Words words, string usage = Usage)
    {
        foreach (var mistake in words.Mistakes) await diagnosis.WriteLineAsync($"lanyard: {mistake}");
        await diagnosis.WriteLineAsync(CredentialsProgram.Wrapped(usage));
        return ExitCodes.Usage;
    }

    private async Task<int> FailedAsync(string error, int exitCode)
    {
        await diagnosis.WriteLineAsync($"lanyard: {error}");
        return exitCode;
    }
}
