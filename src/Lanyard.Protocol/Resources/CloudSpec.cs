namespace Lanyard.Protocol.Resources;

/// <summary>
/// The cloud accounts that runs reach with their own identity: a <c>cloud</c> block of a collection, for all its runs, or of a definition, whose
/// blocks replace those of the collection one by one. Nothing in it is secret.
/// </summary>
public sealed record CloudSpec(
    AwsSpec? Aws = null, GcpSpec? Gcp = null, AzureSpec? Azure = null, VaultSpec? Vault = null, KubernetesSpec? Kubernetes = null);

/// <param name="RoleArn">Of every phase that has no other.</param>
/// <param name="PlanRoleArn">Of the phase <c>plan</c>.</param>
/// <param name="Audience">Absent: <c>sts.amazonaws.com</c>, of a role in China <c>sts.amazonaws.com.cn</c>.</param>
/// <param name="SessionName">2 to 64 of <c>[\w+=,.@-]</c>; absent: the run's id.</param>
/// <param name="Credentials"><c>file</c> (a token file; also when absent) or <c>endpoint</c> (the runner exchanges, tools ask it on loopback).</param>
/// <param name="StsEndpoint">Where STS is; absent: AWS's own of the region, and without one that of the role's partition (in China <c>cn-north-1</c>, in GovCloud <c>us-gov-west-1</c>).</param>
public sealed record AwsSpec(
    string RoleArn,
    string? PlanRoleArn = null,
    string? Region = null,
    string? Audience = null,
    string? SessionName = null,
    string? Credentials = null,
    string? StsEndpoint = null);

/// <param name="Provider"><c>projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER</c>.</param>
/// <param name="ServiceAccount">E-mail address of the account to act as; absent: the pool's principal itself.</param>
/// <param name="PlanServiceAccount">Of the phase <c>plan</c>.</param>
/// <param name="Project">For tools that want one.</param>
/// <param name="Audience">Absent: the provider's own, <c>https://iam.googleapis.com/…</c>.</param>
/// <param name="Source">Where libraries read the token: <c>file</c> (also when absent) or <c>url</c> (the runner's loopback endpoint).</param>
/// <param name="StsEndpoint">The token URL; absent: Google's.</param>
/// <param name="IamEndpoint">Origin of the service-account credentials API; absent: Google's.</param>
public sealed record GcpSpec(
    string Provider,
    string? ServiceAccount = null,
    string? PlanServiceAccount = null,
    string? Project = null,
    string? Audience = null,
    string? Source = null,
    string? StsEndpoint = null,
    string? IamEndpoint = null);

/// <param name="PlanClientId">Of the phase <c>plan</c>.</param>
/// <param name="Audience">Absent: <c>api://AzureADTokenExchange</c>, with the authority of Azure Government or of China <c>api://AzureADTokenExchangeUSGov</c> or <c>api://AzureADTokenExchangeChina</c>.</param>
/// <param name="AuthorityHost">Absent: the public cloud's.</param>
public sealed record AzureSpec(
    string TenantId,
    string ClientId,
    string? PlanClientId = null,
    string? SubscriptionId = null,
    string? Audience = null,
    string? AuthorityHost = null);

/// <param name="PlanRole">Of the phase <c>plan</c>.</param>
/// <param name="Mount">Of the JWT auth method; absent: <c>jwt</c>.</param>
/// <param name="Audience">Absent: the address.</param>
public sealed record VaultSpec(
    string Address, string Role, string? PlanRole = null, string? Mount = null, string? Namespace = null, string? Audience = null);

/// <param name="Server">URL of the API server or cluster proxy.</param>
/// <param name="Audience">What the API server's authentication configuration expects.</param>
/// <param name="CertificateAuthority">PEM; absent: the system's.</param>
public sealed record KubernetesSpec(string Server, string Audience, string? CertificateAuthority = null, string? Namespace = null);
