using System.Globalization;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Runner.Pods;

/// <summary>What the runner has written into the pod for its container <c>lanyard</c>; nothing of it is secret.</summary>
/// <param name="TokenFile">The projected service-account token, bound to this pod, for the instance.</param>
/// <param name="Workspace">The run's; null: not said.</param>
/// <param name="Authorities">To be trusted instead of the image's roots; null: those.</param>
internal sealed record PodSettings(Uri Server, AttemptKey Key, string TokenFile, string ControlFolder, string WorkFolder, string SpoolFolder, Authorities? Authorities,
    string? Workspace = null)
{
    public const string TokenFolder = "/var/run/secrets/lanyard";
    public const string TokenName = "token";
    public const string Control = "/lanyard/control";
    public const string Work = "/lanyard/work";
    public const string Spool = "/lanyard/spool";
    public const string ServerVariable = "LANYARD_SERVER";
    public const string RunVariable = "LANYARD_RUN";
    public const string AttemptVariable = "LANYARD_ATTEMPT";
    public const string WorkspaceVariable = "LANYARD_WORKSPACE";
    public const string AuthoritiesVariable = "LANYARD_AUTHORITIES";

    /// <summary>Null where there are mistakes.</summary>
    public static PodSettings? Read(Func<string, string?> variable, List<string> mistakes)
    {
        if (!Uri.TryCreate(variable(ServerVariable), UriKind.Absolute, out var server) || server.Scheme is not ("https" or "http"))
        {
            mistakes.Add($"{ServerVariable}: the URL of the instance is needed");
        }

        var key = int.TryParse(variable(AttemptVariable), NumberStyles.None, CultureInfo.InvariantCulture, out var attempt)
            ? new AttemptKey(variable(RunVariable) ?? "", attempt)
            : default;
        if (key.Run is null || !key.IsWellFormed)
        {
            mistakes.Add($"{RunVariable}, {AttemptVariable}: a run and the number of an attempt are needed");
        }

        var authorities = ReadAuthorities(variable, mistakes);
        return mistakes.Count > 0
            ? null
            : new PodSettings(server!, key, Path.Combine(TokenFolder, TokenName), Control, Work, Spool, authorities,
                variable(WorkspaceVariable) is { Length: > 0 } workspace ? workspace : null);
    }

    /// <summary>The text in <see cref="AuthoritiesVariable"/>, if there is any.</summary>
    public static Authorities? ReadAuthorities(Func<string, string?> variable, List<string> mistakes)
    {
        try
        {
            return variable(AuthoritiesVariable) is { Length: > 0 } pem ? Authorities.OfText(AuthoritiesVariable, pem) : null;
        }
        catch (CommandStopped stopped)
        {
            mistakes.Add(stopped.Message);
            return null;
        }
    }
}
