using System.Text.Json.Nodes;

namespace Lanyard.Cli.TrustPolicies;

/// <summary>Entra ID: a federated credential of an application or of a managed identity. It compares issuer, audience and subject exactly.</summary>
internal static class AzureTrust
{
    public static string Commands(TrustSide side, string client)
    {
        var parameters = new JsonObject { ["name"] = side.Name, ["issuer"] = side.Issuer, ["subject"] = side.Subject, ["audiences"] = new JsonArray(side.Audience) };
        return $"""
            # An application. It takes a few minutes until Entra knows it everywhere (AADSTS70021 until then).
            az ad app federated-credential create --id {Quoted.Shell(client)} --parameters {Quoted.Shell(parameters.ToJsonString())}
            # A user-assigned managed identity instead: one after the other, not several at once.
            #   az identity federated-credential create --identity-name NAME --resource-group GROUP --name {side.Name} --issuer {Quoted.Shell(side.Issuer)} \
            #     --subject {Quoted.Shell(side.Subject)} --audiences {Quoted.Shell(side.Audience)}
            """;
    }

    public static string Hcl(TrustSide side, string client) => $$"""
        resource "azuread_application_federated_identity_credential" "lanyard" {
          application_id = {{Quoted.Hcl("/applications/" + client)}}
          display_name   = {{Quoted.Hcl(side.Name)}}
          issuer         = {{Quoted.Hcl(side.Issuer)}}
          subject        = {{Quoted.Hcl(side.Subject)}}
          audiences      = [{{Quoted.Hcl(side.Audience)}}]
        }
        """;
}

/// <summary>Vault and OpenBao: the JWT auth method, and a role bound to one subject.</summary>
internal static class VaultTrust
{
    public static string Commands(TrustSide side, string role, string policy, string mount) => $"""
        vault auth enable -path={Quoted.Shell(mount)} jwt
        vault write {Quoted.Shell($"auth/{mount}/config")} oidc_discovery_url={Quoted.Shell(side.Issuer)} bound_issuer={Quoted.Shell(side.Issuer)}
        vault write {Quoted.Shell($"auth/{mount}/role/{role}")} role_type=jwt user_claim=sub bound_audiences={Quoted.Shell(side.Audience)} \
          bound_subject={Quoted.Shell(side.Subject)} token_policies={Quoted.Shell(policy)} token_ttl=15m token_max_ttl=1h
        """;

    public static string Hcl(TrustSide side, string role, string policy, string mount) => $$"""
        resource "vault_jwt_auth_backend" "lanyard" {
          path               = {{Quoted.Hcl(mount)}}
          oidc_discovery_url = {{Quoted.Hcl(side.Issuer)}}
          bound_issuer       = {{Quoted.Hcl(side.Issuer)}}
        }

        resource "vault_jwt_auth_backend_role" "role" {
          backend         = vault_jwt_auth_backend.lanyard.path
          role_name       = {{Quoted.Hcl(role)}}
          role_type       = "jwt"
          user_claim      = "sub"
          bound_audiences = [{{Quoted.Hcl(side.Audience)}}]
          bound_subject   = {{Quoted.Hcl(side.Subject)}}
          token_policies  = [{{Quoted.Hcl(policy)}}]
          token_ttl       = 900
          token_max_ttl   = 3600
        }
        """;
}

/// <summary>An API server (or the cluster proxy), by <c>AuthenticationConfiguration</c>, and what the user may do there.</summary>
internal static class KubernetesTrust
{
    private const string Prefix = "lanyard:";

    public static string Documents(TrustSide side, string role, IReadOnlyList<string> namespaces) => $$"""
        # This document in a file of its own: for kube-apiserver --authentication-config (1.30 and later) or lanyard cluster-proxy --authentication-config.
        apiVersion: apiserver.config.k8s.io/v1beta1
        kind: AuthenticationConfiguration
        jwt:
        - issuer:
            url: {{Quoted.Yaml(side.Issuer)}}
            audiences: [{{Quoted.Yaml(side.Audience)}}]
          claimMappings:
            username: {claim: sub, prefix: "{{Prefix}}"}
        {{string.Concat(Bindings(side, role, namespaces))}}
        """;

