namespace Lanyard.Identity.Tokens;

/// <summary>Registered claims (RFC 7519 §4.1) and the ones that Lanyard's own tokens carry.</summary>
public static class ClaimNames
{
    public const string Issuer = "iss";
    public const string Subject = "sub";
    public const string Audience = "aud";
    public const string ExpiresAt = "exp";
    public const string NotBefore = "nbf";
    public const string IssuedAt = "iat";
    public const string TokenId = "jti";

    /// <summary>RFC 8693 §4.2, §4.3.</summary>
    public const string Scope = "scope";
    public const string ClientId = "client_id";

    public const string Instance = "instance";
    public const string Workspace = "workspace";
    public const string WorkspaceId = "workspace_id";
    public const string Collection = "collection";
    public const string CollectionId = "collection_id";
    public const string Definition = "definition";
    public const string DefinitionId = "definition_id";
    public const string DefinitionUuid = "definition_uuid";
    public const string Run = "run";
    public const string Attempt = "attempt";
    public const string Step = "step";
    public const string Phase = "phase";
    public const string Runner = "runner";
    public const string RunnerId = "runner_id";
    public const string RunnerShared = "runner_shared";
    public const string Machine = "machine";
    public const string MachineIdentity = "machine_identity";
    public const string Repository = "repository";
    public const string Ref = "ref";
    public const string Environment = "environment";
    public const string Actor = "actor";

    /// <summary>The trust policy and trust record that an API token rests on.</summary>
    public const string Policy = "policy";
    public const string Policies = "policies";
    public const string TrustRecord = "trust_record";
}
