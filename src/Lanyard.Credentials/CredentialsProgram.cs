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

    /// <summary>Runs the command in <paramref name="args"/>, whose first word is the command's name. Returns one of <see cref="ExitCodes"/>.</summary>
    public static Task<int> RunAsync(string[] args) => RunAsync(args, Environment.GetEnvironmentVariable, Console.Out, Console.Error);

    internal static async Task<int> RunAsync(string[] args, Func<string, string?> environment, TextWriter output, TextWriter diagnosis)
    {
        if (args is ["--help" or "-h" or "help"] or ["token", "--help" or "-h"])
        {
            await output.WriteLineAsync(Usage);
            return ExitCodes.Done;
        }

        if (TokenArguments.Parse(args, out var mistake) is not { } arguments)
        {
            await diagnosis.WriteLineAsync($"lanyard: {mistake}\n{Usage}");
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
}
