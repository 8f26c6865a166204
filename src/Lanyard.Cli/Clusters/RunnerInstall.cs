using System.CommandLine;
using System.Diagnostics;

namespace Lanyard.Cli.Clusters;

/// <summary>What <c>--install</c> was told.</summary>
/// <param name="Image">With this program; of the runner and of the container <c>lanyard</c> of every pod.</param>
/// <param name="StepImage">Of steps whose definition and collection name none.</param>
internal sealed record WantedInstall(string Image, string? StepImage);

/// <summary>Where the runner is put, and what it is told there.</summary>
/// <param name="Server">The instance's URL: where the runner calls, and the audience of its tokens.</param>
/// <param name="Authorities">PEM, where the instance's certificate is not of a public authority.</param>
/// <param name="Pusher">Service account as which it tells the server of the cluster's rotated keys; null: it does not.</param>
/// <param name="Reviews">With <paramref name="Pusher"/>: it also asks the API server about tokens, for the server.</param>
internal sealed record InstallPlace(string Workspace, string Namespace, string Server, string? Authorities, string? Pusher, bool Reviews);

/// <summary>
/// <c>lanyard cluster register --install</c>: an overlay of the Kustomize base in <c>deploy/kubernetes/runner</c> (it is part of this program), applied by
/// the kubectl of whoever registers. Nothing secret is in it: the runner proves itself by its service account.
/// </summary>
internal sealed class RunnerInstall
{
    /// <summary>The runner's, in the base.</summary>
    public const string ServiceAccount = "lanyard-runner";

    private const string Prefix = "Lanyard.Cli.RunnerBase.";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private readonly Option<bool> _install = new("--install") { Description = "also install the runner in the cluster, with kubectl (needs --runner and --image)" };
    private readonly Option<string?> _image = new("--image") { Description = "image of Lanyard, for --install" };
    private readonly Option<string?> _stepImage = new("--step-image") { Description = "with --install: image of steps whose definition and collection name none" };

    public void AddTo(Command command)
    {
        command.Options.Add(_install);
        command.Options.Add(_image);
        command.Options.Add(_stepImage);
    }

    /// <param name="serviceAccount">That was asked for; null: none.</param>
    public WantedInstall? Read(ParseResult arguments, bool hasRunner, string? serviceAccount)
    {
        var image = arguments.GetValue(_image);
        if (!arguments.GetValue(_install))
        {
            return image is null && arguments.GetValue(_stepImage) is null ? null : throw new CommandStopped(ExitCode.Usage, "--image, --step-image: only with --install.");
        }

        return (hasRunner, image) switch
        {
            _ when serviceAccount is not (null or ServiceAccount) => throw new CommandStopped(ExitCode.Usage, $"--install: the runner's service account is called {ServiceAccount}."),
            (false, _) => throw new CommandStopped(ExitCode.Usage, "--install: which runner? Give --runner NAME and --collection."),
            (_, null) => throw new CommandStopped(ExitCode.Usage, "--install: which image? Give --image."),
            _ => new WantedInstall(Checked(image), arguments.GetValue(_stepImage) is { } steps ? Checked(steps) : null),
        };
    }

