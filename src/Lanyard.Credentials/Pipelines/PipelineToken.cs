using System.ComponentModel;
using System.Diagnostics;

namespace Lanyard.Credentials.Pipelines;

/// <summary>Gets the pipeline's token from its <see cref="TokenSource"/>. It is never written anywhere, nor put on a command line.</summary>
internal static class PipelineToken
{
    private const int MaxToken = 20_000;
    private static readonly TimeSpan AgentTimeout = TimeSpan.FromSeconds(30);

    /// <param name="audience">What to ask for where the source can be asked; a variable or file holds what the job's own file asked for.</param>
    public static async Task<IdentityTokenAnswer> GetAsync(TokenSource source, string audience, Func<string, string?> environment) => source.Kind switch
    {
        TokenSourceKind.Request => await IdentityTokenClient.RequestAsync(environment, audience),
        TokenSourceKind.Agent => await AskAgentAsync(audience),
        TokenSourceKind.AzureDevOps => await AzureDevOps.RequestAsync(environment) is var answer && answer.Token is { } token ? Checked(token, "the answer of Azure DevOps") : answer,
        TokenSourceKind.File => await ReadFileAsync(source.Place),
        _ => environment(source.Place) is { Length: > 0 } text ? Checked(text, $"the variable {source.Place}")
            : Fail(ExitCodes.NoIdentity, $"the variable {source.Place} is not set: Bitbucket sets its own with `oidc: true` on the step, GitLab those under `id_tokens:`"),
    };

    private static async Task<IdentityTokenAnswer> ReadFileAsync(string path)
    {
        try
        {
            await using var file = File.OpenRead(path);
            var buffer = new byte[MaxToken + 2];
            var length = await file.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false);
            return Checked(System.Text.Encoding.ASCII.GetString(buffer, 0, length), "the token file");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return Fail(ExitCodes.NoIdentity, $"the token file can't be read: {exception.GetType().Name}");
        }
    }

    private static async Task<IdentityTokenAnswer> AskAgentAsync(string audience)
    {
        var start = new ProcessStartInfo("buildkite-agent", ["oidc", "request-token", "--audience", audience]) { RedirectStandardOutput = true };
        using var limit = new CancellationTokenSource(AgentTimeout);
        try
        {
            using var agent = Process.Start(start)!;
            try
            {
                var token = await agent.StandardOutput.ReadToEndAsync(limit.Token);
                await agent.WaitForExitAsync(limit.Token);
                return agent.ExitCode == 0 ? Checked(token, "buildkite-agent") : Fail(ExitCodes.Refused, $"buildkite-agent ended with code {agent.ExitCode}");
            }
            catch (OperationCanceledException)
            {
                agent.Kill(entireProcessTree: true);
                return Fail(ExitCodes.Unreachable, $"buildkite-agent did not answer within {AgentTimeout.TotalSeconds:0} s");
            }
        }
        catch (Win32Exception)
        {
            return Fail(ExitCodes.NoIdentity, "buildkite-agent is not on the PATH");
        }
    }

    private static IdentityTokenAnswer Checked(string text, string place)
    {
        var token = text.Trim();
        return token.Length is > 0 and <= MaxToken && token.Count('.') == 2 && token.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0
            ? new(token, null, ExitCodes.Done)
            : Fail(ExitCodes.NoIdentity, $"{place} holds no token");
    }

    private static IdentityTokenAnswer Fail(int exitCode, string error) => new(null, error, exitCode);
}
