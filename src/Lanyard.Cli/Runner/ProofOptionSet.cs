using System.CommandLine;
using Lanyard.Cli.Resources;
using Lanyard.Cli.Runner.Platform;
using Lanyard.Cli.Runner.Pods;
using Lanyard.Cli.Runner.Server;

namespace Lanyard.Cli.Runner;

/// <summary>The options of <c>lanyard runner</c> that say how it proves who it is.</summary>
internal sealed class ProofOptionSet
{
    private readonly Option<string> _tokenFile = new("--token-file") { Description = "projected service-account token of this runner; re-read for every call" };
    private readonly Option<string> _pushKeys = new("--push-keys") { Description = "NAMESPACE/NAME of the service account as which this runner tells the server of the cluster's rotated keys; the runner must be allowed to make its tokens; default: LANYARD_PUSH_KEYS" };
    private readonly Option<bool> _reviewTokens = new("--review-tokens") { Description = "with --push-keys: also ask the API server, for the server, whether tokens of the cluster are still good (TokenReview); default: LANYARD_REVIEW_TOKENS" };
    private readonly Option<string> _keyFile = new("--key-file") { Description = "key of this host; made at the first start, approved by its fingerprint" };
    private readonly Option<string[]> _tokenSource = new("--token-source")
    {
        Description = "where the platform says who this host is: " + TokenSourceChoice.Words + "; the runner's identity names the trust policy that it must match",
        Arity = new ArgumentArity(1, 2),
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<string> _name = new("--name") { Description = "name that a host's key asks for, default: the host's name; with --token-source WORKSPACE/NAME of the runner, or NAME of a shared one" };

    private readonly Option<string> _workspace = new("--workspace") { Description = "with --token-file: slug of the workspace whose runner this is, so that no other one that knows the cluster can mean it; default: LANYARD_WORKSPACE; a shared runner has none" };

    public IEnumerable<Option> All => [_tokenFile, _workspace, _pushKeys, _reviewTokens, _keyFile, _tokenSource, _name];

    public RunnerSettings Into(RunnerSettings settings, ParseResult parsed) => settings with
    {
        TokenFile = parsed.GetValue(_tokenFile),
        Workspace = WorkspaceOf(parsed),
        KeyFile = parsed.GetValue(_keyFile),
        TokenSource = SourceOf(parsed),
        Name = parsed.GetValue(_name),
        PushKeys = PusherOf(parsed) is { } account ? PushAccount.Parse(account) : null,
        ReviewTokens = Reviews(parsed),
    };

    public void Check(ParseResult parsed, List<string> mistakes)
    {
        var isByPlatform = parsed.GetValue(_tokenSource) is { Length: > 0 };
        if ((parsed.GetValue(_tokenFile) is null ? 0 : 1) + (parsed.GetValue(_keyFile) is null ? 0 : 1) + (isByPlatform ? 1 : 0) != 1)
        {
            mistakes.Add("--token-file, --key-file, --token-source: exactly one of them is needed");
        }

        if (parsed.GetValue(_workspace) is { } workspace && (!Slug.IsValid(workspace) || parsed.GetValue(_tokenFile) is null))
        {
            mistakes.Add("--workspace: must be the slug of a workspace, and is for a runner in a cluster (--token-file)");
        }

        if (isByPlatform && SourceOf(parsed) is null)
        {
            mistakes.Add($"--token-source: must be one of {TokenSourceChoice.Words}");
        }

        if (isByPlatform && !(parsed.GetValue(_name) is { } name && name.Split('/') is { Length: <= 2 } parts && parts.All(Slug.IsValid)))
        {
            mistakes.Add("--name: with --token-source the runner must be named, as WORKSPACE/NAME, or NAME where it is shared");
        }

        if (PusherOf(parsed) is { } account && (PushAccount.Parse(account) is null || parsed.GetValue(_tokenFile) is null))
        {
            mistakes.Add("--push-keys: must be NAMESPACE/NAME of a service account, and is for a runner in a cluster (--token-file)");
        }

        if (Reviews(parsed) && PusherOf(parsed) is null)
        {
            mistakes.Add("--review-tokens: only with --push-keys, as whose account the server is asked what to review");
        }
    }

    private string? WorkspaceOf(ParseResult parsed) => parsed.GetValue(_workspace) ?? OfCluster(PodSettings.WorkspaceVariable, parsed);

    private string? PusherOf(ParseResult parsed) => parsed.GetValue(_pushKeys) ?? OfCluster("LANYARD_PUSH_KEYS", parsed);

    private bool Reviews(ParseResult parsed) => parsed.GetValue(_reviewTokens) || OfCluster("LANYARD_REVIEW_TOKENS", parsed) is "true";

    /// <summary>A variable of the ConfigMap, which is for runners in a cluster alone.</summary>
    private string? OfCluster(string variable, ParseResult parsed) =>
        parsed.GetValue(_tokenFile) is not null && Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private TokenSourceChoice? SourceOf(ParseResult parsed) =>
        parsed.GetValue(_tokenSource) is { Length: > 0 } words ? TokenSourceChoice.Parse(words) : null;
}
