using System.CommandLine;
using Lanyard.Cli.Resources;

namespace Lanyard.Cli.Clusters;

/// <summary>How the server is to get a cluster's keys.</summary>
internal enum KeyChoice
{
    /// <summary>Discovery where the issuer answers anonymously on a public name, else uploaded.</summary>
    Auto,
    Discovery,
    Uploaded,
}

/// <summary>The flags of <c>lanyard cluster register</c>, each of them the answer to a question of <see cref="RegisterWizard"/>.</summary>
internal sealed record RegisterAnswers(
    string? Kubeconfig, string? Context, bool Kubectl, string? Namespace, string? ServiceAccount, bool Create, KeyChoice Keys, string Workspace, string? Slug, bool Yes, WantedRunner? Runner,
    string? Pusher = null, bool ApproveKeys = false, WantedInstall? Install = null, bool ReviewTokens = false);

/// <summary><c>lanyard cluster register</c>: the wizard's command line.</summary>
internal static class RegisterCommand
{
    public static Command Create(CliContext context)
    {
        var kubeconfig = new Option<string?>("--kubeconfig") { Description = "default: KUBECONFIG, else ~/.kube/config" };
        var kubeContext = new Option<string?>("--context") { Description = "default: the current one" };
        var kubectl = new Option<bool>("--kubectl") { Description = "speak to the API server through kubectl, for logins that only it knows" };
        var @namespace = new Option<string?>("--namespace") { Description = "of the runner's service account (default: lanyard)" };
        var serviceAccount = new Option<string?>("--service-account") { Description = "that stands for the runner (default: lanyard-runner)" };
        var create = new Option<bool>("--create") { Description = "create namespace and service account if they are missing" };
        var keys = new Option<KeyChoice>("--keys") { Description = "auto, discovery or uploaded" };
        var slug = new Option<string?>("--slug") { Description = "name of the cluster here (default: the context's name)" };
        var yes = new Option<bool>("--yes", "-y") { Description = "ask nothing: flags and defaults answer" };
        var pusher = new Option<string?>("--pusher") { Description = "service account in the same namespace that may push rotated keys of a private cluster later" };
        var approveKeys = new Option<bool>("--approve-keys") { Description = "with --pusher: pushed keys also wait for an admin" };
        var reviewTokens = new Option<bool>("--review-tokens") { Description = "with --pusher: its API server is asked about each token, through the runner (lanyard runner --review-tokens)" };
        var runner = new RunnerOptions();
        var install = new RunnerInstall();
        var scope = new ScopeOptions();
        var command = new Command("register", "Register the cluster of a kube context: a wizard whose every question is a flag.")
        {
            kubeconfig, kubeContext, kubectl, @namespace, serviceAccount, create, keys, slug, yes, pusher, approveKeys, reviewTokens,
        };
        scope.AddTo(command, withCollection: false);
        runner.AddTo(command);
        install.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var workspace = scope.GetWorkspace(arguments, context.Console);
            var wanted = runner.Read(arguments, workspace);
            var answers = new RegisterAnswers(
                arguments.GetValue(kubeconfig),
                arguments.GetValue(kubeContext),
                arguments.GetValue(kubectl),
                arguments.GetValue(@namespace),
                arguments.GetValue(serviceAccount),
                arguments.GetValue(create),
                arguments.GetValue(keys),
                workspace,
                arguments.GetValue(slug),
                arguments.GetValue(yes),
                wanted,
                arguments.GetValue(pusher),
                arguments.GetValue(approveKeys),
                install.Read(arguments, wanted is not null, arguments.GetValue(serviceAccount)),
                arguments.GetValue(reviewTokens));
            using var api = context.Connect(arguments);
            return await new RegisterWizard(context, arguments, api, answers).RunAsync(cancellationToken);
        });
        return command;
    }
}
