namespace Lanyard.Credentials.Pipelines;

/// <summary>Where a pipeline's token comes from.</summary>
internal enum TokenSourceKind
{
    /// <summary>GitHub Actions and a Lanyard run: the endpoint of <c>ACTIONS_ID_TOKEN_REQUEST_URL</c>, for any audience.</summary>
    Request,

    /// <summary>GitLab (<c>id_tokens:</c>) and Bitbucket (<c>oidc: true</c>): a variable that holds the token, whose audience the job's file says.</summary>
    Variable,

    /// <summary><c>buildkite-agent oidc request-token</c>, for any audience.</summary>
    Agent,

    /// <summary>Azure DevOps: a service connection's token, always for Entra's audience.</summary>
    AzureDevOps,

    /// <summary>A file that someone keeps fresh, such as a projected service-account token.</summary>
    File,
}

/// <param name="Place">The variable's name or the file's path.</param>
internal sealed record TokenSource(TokenSourceKind Kind, string Place = "")
{
    public const string BitbucketVariable = "BITBUCKET_STEP_OIDC_TOKEN";

    /// <summary>The name that our examples give the job's entry under GitLab's <c>id_tokens:</c>.</summary>
    public const string GitLabVariable = "LANYARD_ID_TOKEN";

    /// <summary>CircleCI's newer token, whose subject has the repository and the ref.</summary>
    public const string CircleVariable = "CIRCLE_OIDC_TOKEN_V2";

    public const string SpaceliftVariable = "SPACELIFT_OIDC_TOKEN";

    /// <summary>HCP Terraform sets it where <c>TFC_WORKLOAD_IDENTITY_AUDIENCE</c> is set in the workspace.</summary>
    public const string TerraformVariable = "TFC_WORKLOAD_IDENTITY_TOKEN";

    public static readonly string[] Options = ["--token-source", "--token-file", "--token-variable"];

    /// <summary>What the options say, else what this environment is. Null, with a mistake noted, when neither tells.</summary>
    public static TokenSource? Resolve(Words words, Func<string, string?> environment)
    {
        var named = words.Text("--token-source", environment, "LANYARD_TOKEN_SOURCE");
        var file = words.Text("--token-file", environment, "LANYARD_TOKEN_FILE");
        var variable = words.Text("--token-variable", environment, "LANYARD_TOKEN_VARIABLE");
        if (file is not null && variable is not null)
        {
            words.Mistakes.Add("give --token-file or --token-variable, not both");
            return null;
        }

        return named is null ? Detect(file, variable, environment) ?? Unknown(words) : Named(words, named, file, variable);
    }

    /// <summary>The same source as options of another start of this program. Nothing secret is among them.</summary>
    public IEnumerable<string> AsOptions() => Kind switch
    {
        TokenSourceKind.Request => ["--token-source", "github"],
        TokenSourceKind.Agent => ["--token-source", "buildkite"],
        TokenSourceKind.AzureDevOps => ["--token-source", "azure-devops"],
        TokenSourceKind.File => ["--token-file", Path.GetFullPath(Place)],
        _ => ["--token-variable", Place],
    };

    private static TokenSource? Detect(string? file, string? variable, Func<string, string?> environment)
    {
        bool Set(string name) => !string.IsNullOrEmpty(environment(name));
        return file is not null ? new(TokenSourceKind.File, file)
            : variable is not null ? new(TokenSourceKind.Variable, variable)
            : Set("ACTIONS_ID_TOKEN_REQUEST_URL") ? new(TokenSourceKind.Request)
            : Set(BitbucketVariable) ? new(TokenSourceKind.Variable, BitbucketVariable)
            : Set("BUILDKITE_JOB_ID") ? new(TokenSourceKind.Agent)
            : Set(CircleVariable) ? new(TokenSourceKind.Variable, CircleVariable)
            : Set(SpaceliftVariable) ? new(TokenSourceKind.Variable, SpaceliftVariable)
            : Set(TerraformVariable) ? new(TokenSourceKind.Variable, TerraformVariable)
            : Set(AzureDevOps.UrlVariable) && Set(AzureDevOps.ConnectionVariable) ? new(TokenSourceKind.AzureDevOps)
            : Set(GitLabVariable) ? new(TokenSourceKind.Variable, GitLabVariable)
            : Set("AWS_WEB_IDENTITY_TOKEN_FILE") ? new(TokenSourceKind.File, environment("AWS_WEB_IDENTITY_TOKEN_FILE")!)
            : null;
    }

    private static TokenSource? Named(Words words, string name, string? file, string? variable)
    {
        switch (name)
        {
            case "github" or "lanyard":
                return new(TokenSourceKind.Request);
            case "gitlab":
                return new(TokenSourceKind.Variable, variable ?? GitLabVariable);
            case "bitbucket":
                return new(TokenSourceKind.Variable, variable ?? BitbucketVariable);
            case "buildkite":
                return new(TokenSourceKind.Agent);
            case "circleci":
                return new(TokenSourceKind.Variable, variable ?? CircleVariable);
            case "spacelift":
                return new(TokenSourceKind.Variable, variable ?? SpaceliftVariable);
            case "terraform":
                return new(TokenSourceKind.Variable, variable ?? TerraformVariable);
            case "azure-devops":
                return new(TokenSourceKind.AzureDevOps);
            case "file" when file is not null:
                return new(TokenSourceKind.File, file);
            default:
                words.Mistakes.Add(name is "file" ? "--token-source file needs --token-file" : "--token-source must be github, gitlab, bitbucket, buildkite, circleci, spacelift, terraform, azure-devops, lanyard or file");
                return null;
        }
    }

    private static TokenSource? Unknown(Words words)
    {
        words.Mistakes.Add(
            "no pipeline's token is to be seen here: not GitHub (permissions: id-token: write), Bitbucket (oidc: true), Buildkite, CircleCI, Spacelift, HCP Terraform, Azure DevOps, a Lanyard run, "
            + $"nor GitLab (id_tokens: {GitLabVariable}); say --token-source, --token-file or --token-variable");
        return null;
    }
}
