using System.CommandLine;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary>
/// Registers a cluster: looks at the kube context and says what it found, reads issuer and keys through the API server, has a token made for the
/// server, sends the trial and prints the report. The token is fresh, lives ten minutes and is kept nowhere.
/// </summary>
internal sealed class RegisterWizard(CliContext context, ParseResult arguments, ApiClient api, RegisterAnswers answers)
{
    private const int TokenSeconds = 600;
    private readonly Questions _questions = new(context.Console, answers.Yes);

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var kube = await OpenAsync(cancellationToken);
        var version = await kube.GetVersionAsync(cancellationToken);
        var issuer = await kube.GetIssuerAsync(cancellationToken);
        var keys = await kube.GetKeysAsync(cancellationToken);
        context.Say($"API server  {kube.Server}  {version}");
        context.Say($"issuer      {issuer}");
        context.Say($"keys        {(keys["keys"] as JsonArray)?.Count ?? 0}");

        var slug = AskSlug();
        var @namespace = _questions.Text(answers.Namespace, "--namespace", "Namespace of the runner's service account?", "lanyard", Slug.IsValid, "a Kubernetes name is wanted");
        var account = _questions.Text(answers.ServiceAccount ?? (answers.Install is null ? null : RunnerInstall.ServiceAccount), "--service-account", "Its name?", "lanyard-runner", IsServiceAccountName, "a Kubernetes name is wanted");
        await EnsureAsync(kube, @namespace, account, cancellationToken);

        var spec = new JsonObject
        {
            ["issuer"] = issuer,
            ["keys"] = new JsonObject(),
            ["runner"] = new JsonObject { ["namespace"] = @namespace, ["serviceAccount"] = account },
            ["apiServerVersion"] = version,
        };
        var cluster = await TryKeysAsync(kube, spec, keys, slug, cancellationToken);
        if (cluster is null)
        {
            context.Say("Nothing was registered.");
            return ExitCode.No;
        }

        context.Say($"registered {answers.Workspace}/{slug}");
        await RunnerOptions.CreateAsync(api, answers.Runner, cluster, context, cancellationToken);
        if (answers.Install is { } install)
        {
            // Where the server fetches the keys itself there is nothing to push.
            var pusher = cluster["spec"]?["keys"]?["pusher"] is null ? null : answers.Pusher;
            var place = new InstallPlace(answers.Workspace, @namespace, api.Server, context.Authorities(arguments), pusher, answers.ReviewTokens);
            await RunnerInstall.ApplyAsync(install, answers, place, context, cancellationToken);
        }

