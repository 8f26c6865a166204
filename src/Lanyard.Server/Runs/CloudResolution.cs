using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Protocol.Aws;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;

namespace Lanyard.Server.Runs;

/// <summary>
/// From a run's <c>cloud</c> block to what its tools look for: files and variables by the conventions of each cloud's own libraries. A pure
/// function; the phase picks the role.
/// </summary>
internal static class CloudResolution
{
    private const string Plan = "plan";

    public static CloudPayload? Resolve(CloudSpec? cloud, string run, string phase)
    {
        if (cloud is null)
            return null;
        var tokens = new List<CloudTokenFile>();
        var files = new List<CloudFile>();
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var aws = cloud.Aws is null ? null : Aws(cloud.Aws, run, phase, tokens, variables);
        if (cloud.Gcp is { } gcp)
            Gcp(gcp, phase, tokens, files, variables);
        if (cloud.Azure is { } azure)
            Azure(azure, phase, tokens, variables);
        if (cloud.Vault is { } vault)
            Vault(vault, phase, tokens, variables);
        if (cloud.Kubernetes is { } kubernetes)
            Kubernetes(kubernetes, tokens, files, variables);
        return new(tokens, files, variables, aws);
    }

    private static AwsEndpointPayload? Aws(AwsSpec aws, string run, string phase, List<CloudTokenFile> tokens, SortedDictionary<string, string> variables)
    {
        var role = phase == Plan ? aws.PlanRoleArn ?? aws.RoleArn : aws.RoleArn;
        var (audience, session) = (CloudRules.AudienceOf(aws), aws.SessionName ?? run);
        if (aws.Region is { } region)
            variables["AWS_REGION"] = variables["AWS_DEFAULT_REGION"] = region;
        if (aws.StsEndpoint is { } endpoint)
            variables["AWS_ENDPOINT_URL_STS"] = endpoint;
        if (aws.Credentials == "endpoint")
        {
            variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = CloudWords.AwsUrl;
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = $"Bearer {CloudWords.Bearer}";
            return new(audience, role, session, aws.StsEndpoint ?? Sts(aws.Region, role));
        }

        tokens.Add(new("aws.jwt", audience, CloudFormats.Jwt));
        variables["AWS_ROLE_ARN"] = role;
        variables["AWS_ROLE_SESSION_NAME"] = session;
        variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = $"{CloudWords.Folder}/aws.jwt";
        return null;
    }

    /// <summary>A partition that is not known here has no block without a region or an STS of its own (<see cref="CloudRules"/>).</summary>
    private static string Sts(string? region, string role) =>
        "https://" + (region is null ? AwsPartition.StsHostOf(role) ?? AwsPartition.Audience : $"sts.{region}.{AwsPartition.DomainOf(region)}");

    private static void Gcp(GcpSpec gcp, string phase, List<CloudTokenFile> tokens, List<CloudFile> files, SortedDictionary<string, string> variables)
    {
        var audience = CloudRules.AudienceOf(gcp);
        JsonObject source;
        if (gcp.Source == "url")
        {
            source = new JsonObject
            {
                ["url"] = $"{CloudWords.TokenUrl}&audience={Uri.EscapeDataString(audience)}",
                ["headers"] = new JsonObject { ["Authorization"] = $"Bearer {CloudWords.Bearer}" },
                ["format"] = new JsonObject { ["type"] = "json", ["subject_token_field_name"] = "value" },
            };
        }
        else
        {
            tokens.Add(new("gcp.jwt", audience, CloudFormats.Jwt));
            source = new JsonObject { ["file"] = $"{CloudWords.Folder}/gcp.jwt", ["format"] = new JsonObject { ["type"] = "text" } };
        }

        var account = phase == Plan ? gcp.PlanServiceAccount ?? gcp.ServiceAccount : gcp.ServiceAccount;
        var configuration = new JsonObject
        {
            ["type"] = "external_account",
            ["audience"] = $"//iam.googleapis.com/{gcp.Provider}",
            ["subject_token_type"] = "urn:ietf:params:oauth:token-type:jwt",
            ["token_url"] = gcp.StsEndpoint ?? "https://sts.googleapis.com/v1/token",
            ["credential_source"] = source,
        };
        if (account is not null)
            configuration["service_account_impersonation_url"] =
                $"{gcp.IamEndpoint ?? "https://iamcredentials.googleapis.com"}/v1/projects/-/serviceAccounts/{account}:generateAccessToken";
        files.Add(new("gcp.json", configuration.ToJsonString(s_plain)));
        variables["GOOGLE_APPLICATION_CREDENTIALS"] = $"{CloudWords.Folder}/gcp.json";
        variables["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"] = $"{CloudWords.Folder}/gcp.json";
        if (gcp.Project is { } project)
            variables["GOOGLE_CLOUD_PROJECT"] = variables["GOOGLE_PROJECT"] = project;
    }

