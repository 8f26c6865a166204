namespace Lanyard.Cli.TrustPolicies;

/// <summary>Google Cloud: a workload identity pool with this issuer as a provider, and one subject that may act as a service account.</summary>
internal static class GoogleTrust
{
    private const string Mapping = "google.subject=assertion.sub,attribute.workspace=assertion.workspace,attribute.collection=assertion.collection,attribute.definition=assertion.definition";

    /// <param name="provider"><c>projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER</c>.</param>
    public static string Commands(TrustSide side, string provider, string? serviceAccount)
    {
        var (number, pool, name) = Parts(provider);
        var member = $"principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{pool}/subject/{side.Subject}";
        var grant = serviceAccount is null
            ? $"gcloud projects add-iam-policy-binding {number} --role=ROLE --member={Quoted.Shell(member)}"
            : $"gcloud iam service-accounts add-iam-policy-binding {Quoted.Shell(serviceAccount)} --role=roles/iam.workloadIdentityUser --member={Quoted.Shell(member)}";
        return $"""
            gcloud iam workload-identity-pools create {pool} --project={number} --location=global
            gcloud iam workload-identity-pools providers create-oidc {name} --project={number} --location=global --workload-identity-pool={pool} \
              --issuer-uri={Quoted.Shell(side.Issuer)} --allowed-audiences={Quoted.Shell(side.Audience)} \
              --attribute-mapping={Quoted.Shell(Mapping)} \
              --attribute-condition={Quoted.Shell($"assertion.workspace_id == {Quoted.Cel(side.WorkspaceId)}")}
            # Where Google can't reach the issuer, add --jwk-json-path=jwks with the file that `lanyard issuer export` writes.
            {grant}
            """;
    }

    public static string Hcl(TrustSide side, string provider, string? serviceAccount)
    {
        var (number, pool, name) = Parts(provider);
        var account = serviceAccount is null ? "" : $$"""


            resource "google_service_account_iam_member" "lanyard" {
              service_account_id = {{Quoted.Hcl($"projects/-/serviceAccounts/{serviceAccount}")}}
              role               = "roles/iam.workloadIdentityUser"
              member             = {{Quoted.Hcl($"principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{pool}/subject/{side.Subject}")}}
            }
            """;
        return $$"""
            resource "google_iam_workload_identity_pool" "lanyard" {
              workload_identity_pool_id = {{Quoted.Hcl(pool)}}
            }

            resource "google_iam_workload_identity_pool_provider" "lanyard" {
              workload_identity_pool_id          = google_iam_workload_identity_pool.lanyard.workload_identity_pool_id
              workload_identity_pool_provider_id = {{Quoted.Hcl(name)}}
              attribute_condition                = {{Quoted.Hcl($"assertion.workspace_id == {Quoted.Cel(side.WorkspaceId)}")}}
              attribute_mapping = {
                "google.subject"       = "assertion.sub"
                "attribute.workspace"  = "assertion.workspace"
                "attribute.collection" = "assertion.collection"
                "attribute.definition" = "assertion.definition"
              }
              oidc {
                issuer_uri        = {{Quoted.Hcl(side.Issuer)}}
                allowed_audiences = [{{Quoted.Hcl(side.Audience)}}]
              }
            }
            """ + account;
    }

    private static (string Number, string Pool, string Provider) Parts(string provider) =>
        provider.Split('/') is ["projects", var number, "locations", "global", "workloadIdentityPools", var pool, "providers", var name]
            && number.All(char.IsAsciiDigit) && IsId(pool) && IsId(name)
            ? (number, pool, name)
            : throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(provider)} is no provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER is wanted.");

    private static bool IsId(string id) => id.Length is >= 4 and <= 32 && id.All(static c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-') && !id.StartsWith("gcp-", StringComparison.Ordinal);
}
