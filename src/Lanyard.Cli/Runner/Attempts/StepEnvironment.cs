using System.Buffers;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>
/// A step's environment: a fixed list, the clouds', the run's variables, the step's own, and last what Lanyard says about the run, which nobody can
/// overwrite. Nothing of the runner's own environment is in it.
/// </summary>
internal static class StepEnvironment
{
    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    /// <param name="searchPath">Null: the image's own, like its language.</param>
    /// <param name="endpoint">URL and bearer of the attempt's place at the token endpoint.</param>
    /// <param name="cache">How clients find the cache; empty: this step has none.</param>
    /// <param name="clouds">How tools find their clouds; what the run or the step says itself stands before it.</param>
    public static Outcome<Dictionary<string, string>> Build(AttemptPayload payload, StepPayload step, string home, string? searchPath, (string Url, string Bearer) endpoint,
        IReadOnlyDictionary<string, string> clouds, IReadOnlyDictionary<string, string> cache)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["HOME"] = home,
            ["TERM"] = "dumb",
            ["CI"] = "true",
        };
        if (searchPath is not null)
        {
            environment["PATH"] = searchPath;
            environment["LANG"] = "C.UTF-8";
        }

        foreach (var (name, value) in clouds.Concat(payload.Variables).Concat(step.Environment))
        {
            if (!IsName(name) || value.Contains('\0', StringComparison.Ordinal))
            {
                return new Refusal(RefusalReason.RequestMalformed, $"the variable {Printable(name)} can't stand in an environment");
            }

            environment[name] = value;
        }

        AddOurs(environment, payload, endpoint);
        foreach (var (name, value) in cache)
        {
            environment[name] = value;
        }

        return environment;
    }

    /// <summary>The first audience's token is <c>LANYARD_OIDC_TOKEN</c>, the n-th one's <c>LANYARD_OIDC_TOKEN_n</c>.</summary>
    public static string TokenName(int index) => index == 0 ? "LANYARD_OIDC_TOKEN" : $"LANYARD_OIDC_TOKEN_{index + 1}";

    private static void AddOurs(Dictionary<string, string> environment, AttemptPayload payload, (string Url, string Bearer) endpoint)
    {
        foreach (var name in environment.Keys.Where(IsReserved).ToList())
        {
            environment.Remove(name);
        }

        environment["LANYARD"] = "true";
        environment["LANYARD_RUN"] = payload.Run;
        environment["LANYARD_ATTEMPT"] = payload.Attempt.ToString(System.Globalization.CultureInfo.InvariantCulture);
        environment["LANYARD_WORKSPACE"] = payload.Workspace;
        environment["LANYARD_COLLECTION"] = payload.Collection;
        environment["LANYARD_DEFINITION"] = payload.Definition;
        environment["LANYARD_PHASE"] = payload.Phase;
        environment["ACTIONS_ID_TOKEN_REQUEST_URL"] = endpoint.Url;
        environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = endpoint.Bearer;
    }

    private static bool IsReserved(string name) =>
        name == "LANYARD" || name.StartsWith("LANYARD_", StringComparison.Ordinal) || name.StartsWith("ACTIONS_ID_TOKEN_REQUEST_", StringComparison.Ordinal);

    private static bool IsName(string name) =>
        name.Length is > 0 and <= 256 && !char.IsAsciiDigit(name[0]) && name.AsSpan().IndexOfAnyExcept(NameCharacters) < 0;

    private static string Printable(string name) => string.Concat(name.Take(64).Select(c => char.IsControl(c) ? '?' : c));
}
