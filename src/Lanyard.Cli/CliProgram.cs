using System.CommandLine;
using System.CommandLine.Help;
using Lanyard.Cli.Admins;
using Lanyard.Cli.Audit;
using Lanyard.Cli.Clusters;
using Lanyard.Cli.Completion;
using Lanyard.Cli.Definitions;
using Lanyard.Cli.Explain;
using Lanyard.Cli.Issuers;
using Lanyard.Cli.Machines;
using Lanyard.Cli.Resources;
using Lanyard.Cli.Runners;
using Lanyard.Cli.Runs;

namespace Lanyard.Cli;

/// <summary>
/// The admin commands of <c>lanyard</c>, one file a command. Results go to standard output, diagnosis to standard error, and the exit code
/// says which kind of end it was (<see cref="ExitCode"/>). Nothing here has a door of its own: all is HTTP to <c>/v1</c>.
/// </summary>
public static class CliProgram
{
    /// <summary>An admin's words behind <c>runner</c>.</summary>
    internal static readonly string[] WordsOfRunners = ["approve", "requests", "pause", "resume", "cordon", "drain"];

    private static readonly string[] ValuesFollow = ["--server", "--ca-file", "--admin-key", "--token-file", "--output", "-o"];

    /// <summary><c>runner</c> without one of its admin words is the runner itself; <c>pod</c> is what it starts in pods.</summary>
    /// <param name="usages">Usage texts of the programs beside this one, whose commands are completed too.</param>
    public static Task<int> RunAsync(string[] args, Func<IEnumerable<string>> usages) => args is ["pod", .. var rest]
        ? Runner.Pods.PodCommand.RunAsync(rest)
        : IsRunner(args)
        ? Runner.RunnerCommand.RunAsync(args[1..], CancellationToken.None)
        : RunAsync(args, CliConsole.System(), CancellationToken.None, usages);

    /// <summary>An admin's word stands where a command stands, after options of the connection at most: <c>--label requests</c> is a runner's label.</summary>
    internal static bool IsRunner(string[] args)
    {
        if (args is not ["runner", .. var rest])
            return false;
        while (rest.Length > 0 && ValuesFollow.FirstOrDefault(name => IsOption(rest[0], name)) is { } known)
            rest = rest[Math.Min(rest.Length, rest[0] == known ? 2 : 1)..];
        return rest is not [var word, ..] || !WordsOfRunners.Contains(word, StringComparer.Ordinal);
    }

    private static bool IsOption(string word, string name) => word == name || word.StartsWith(name + "=", StringComparison.Ordinal);

    internal static async Task<int> RunAsync(string[] args, CliConsole console, CancellationToken cancellationToken, Func<IEnumerable<string>>? usages = null)
    {
        if (Suggestions.AreAsked(args))
        {
            foreach (var word in new Suggestions(Build(new CliContext(console), withRunner: true), usages?.Invoke() ?? []).For(args)) console.Out.WriteLine(word);
            return ExitCode.Done;
        }

        var parsed = Unbundling.Parse(Build(new CliContext(console)), args);
        var mistakes = ParseMistakes.Of(parsed).ToList();
        if (mistakes.Count > 0)
        {
            mistakes.ForEach(console.Error.WriteLine);
            console.Error.WriteLine($"See {ParseMistakes.CommandOf(parsed)} --help.");
            return ExitCode.Usage;
        }

        // Of a hidden command the library prints no help; who asks for it knows the word.
        if (parsed.Action is HelpAction) parsed.CommandResult.Command.Hidden = false;
        try
        {
            var how = new InvocationConfiguration { Output = console.Out, Error = console.Error, EnableDefaultExceptionHandler = false };
            return await parsed.InvokeAsync(how, cancellationToken);
        }
        catch (CommandStopped stopped)
        {
            console.Error.WriteLine(stopped.Message);
            return stopped.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or FileNotFoundException or DirectoryNotFoundException or PathTooLongException)
        {
            // A file that an option names; no connection ends so.
            console.Error.WriteLine(exception.Message);
            return ExitCode.Usage;
        }
        catch (IOException exception)
        {
            console.Error.WriteLine($"the connection broke: {exception.Message}");
            return ExitCode.Unreachable;
        }
    }

