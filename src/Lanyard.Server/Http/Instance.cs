namespace Lanyard.Server.Http;

/// <summary>What the whole server knows of itself.</summary>
/// <param name="Slug">The installation's immutable name; <c>{instance}</c> in subject templates.</param>
/// <param name="Url">The public URL without a trailing slash: issuer of API and runtime tokens, and the audience that callers' tokens must have.</param>
/// <param name="DataDirectory">Where the key file, the database file and logs lie.</param>
public sealed record Instance(string Slug, string Url, string DataDirectory)
{
    /// <summary>Audience of runtime tokens.</summary>
    public string RuntimeAudience { get; } = Url + "/runtime";

    /// <summary>Audience of the tokens with which a private issuer's keys are pushed.</summary>
    public string KeysAudience { get; } = Url + "/keys";

    public string WorkspaceIssuer(string workspaceSlug) => $"{Url}/oidc/{workspaceSlug}";
}