        context.Print(arguments, cluster, writer => writer.WriteLine($"{slug} {HttpCall.Text(cluster["id"])}"));
        return ExitCode.Done;
    }

    private async Task<KubeApi> OpenAsync(CancellationToken cancellationToken)
    {
        if (answers.Kubectl)
        {
            var proxy = await KubectlProxy.StartAsync(answers.Kubeconfig, answers.Context, cancellationToken);
            return new KubeApi("http://localhost", proxy.Http, proxy);
        }

        var kube = Kubeconfig.Load(answers.Kubeconfig, answers.Context, context.Console);
        context.Say($"context     {Printing.Plain(kube.Name)}");
        return new KubeApi(kube.Server, await KubeTransport.CreateAsync(kube, cancellationToken));
    }

    private string AskSlug()
    {
        var proposal = answers.Context is { } name && Slug.IsValid(name) ? name : null;
        return _questions.Text(answers.Slug, "--slug", $"Name of the cluster in {answers.Workspace}?", proposal, Slug.IsValid, "a-z, 0-9 and - are wanted");
    }

    private async Task EnsureAsync(KubeApi kube, string @namespace, string account, CancellationToken cancellationToken)
    {
        if (!await kube.ExistsAsync($"/api/v1/namespaces/{@namespace}", cancellationToken))
        {
            Agree($"namespace {@namespace}");
            await kube.CreateAsync("/api/v1/namespaces", Named("Namespace", @namespace), cancellationToken);
        }

        if (!await kube.ExistsAsync($"/api/v1/namespaces/{@namespace}/serviceaccounts/{account}", cancellationToken))
        {
            Agree($"service account {@namespace}/{account}");
            await kube.CreateAsync($"/api/v1/namespaces/{@namespace}/serviceaccounts", Named("ServiceAccount", account), cancellationToken);
        }
    }

    private void Agree(string what)
    {
        if (!answers.Create && !_questions.Confirm($"There is no {what}. Create it?", proposal: false))
        {
            throw new CommandStopped(ExitCode.Usage, $"there is no {what}; create it, or add --create.");
        }

        context.Say($"creating {what}");
    }

    /// <summary>Discovery first where the issuer looks reachable; the server has the last word, and then the keys are uploaded.</summary>
    private async Task<JsonObject?> TryKeysAsync(KubeApi kube, JsonObject spec, JsonObject keys, string slug, CancellationToken cancellationToken)
    {
        var issuer = HttpCall.Text(spec["issuer"])!;
        var discovery = answers.Keys == KeyChoice.Discovery
            || (answers.Keys == KeyChoice.Auto && await IssuerProbe.IsReachableAsync(issuer, cancellationToken));
        if (discovery)
        {
            context.Say("reachable: the server will fetch the keys from the issuer");
            spec["keys"] = new JsonObject { ["discovery"] = true };
            var (cluster, keysFailed) = await TryAsync(kube, spec, slug, cancellationToken);
            if (cluster is not null || !keysFailed || answers.Keys == KeyChoice.Discovery)
            {
                return cluster;
            }
        }

        context.Say("private: the keys are uploaded");
        spec["keys"] = await UploadedAsync(kube, keys, HttpCall.Text(spec["runner"]!["namespace"])!, cancellationToken);
        return (await TryAsync(kube, spec, slug, cancellationToken)).Cluster;
    }

    private async Task<JsonObject> UploadedAsync(KubeApi kube, JsonObject keys, string @namespace, CancellationToken cancellationToken)
    {
        var uploaded = new JsonObject { ["jwks"] = keys.DeepClone() };
        if (answers.Pusher is { } pusher)
        {
            await EnsureAsync(kube, @namespace, pusher, cancellationToken);
            uploaded["pusher"] = new JsonObject { ["namespace"] = @namespace, ["serviceAccount"] = pusher };
            if (answers.ApproveKeys)
            {
                uploaded["requireApproval"] = true;
            }

            if (answers.ReviewTokens)
            {
                uploaded["review"] = true;
            }
        }

        return uploaded;
    }

    private async Task<(JsonObject? Cluster, bool KeysFailed)> TryAsync(KubeApi kube, JsonObject spec, string slug, CancellationToken cancellationToken)
    {
        var runner = spec["runner"]!;
        var token = await kube.RequestTokenAsync(HttpCall.Text(runner["namespace"])!, HttpCall.Text(runner["serviceAccount"])!, api.Server, TokenSeconds, cancellationToken);
        var path = $"/v1/workspaces/{answers.Workspace}/clusters/{slug}";
        var present = await api.SendAsync(HttpMethod.Get, path, cancellationToken: cancellationToken);
        if (!present.IsSuccess && present.Status != HttpStatusCode.NotFound)
        {
            throw ApiClient.Stopped(present, path);
        }

        if (present.IsSuccess && !answers.Yes && !_questions.Confirm($"{answers.Workspace}/{slug} is registered. Replace it?", proposal: false))
        {
            throw new CommandStopped(ExitCode.Usage, $"{answers.Workspace}/{slug} is registered already; choose another --slug, or add --yes to replace it.");
        }

        var etag = present.ETag is { } tag ? EntityTagHeaderValue.Parse(tag) : null;
        var body = new JsonObject { ["spec"] = spec.DeepClone(), ["token"] = token };
        var answer = await api.SendAsync(HttpMethod.Put, path, body, etag, onlyIfNew: !present.IsSuccess, cancellationToken);
        return Report(answer, path);
    }

    private (JsonObject? Cluster, bool KeysFailed) Report(ApiAnswer answer, string path)
    {
        var cluster = answer.IsSuccess ? answer.Json as JsonObject : null;
        var report = TrialView.Find(answer.IsSuccess ? (cluster?["status"] as JsonObject)?["report"] : (answer.Json as JsonObject)?["report"]);
        if (report is null)
        {
            return answer.IsSuccess ? (cluster, false) : throw ApiClient.Stopped(answer, path);
        }

        TrialView.Write(context.Console.Error, report);
        return (cluster, report.Lines.Any(line => line is { Name: "keys", Ok: false }));
    }

    private static JsonObject Named(string kind, string name) =>
        new() { ["apiVersion"] = "v1", ["kind"] = kind, ["metadata"] = new JsonObject { ["name"] = name } };

    /// <summary>A DNS subdomain (RFC 1123), as service accounts may be called; it goes into a path.</summary>
    private static bool IsServiceAccountName(string name) => name.Length <= 253 && name.Split('.').All(Slug.IsValid);
}
