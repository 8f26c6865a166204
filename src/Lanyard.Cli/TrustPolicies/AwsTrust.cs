using System.Text.Json.Nodes;

namespace Lanyard.Cli.TrustPolicies;

/// <summary>AWS IAM: the OIDC provider, a role that one subject may assume, and for EKS who the role is in the cluster.</summary>
internal static class AwsTrust
{
    public static string Commands(TrustSide side, AwsPlace place, string role) => $"""
        # Once in the account. AWS fetches the issuer's discovery and keys from the internet.
        aws iam create-open-id-connect-provider --url {Quoted.Shell(side.Issuer)} --client-id-list {Quoted.Shell(side.Audience)}

        cat > trust-policy.json <<'EOF'
        {Indented(Policy(side, place))}
        EOF
        aws iam create-role --role-name {Quoted.Shell(role)} --assume-role-policy-document file://trust-policy.json
        """;

    public static string Hcl(TrustSide side, string role) => $$"""
        resource "aws_iam_openid_connect_provider" "lanyard" {
          url            = {{Quoted.Hcl(side.Issuer)}}
          client_id_list = [{{Quoted.Hcl(side.Audience)}}]
        }

        data "aws_iam_policy_document" "trust" {
          statement {
            actions = ["sts:AssumeRoleWithWebIdentity"]
            principals {
              type        = "Federated"
              identifiers = [aws_iam_openid_connect_provider.lanyard.arn]
            }
            condition {
              test     = "StringEquals"
              variable = {{Quoted.Hcl(side.Host + ":aud")}}
              values   = [{{Quoted.Hcl(side.Audience)}}]
            }
            condition {
              test     = "StringEquals"
              variable = {{Quoted.Hcl(side.Host + ":sub")}}
              values   = [{{Quoted.Hcl(side.Subject)}}]
            }
          }
        }

        resource "aws_iam_role" "role" {
          name               = {{Quoted.Hcl(role)}}
          assume_role_policy = data.aws_iam_policy_document.trust.json
        }
        """;

    /// <param name="policy">Of EKS, such as <c>AmazonEKSViewPolicy</c>.</param>
    /// <param name="namespaces">Empty: the whole cluster.</param>
    public static string Eks(TrustSide side, AwsPlace place, string role, string cluster, string policy, IReadOnlyList<string> namespaces)
    {
        var arn = place.Iam($"role/{role}");
        var region = place.Region is { } named ? $" --region {Quoted.Shell(named)}" : "";
        var scope = namespaces.Count == 0 ? "type=cluster" : $"type=namespace,namespaces={string.Join(',', namespaces)}";
        return $"""
            {Commands(side, place, role)}

            # Finding the cluster's address and authority.
            aws iam put-role-policy --role-name {Quoted.Shell(role)} --policy-name describe-cluster --policy-document {Quoted.Shell(Describe(place, cluster))}

            # Who the role is in the cluster: an access entry and what it may do.
            aws eks create-access-entry{region} --cluster-name {Quoted.Shell(cluster)} --principal-arn {Quoted.Shell(arn)} --type STANDARD
            aws eks associate-access-policy{region} --cluster-name {Quoted.Shell(cluster)} --principal-arn {Quoted.Shell(arn)} \
              --policy-arn {place.AccessPolicy(policy)} --access-scope {Quoted.Shell(scope)}

            # A cluster whose authentication mode is still CONFIG_MAP has an entry of aws-auth instead (kubectl -n kube-system edit configmap aws-auth):
            #   mapRoles: |
            #     - rolearn: {arn}
            #       username: lanyard:{side.Name}
            #       groups: [lanyard:{side.Name}]
            """;
    }

    /// <summary>As <see cref="Eks"/>, for OpenTofu.</summary>
    public static string EksHcl(TrustSide side, AwsPlace place, string role, string cluster, string policy, IReadOnlyList<string> namespaces) => $$"""
        {{Hcl(side, role)}}

        resource "aws_iam_role_policy" "describe_cluster" {
          name   = "describe-cluster"
          role   = aws_iam_role.role.id
          policy = {{Quoted.Hcl(Describe(place, cluster))}}
        }

        resource "aws_eks_access_entry" "role" {
          cluster_name  = {{Quoted.Hcl(cluster)}}
          principal_arn = aws_iam_role.role.arn
        }

        resource "aws_eks_access_policy_association" "role" {
          cluster_name  = {{Quoted.Hcl(cluster)}}
          principal_arn = aws_iam_role.role.arn
          policy_arn    = {{Quoted.Hcl(place.AccessPolicy(policy))}}
          access_scope {
            {{(namespaces.Count == 0 ? "type = \"cluster\"" : $"type       = \"namespace\"\n    namespaces = [{string.Join(", ", namespaces.Select(Quoted.Hcl))}]")}}
          }
        }
        """;

    private static JsonObject Policy(TrustSide side, AwsPlace place) => new()
    {
        ["Version"] = "2012-10-17",
        ["Statement"] = new JsonArray(new JsonObject
        {
            ["Effect"] = "Allow",
            ["Principal"] = new JsonObject { ["Federated"] = place.Iam($"oidc-provider/{side.Host}") },
            ["Action"] = "sts:AssumeRoleWithWebIdentity",
            ["Condition"] = new JsonObject { ["StringEquals"] = new JsonObject { [$"{side.Host}:aud"] = side.Audience, [$"{side.Host}:sub"] = side.Subject } },
        }),
    };

    private static string Describe(AwsPlace place, string cluster) => new JsonObject
    {
        ["Version"] = "2012-10-17",
        ["Statement"] = new JsonArray(new JsonObject
        {
            ["Effect"] = "Allow",
            ["Action"] = "eks:DescribeCluster",
            ["Resource"] = $"arn:{place.Partition}:eks:{place.Region ?? "*"}:{place.Account}:cluster/{cluster}",
        }),
    }.ToJsonString();

    private static string Indented(JsonNode node) => Printing.Json(node);
}

/// <summary>Whose AWS it is.</summary>
/// <param name="Partition">What every ARN there begins with.</param>
/// <param name="Region">Null: any, and the tools' own default.</param>
internal sealed record AwsPlace(string Partition, string Account, string? Region)
{
    public string Iam(string what) => $"arn:{Partition}:iam::{Account}:{what}";

    public string AccessPolicy(string name) => $"arn:{Partition}:eks::aws:cluster-access-policy/{name}";
}