    private static void Azure(AzureSpec azure, string phase, List<CloudTokenFile> tokens, SortedDictionary<string, string> variables)
    {
        tokens.Add(new("azure.jwt", CloudRules.AudienceOf(azure), CloudFormats.Jwt));
        variables["AZURE_FEDERATED_TOKEN_FILE"] = $"{CloudWords.Folder}/azure.jwt";
        variables["AZURE_CLIENT_ID"] = variables["ARM_CLIENT_ID"] = phase == Plan ? azure.PlanClientId ?? azure.ClientId : azure.ClientId;
        variables["AZURE_TENANT_ID"] = variables["ARM_TENANT_ID"] = azure.TenantId;
        if (azure.AuthorityHost is { } host)
            variables["AZURE_AUTHORITY_HOST"] = host;
        if (azure.SubscriptionId is { } subscription)
            variables["AZURE_SUBSCRIPTION_ID"] = variables["ARM_SUBSCRIPTION_ID"] = subscription;

        // Terraform's providers read a token file once, and renew from the request URL alone.
        variables["ARM_USE_OIDC"] = "true";
        variables["ARM_OIDC_REQUEST_URL"] = CloudWords.TokenUrl;
        variables["ARM_OIDC_REQUEST_TOKEN"] = CloudWords.Bearer;
    }

    private static void Vault(VaultSpec vault, string phase, List<CloudTokenFile> tokens, SortedDictionary<string, string> variables)
    {
        tokens.Add(new("vault.jwt", CloudRules.AudienceOf(vault), CloudFormats.Jwt));
        variables["VAULT_ADDR"] = vault.Address;
        variables["VAULT_AUTH_JWT_FILE"] = $"{CloudWords.Folder}/vault.jwt";
        variables["VAULT_AUTH_ROLE"] = phase == Plan ? vault.PlanRole ?? vault.Role : vault.Role;
        variables["VAULT_AUTH_PATH"] = vault.Mount ?? "jwt";
        if (vault.Namespace is { } name)
            variables["VAULT_NAMESPACE"] = name;
    }

    /// <summary>The exec command is <c>cat</c> of what the runner keeps fresh, so it works in any image and with any client since 1.20.</summary>
    private static void Kubernetes(KubernetesSpec kubernetes, List<CloudTokenFile> tokens, List<CloudFile> files, SortedDictionary<string, string> variables)
    {
        tokens.Add(new("kubernetes.json", kubernetes.Audience, CloudFormats.ExecCredential));
        var cluster = new JsonObject { ["server"] = kubernetes.Server };
        if (kubernetes.CertificateAuthority is { } pem)
            cluster["certificate-authority-data"] = Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(pem));
        var context = new JsonObject { ["cluster"] = "lanyard", ["user"] = "lanyard" };
        if (kubernetes.Namespace is { } name)
            context["namespace"] = name;
        var exec = new JsonObject
        {
            ["apiVersion"] = "client.authentication.k8s.io/v1beta1",
            ["command"] = "cat",
            ["args"] = new JsonArray($"{CloudWords.Folder}/kubernetes.json"),
            ["interactiveMode"] = "Never",
        };
        var configuration = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Config",
            ["current-context"] = "lanyard",
            ["clusters"] = new JsonArray(new JsonObject { ["name"] = "lanyard", ["cluster"] = cluster }),
            ["contexts"] = new JsonArray(new JsonObject { ["name"] = "lanyard", ["context"] = context }),
            ["users"] = new JsonArray(new JsonObject { ["name"] = "lanyard", ["user"] = new JsonObject { ["exec"] = exec } }),
        };
        files.Add(new("kubeconfig", configuration.ToJsonString(s_plain)));
        variables["KUBECONFIG"] = variables["KUBE_CONFIG_PATH"] = $"{CloudWords.Folder}/kubeconfig"; // the second: Terraform's providers and backend look nowhere else
    }

    /// <summary>The words that the runner replaces hold braces and an ampersand: nothing of them may be escaped.</summary>
    private static readonly JsonSerializerOptions s_plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