    /// <param name="withRunner">The options of the runner itself too, which another parser reads.</param>
    private static RootCommand Build(CliContext context, bool withRunner = false)
    {
        var root = new RootCommand(
            "Lanyard: identities for the machines that build and deploy software.\n\n"
            + "Exit codes: 0 done · 1 the answer is no · 2 not understood · 3 refused by the server · 4 unreachable or failing · 5 not authenticated.");
        context.Options.AddTo(root);
        ListPrograms(root);
        root.Subcommands.Add(Demo.DemoCommand.Create(context));
        root.Subcommands.Add(Verify.VerifyCommand.Create(context));
        root.Subcommands.Add(ApplyCommand.Create(context));
        root.Subcommands.Add(DiffCommand.Create(context));
        root.Subcommands.Add(GetCommand.Create(context));
        root.Subcommands.Add(DeleteCommand.Create(context));
        root.Subcommands.Add(RunCommand.Create(context));
        root.Subcommands.Add(RunsCommand.Create(context));
        root.Subcommands.Add(LogsCommand.Create(context));
        root.Subcommands.Add(CancelCommand.Create(context));
        root.Subcommands.Add(WhyCommand.Create(context));
        root.Subcommands.Add(PlanCommands.Approve(context));
        root.Subcommands.Add(PlanCommands.Discard(context));
        root.Subcommands.Add(InfrastructureStateCommand.Create(context));
        root.Subcommands.Add(StateCommand.OfCollections(context));
        root.Subcommands.Add(RunnerCommand.Create(context));
        if (withRunner) AddRunnerOptions(root);
        root.Subcommands.Add(ClusterCommand.Create(context));
        root.Subcommands.Add(MachineCommand.Create(context));
        root.Subcommands.Add(CacheCommand.Create(context));
        root.Subcommands.Add(IssuerCommand.Create(context));
        root.Subcommands.Add(SubjectCommand.Create(context));
        root.Subcommands.Add(TrustPolicies.TrustPolicyCommand.Create(context));
        root.Subcommands.Add(TrustPolicies.PolicyTestCommand.Create(context));
        root.Subcommands.Add(Revocations.RevokeCommand.Create(context));
        root.Subcommands.Add(Lint.LintCommand.Create(context));
        root.Subcommands.Add(Lint.PresetCommand.Create(context));
        root.Subcommands.Add(AdminKeyCommand.Create(context));
        root.Subcommands.Add(AuditCommand.Create(context));
        root.Subcommands.Add(ExplainCommand.Create(context));
        root.Subcommands.Add(CompletionCommand.Create(context));
        SameWords.Take(root);
        return root;
    }

    private static void AddRunnerOptions(RootCommand root)
    {
        var runner = root.Subcommands.Single(static command => command.Name == "runner");
        foreach (var option in new Runner.RunnerOptionSet().CreateCommand().Options.Where(option => root.Options.All(known => known.Name != option.Name))) runner.Options.Add(option);
    }

    /// <summary>The words that <c>lanyard</c> answers with other programs of its own; they are here so that <c>--help</c> names them.</summary>
    private static void ListPrograms(RootCommand root)
    {
        root.Subcommands.Add(new Command("server", "The control plane; see lanyard server --help."));
        root.Subcommands.Add(new Command("cluster-proxy", "kubectl with a pipeline's own token: the proxy before an API server."));
        root.Subcommands.Add(new Command("token", "In a run: print an identity token of the run."));
        root.Subcommands.Add(new Command("kubectl", "In a pipeline: run kubectl with the pipeline's own token."));
        root.Subcommands.Add(new Command("kubeconfig", "In a pipeline: write a kubeconfig that asks for the pipeline's own token."));
        root.Subcommands.Add(new Command("credential", "In a pipeline: be the credential helper of kubectl, AWS, Google Cloud, Azure, Vault, git and others."));
        root.Subcommands.Add(new Command("pipe", "In a pipeline: what Bitbucket's pipe aws-eks-kubectl-run does, by environment variables."));
        root.Subcommands.Add(new Command("access-entry", "Write and check the cluster proxy's files of access entries."));
    }
}