    /// <summary>The file for the API server, and the bindings as resources.</summary>
    public static string Hcl(TrustSide side, string role, IReadOnlyList<string> namespaces)
    {
        string?[] places = namespaces.Count == 0 ? [null] : [.. namespaces];
        return $$"""
            # For kube-apiserver --authentication-config (1.30 and later) or lanyard cluster-proxy --authentication-config.
            locals {
              lanyard_authentication_config = yamlencode({
                apiVersion = "apiserver.config.k8s.io/v1beta1"
                kind       = "AuthenticationConfiguration"
                jwt = [{
                  issuer        = { url = {{Quoted.Hcl(side.Issuer)}}, audiences = [{{Quoted.Hcl(side.Audience)}}] }
                  claimMappings = { username = { claim = "sub", prefix = "{{Prefix}}" } }
                }]
              })
            }
            """ + string.Concat(places.Select((place, index) => Binding(side, role, place, index)));
    }

    private static string Binding(TrustSide side, string role, string? place, int index)
    {
        var name = Quoted.Hcl("lanyard-" + side.Name);
        return $$"""


            resource "{{(place is null ? "kubernetes_cluster_role_binding_v1" : "kubernetes_role_binding_v1")}}" "lanyard{{(index == 0 ? "" : $"_{index}")}}" {
              metadata {
                {{(place is null ? $"name = {name}" : $"name      = {name}\n    namespace = {Quoted.Hcl(place)}")}}
              }
              role_ref {
                api_group = "rbac.authorization.k8s.io"
                kind      = "ClusterRole"
                name      = {{Quoted.Hcl(role)}}
              }
              subject {
                api_group = "rbac.authorization.k8s.io"
                kind      = "User"
                name      = {{Quoted.Hcl(Prefix + side.Subject)}}
              }
            }
            """;
    }

    private static IEnumerable<string> Bindings(TrustSide side, string role, IReadOnlyList<string> namespaces)
    {
        string?[] places = namespaces.Count == 0 ? [null] : [.. namespaces];
        return places.Select(place => $$"""
            ---
            # For kubectl apply -f.
            apiVersion: rbac.authorization.k8s.io/v1
            kind: {{(place is null ? "ClusterRoleBinding" : "RoleBinding")}}
            metadata: {name: {{Quoted.Yaml("lanyard-" + side.Name)}}{{(place is null ? "" : $", namespace: {Quoted.Yaml(place)}")}}}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{Quoted.Yaml(role)}}}
            subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: {{Quoted.Yaml(Prefix + side.Subject)}}}]

            """);
    }
}

/// <summary>Whoever else verifies tokens by OpenID Connect: what it must be told, and what it must ask.</summary>
internal static class OidcTrust
{
    /// <summary>As JSON: there is no one form, and every such party has fields for these.</summary>
    public static string Document(TrustSide side) => Printing.Json(new JsonObject
    {
        ["issuer"] = side.Issuer,
        ["discovery"] = side.Issuer + "/.well-known/openid-configuration",
        ["jwks_uri"] = side.Issuer + "/jwks",
        ["algorithms"] = new JsonArray("RS256", "ES256"),
        ["audience"] = side.Audience,
        ["subject"] = side.Subject,
        ["required_claims"] = new JsonObject { ["workspace_id"] = side.WorkspaceId, ["sub"] = side.Subject },
        ["ask"] = new JsonArray("exp and iat are there", "iss, aud and sub are exactly these", "the algorithm is the key's"),
    });

    public static string Hcl(TrustSide side) => $$"""
        locals {
          lanyard_issuer   = {{Quoted.Hcl(side.Issuer)}}
          lanyard_jwks_uri = {{Quoted.Hcl(side.Issuer + "/jwks")}}
          lanyard_audience = {{Quoted.Hcl(side.Audience)}}
          lanyard_subject  = {{Quoted.Hcl(side.Subject)}}
          lanyard_required_claims = {
            workspace_id = {{Quoted.Hcl(side.WorkspaceId)}}
          }
        }
        """;
}
