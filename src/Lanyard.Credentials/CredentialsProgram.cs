using Lanyard.Credentials.Brokers;
using Lanyard.Credentials.Kubernetes;
using Lanyard.Protocol.Terminal;

namespace Lanyard.Credentials;

/// <summary>
/// The program behind <c>lanyard token</c>. It is started for every token that a step or an SDK asks for, so it is small: no host,
/// no command-line library, no reflection. It knows the runner's endpoint by the environment only, and keeps nothing.
/// </summary>
public static class CredentialsProgram
{
    private const string Usage =
        """
        usage: lanyard token [--audience AUDIENCE] [--subject NAME] [--format raw|json]

        Prints an identity token of this run for AUDIENCE; without --audience, for the workspace's default audience.
        --subject picks another of the subject templates that the run's definition has for the audience, by its name.
        Needs ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN, which a Lanyard runner (and GitHub Actions) sets.

        exit codes: 0 printed · 1 refused · 2 wrong usage · 3 no identity in this environment · 4 the endpoint could not be reached
        """;

    /// <summary>What its commands take, for completion.</summary>
    public static IEnumerable<string> Usages => [Usage, KubeCommands.Usage, BrokerCommands.Usage, PipeCommand.Usage];

    /// <summary>Runs the command in <paramref name="args"/>, whose first word is the command's name. Returns one of <see cref="ExitCodes"/>.</summary>
    public static Task<int> RunAsync(string[] args) => RunAsync(args, Environment.GetEnvironmentVariable, Console.Out, Console.Error);

    internal static async Task<int> RunAsync(string[] args, Func<string, string?> environment, TextWriter output, TextWriter diagnosis, TextReader? input = null)
    {
        if (args is ["--help" or "-h" or "help"] || (args is ["token", .. var words] && words.Any(static word => word is "--help" or "-h")))
        {
            await output.WriteLineAsync(Wrapped(Usage));
            return ExitCodes.Done;
        }

        if (args is ["credential", "--help" or "-h"])
        {
            await output.WriteLineAsync(Wrapped($"{BrokerCommands.Usage}\n\n{KubeCommands.Usage}"));
            return ExitCodes.Done;
        }

        if (args is ["credential", var kind, .. var given] && BrokerCommands.Has(kind))
        {
            if (given is ["--help" or "-h", ..])
            {
                await output.WriteLineAsync(Wrapped(BrokerCommands.Usage));
                return ExitCodes.Done;
            }

            return await new BrokerCommands(environment, input ?? Console.In, output, diagnosis, TimeProvider.System).RunAsync(kind, given);
        }

        if (args is ["pipe", ..])
        {
            if (args.Length == 1) return await new PipeCommand(environment, diagnosis, new KubeCommands(environment, output, diagnosis)).RunAsync();
            var isHelp = args is [_, "--help" or "-h"];
            await (isHelp ? output : diagnosis).WriteLineAsync(Wrapped(PipeCommand.Usage));
            return isHelp ? ExitCodes.Done : ExitCodes.Usage;
        }

        if (args is ["kubeconfig" or "kubectl" or "credential", .. var rest])
        {
            return await KubernetesAsync(args[0], rest, new KubeCommands(environment, output, diagnosis), output);
        }

        if (TokenArguments.Parse(args, out var mistake) is not { } arguments)
        {
            await diagnosis.WriteLineAsync($"lanyard: {mistake}\n{Wrapped(Usage)}");
            return ExitCodes.Usage;
        }

        var answer = await IdentityTokenClient.RequestAsync(environment, arguments.Audience, arguments.Subject);
        if (answer.Token is not { } token)
        {
            await diagnosis.WriteLineAsync($"lanyard token: {answer.Error}");
            return answer.ExitCode;
        }

        await output.WriteLineAsync(arguments.Json ? TokenDescription.Of(token) : token);
        return ExitCodes.Done;
    }

    internal static string Wrapped(string usage) => HelpColumns.Usage(usage, HelpColumns.TerminalWidth());

    private static async Task<int> KubernetesAsync(string command, string[] args, KubeCommands commands, TextWriter output)
    {
        var own = args.TakeWhile(static word => word != "--").ToArray();
        if (own.Any(static word => word is "--help" or "-h") || (command is "credential" && args is not ["kube" or "eks", ..]))
        {
            await output.WriteLineAsync(Wrapped(KubeCommands.Usage));
            return own.Any(static word => word is "--help" or "-h") ? ExitCodes.Done : ExitCodes.Usage;
        }

        return command switch
        {
            "kubeconfig" => await commands.KubeconfigAsync(args),
            "kubectl" => await commands.KubectlAsync(args),
            _ when args[0] is "eks" => await commands.EksCredentialAsync(args[1..]),
            _ => await commands.KubeCredentialAsync(args[1..]),
        };
    }
}