    /// <summary>Applies the overlay, and says what kubectl said.</summary>
    public static async Task ApplyAsync(WantedInstall wanted, RegisterAnswers answers, InstallPlace place, CliContext context, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-install-").FullName;
        try
        {
            WriteOverlay(folder, wanted, place);
            context.Say((await KubectlAsync(answers, folder, cancellationToken)).TrimEnd());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void WriteOverlay(string folder, WantedInstall wanted, InstallPlace place)
    {
        var @base = Directory.CreateDirectory(Path.Combine(folder, "base")).FullName;
        var assembly = typeof(RunnerInstall).Assembly;
        foreach (var name in assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            File.WriteAllText(Path.Combine(@base, name[Prefix.Length..]), reader.ReadToEnd());
        }

        if (place.Authorities is not null)
        {
            File.WriteAllText(Path.Combine(folder, "authorities.pem"), place.Authorities);
        }

        File.WriteAllText(Path.Combine(folder, "keys.yaml"), place.Pusher is null ? "" : Keys(place.Namespace, place.Pusher) + (place.Reviews ? Reviews(place.Namespace) : ""));
        File.WriteAllText(Path.Combine(folder, "identity.yaml"), Identity(place.Server));
        File.WriteAllText(Path.Combine(folder, "kustomization.yaml"), Kustomization(wanted, place));
    }

    /// <summary>In words that kubectl's Kustomize has had since 1.14 and still has.</summary>
    private static string Kustomization(WantedInstall wanted, InstallPlace place)
    {
        var (name, tag) = wanted.Image.LastIndexOf(':') is var colon && colon > wanted.Image.LastIndexOf('/') && !wanted.Image.Contains('@', StringComparison.Ordinal)
            ? (wanted.Image[..colon], $"newTag: '{wanted.Image[(colon + 1)..]}'")
            : wanted.Image.Split('@') is [var bare, var digest] ? (bare, $"digest: '{digest}'") : (wanted.Image, "newTag: latest");
        return $"""
            namespace: {place.Namespace}
            bases: [base]
            resources: [{(place.Pusher is null ? "" : "keys.yaml")}]
            patchesStrategicMerge: [identity.yaml]
            images:
              - name: lanyard
                newName: {name}
                {tag}
            configMapGenerator:
              - name: lanyard-runner
                literals:
                  - LANYARD_SERVER={place.Server}
                  - LANYARD_WORKSPACE={place.Workspace}
                  - LANYARD_POD_IMAGE={wanted.Image}
                  - LANYARD_STEP_IMAGE={wanted.StepImage}
                  - LANYARD_PUSH_KEYS={(place.Pusher is null ? "" : $"{place.Namespace}/{place.Pusher}")}
                  - LANYARD_REVIEW_TOKENS={(place is { Pusher: not null, Reviews: true } ? "true" : "")}
            {(place.Authorities is null ? "" : OfAuthorities)}
            """;
    }

    /// <summary>As a variable for who looks whether there are any, and as a file, because that is renewed in a running pod.</summary>
    private const string OfAuthorities = """
              - LANYARD_CA_FILE=/var/run/lanyard/authorities.pem
            files: [LANYARD_AUTHORITIES=authorities.pem]
        """;

    /// <summary>The runner may make tokens of the pusher, and of nobody else.</summary>
    private static string Keys(string @namespace, string pusher) => $$"""
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: lanyard-runner-keys}
        rules: [{apiGroups: [""], resources: [serviceaccounts/token], resourceNames: ['{{pusher}}'], verbs: [create]}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: lanyard-runner-keys}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: lanyard-runner-keys}
        subjects: [{kind: ServiceAccount, name: lanyard-runner, namespace: {{@namespace}}}]

        """;

    /// <summary>And may ask about tokens, of the whole cluster.</summary>
    private static string Reviews(string @namespace) => $$"""
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: lanyard-runner-reviews-{{@namespace}}}
        rules: [{apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: lanyard-runner-reviews-{{@namespace}}}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lanyard-runner-reviews-{{@namespace}}}
        subjects: [{kind: ServiceAccount, name: lanyard-runner, namespace: {{@namespace}}}]
        """;

    private static string Identity(string server) => $"""
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: lanyard-runner
        spec:
          template:
            spec:
              volumes:
                - name: identity
                  projected:
                    sources:
                      - serviceAccountToken:
                          audience: "{server}"
                          expirationSeconds: 3600
                          path: token
        """;

    private static async Task<string> KubectlAsync(RegisterAnswers answers, string folder, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo("kubectl") { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] words =
        [
            .. answers.Kubeconfig is { } file ? new[] { $"--kubeconfig={file}" } : [], .. answers.Context is { } name ? new[] { $"--context={name}" } : [],
            "apply", "-k", folder,
        ];
        Array.ForEach(words, start.ArgumentList.Add);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        try
        {
            using var process = Process.Start(start)!;
            var (said, errors) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? await said : throw new CommandStopped(ExitCode.Refused, $"The cluster is registered; kubectl apply -k: {(await errors).Trim()}");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new CommandStopped(ExitCode.Usage, $"The cluster is registered; kubectl can't be started: {exception.Message}");
        }
    }

    /// <summary>It goes into a document: nothing of it may end a line or a word.</summary>
    private static string Checked(string image) => image.Length is > 0 and <= 255 && image.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '/' or ':' or '@')
        ? image
        : throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(image)} is no image.");
}
