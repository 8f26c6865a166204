using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.TrustPolicies;

/// <summary>What is printed to be pasted: exact, whole, and nothing that a subject holds can end a quotation.</summary>
[Line("5.4")]
public sealed class TrustPolicyCommandTests() : CliApiTests("acme", "prod")
{
    private const string Nasty = "w:it's;${x}:\"$(id)\"";
    private JsonArray _items = [];
    private string _asked = "";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        Api.OnRequest = async http =>
        {
            if (http.Request.Path == "/v1/workspaces/acme")
            {
                await http.Response.WriteAsync("""{"id":"ws_1","slug":"acme"}""");
                return true;
            }

            _asked = http.Request.Path + http.Request.QueryString;
            await http.Response.WriteAsync(new JsonObject { ["issuer"] = "https://lanyard.example/oidc/acme", ["items"] = _items.DeepClone() }.ToJsonString());
            return true;
        };
    }

    [Fact]
    [Line("3.11")]
    public async Task AWS_is_told_audience_and_subject_exactly_and_the_document_is_JSON_whatever_the_subject_holds()
    {
        Have("sts.amazonaws.com", Nasty);

        Assert.Equal(0, await Cli.RunAsync("trust-policy", "aws", "deploy", "--account", "123456789012"));

        var document = JsonNode.Parse(Between(Cli.Out.ToString(), "<<'EOF'\n", "\nEOF"))!["Statement"]![0]!;
        Assert.Equal("arn:aws:iam::123456789012:oidc-provider/lanyard.example/oidc/acme", document["Principal"]!["Federated"]!.GetValue<string>());
        var condition = document["Condition"]!["StringEquals"]!.AsObject();
        Assert.Equal("sts.amazonaws.com", condition["lanyard.example/oidc/acme:aud"]!.GetValue<string>());
        Assert.Equal(Nasty, condition["lanyard.example/oidc/acme:sub"]!.GetValue<string>());
        Assert.Contains("--role-name 'lanyard-deploy'", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.Equal("/v1/workspaces/acme/collections/prod/definitions/deploy/subjects", _asked);
    }

    [Fact]
    [Line("3.11")]
    public async Task EKS_gets_an_access_entry_its_policy_and_the_fallback_of_old_clusters()
    {
        Have("sts.amazonaws.com", "w:acme");

        Assert.Equal(0, await Cli.RunAsync("trust-policy", "eks", "deploy", "--account", "123456789012", "--cluster", "demo", "--policy", "AmazonEKSEditPolicy", "--namespace", "a", "--namespace", "b"));

        var said = Cli.Out.ToString();
        Assert.Contains("create-access-entry --cluster-name 'demo' --principal-arn 'arn:aws:iam::123456789012:role/lanyard-deploy' --type STANDARD", said, StringComparison.Ordinal);
        Assert.Contains("cluster-access-policy/AmazonEKSEditPolicy --access-scope 'type=namespace,namespaces=a,b'", said, StringComparison.Ordinal);
        Assert.Contains("- rolearn: arn:aws:iam::123456789012:role/lanyard-deploy", said, StringComparison.Ordinal);
        Assert.Contains("eks:DescribeCluster", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Google_learns_the_provider_from_the_audience_and_demands_the_workspaces_id()
    {
        Have("https://iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/lanyard/providers/acme", "w:acme");

        Assert.Equal(0, await Cli.RunAsync("trust-policy", "gcp", "deploy", "--service-account", "deploy@p.iam.gserviceaccount.com"));

        var said = Cli.Out.ToString();
        Assert.Contains("providers create-oidc acme --project=42 --location=global --workload-identity-pool=lanyard", said, StringComparison.Ordinal);
        Assert.Contains(@"--attribute-condition='assertion.workspace_id == '\''ws_1'\'''", said, StringComparison.Ordinal);
        Assert.Contains("--member='principal://iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/lanyard/subject/w:acme'", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("aws", "sts.amazonaws.com")]
    [InlineData("azure", "api://AzureADTokenExchange")]
    [InlineData("vault", "https://vault.example")]
    public async Task No_subject_ends_a_quotation_of_the_shell(string target, string audience)
    {
        Have(audience, Nasty);
        Assert.Equal(0, await Cli.RunAsync("trust-policy", target, "deploy"));

        // The commands are typed into a shell in which each of the tools only says what it was given.
        var script = "aws() { printf '%s\\n' \"$@\"; }; az() { aws \"$@\"; }; vault() { aws \"$@\"; }; cd \"$(mktemp -d)\"\n" + Cli.Out + "\ncat trust-policy.json 2> /dev/null || true";
        var said = (await Command.RunAsync("bash", ["-euo", "pipefail", "-c", script])).Succeeded();

        Assert.DoesNotContain("uid=", said, StringComparison.Ordinal);
        Assert.Contains(target == "vault" ? "bound_subject=" + Nasty : "it", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Entra_is_told_issuer_subject_and_audience_exactly_whatever_the_subject_holds()
    {
        Have("api://AzureADTokenExchange", Nasty);
        Assert.Equal(0, await Cli.RunAsync("trust-policy", "azure", "deploy", "--client-id", "11111111-2222-3333-4444-555555555555"));

        var typed = await TypedAsync("az");

        Assert.Equal(["ad", "app", "federated-credential", "create", "--id", "11111111-2222-3333-4444-555555555555", "--parameters"], typed.SkipLast(1));
        Assert.Equal(
            $"https://lanyard.example/oidc/acme {Nasty} api://AzureADTokenExchange",
            JsonNode.Parse(typed[^1]) is { } credential ? $"{credential["issuer"]} {credential["subject"]} {credential["audiences"]!.AsArray().Single()}" : null);
    }

    [Fact]
    public async Task Entra_of_another_cloud_of_Azure_is_told_the_audience_that_the_definition_has_for_it()
    {
        Have("api://AzureADTokenExchangeUSGov", "w:acme");
        Assert.Equal(0, await Cli.RunAsync("trust-policy", "azure", "deploy"));
        Assert.Equal("api://AzureADTokenExchangeUSGov", JsonNode.Parse((await TypedAsync("az"))[^1])!["audiences"]!.AsArray().Single()!.GetValue<string>());
    }

    [Fact]
    public async Task Vault_is_told_issuer_subject_and_audience_exactly_whatever_the_subject_holds()
    {
        Have("https://vault.example", Nasty);
        Assert.Equal(0, await Cli.RunAsync("trust-policy", "vault", "deploy"));

        var typed = await TypedAsync("vault");

        const string issuer = "https://lanyard.example/oidc/acme";
        Assert.Superset(
            new HashSet<string>([
                $"oidc_discovery_url={issuer}", $"bound_issuer={issuer}", "role_type=jwt", "user_claim=sub", "bound_audiences=https://vault.example", $"bound_subject={Nasty}"]),
            typed.ToHashSet());
        Assert.DoesNotContain(typed, static word => word.StartsWith("bound_claims", StringComparison.Ordinal) && word.Contains('*', StringComparison.Ordinal));
    }

    [Fact]
    public async Task Google_is_told_issuer_subject_and_audience_exactly_whatever_the_subject_holds()
    {
        const string provider = "projects/42/locations/global/workloadIdentityPools/lanyard/providers/acme";
        Have("https://iam.googleapis.com/" + provider, Nasty);
        Assert.Equal(0, await Cli.RunAsync("trust-policy", "gcp", "deploy", "--service-account", "deploy@p.iam.gserviceaccount.com"));

        var typed = await TypedAsync("gcloud");

        Assert.Superset(
            new HashSet<string>([
                "--issuer-uri=https://lanyard.example/oidc/acme", $"--allowed-audiences=https://iam.googleapis.com/{provider}", "--attribute-condition=assertion.workspace_id == 'ws_1'",
                $"--member=principal://iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/lanyard/subject/{Nasty}"]),
            typed.ToHashSet());
    }

    /// <summary>The words that a cloud's tool is given when what was printed is pasted into a shell.</summary>
    private async Task<string[]> TypedAsync(string tool)
    {
        var script = tool + "() { printf '%s\\n' \"$@\"; }\n" + Cli.Out;
        return (await Command.RunAsync("bash", ["-euo", "pipefail", "-c", script])).Succeeded().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public async Task For_OpenTofu_no_subject_becomes_a_template()
    {
        Have("https://vault.example", Nasty);

        Assert.Equal(0, await Cli.RunAsync("trust-policy", "vault", "deploy", "--hcl"));

        Assert.Contains("""bound_subject   = "w:it's;$${x}:\"$(id)\"" """.TrimEnd(), Cli.Out.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [Line("6.8")]
    [Needs("terraform")]
    [InlineData("aws")]
    [InlineData("eks", "--namespace", "a", "--namespace", "b")]
    [InlineData("eks")]
    [InlineData("gcp", "--service-account", "deploy@p.iam.gserviceaccount.com")]
    [InlineData("azure")]
    [InlineData("vault")]
    [InlineData("kubernetes", "--namespace", "a", "--namespace", "b")]
    [InlineData("kubernetes")]
    [InlineData("oidc")]
    public async Task For_every_side_the_HCL_is_as_Terraform_itself_would_write_it_whatever_the_subject_holds(string target, params string[] more)
    {
        const string google = "https://iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/lanyard/providers/acme";
        Have(google, Nasty);

        Assert.Equal(0, await Cli.RunAsync(["trust-policy", target, "deploy", "--hcl", "--audience", google, .. more]));

        var formatted = await Command.RunAsync(MachineParts.Find("terraform", "tofu")!, ["fmt", "-check", "-diff", Cli.Write("main.tf", Cli.Out.ToString())]);
        Assert.True(formatted.ExitCode == 0, formatted.Output + formatted.Errors + Cli.Out);
        Assert.Contains("$${x}", Cli.Out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    [Line("6.8")]
    public async Task Any_other_party_is_told_issuer_keys_audience_and_subject()
    {
        Have("https://other.example", Nasty);

        Assert.Equal(0, await Cli.RunAsync("trust-policy", "oidc", "deploy"));

        var said = JsonNode.Parse(Cli.Out.ToString())!;
        Assert.Equal(("https://other.example", Nasty, "ws_1"), (said["audience"]!.GetValue<string>(), said["subject"]!.GetValue<string>(), said["required_claims"]!["workspace_id"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Kubernetes_gets_the_configuration_and_a_binding_in_each_namespace()
    {
        Have("https://kubernetes.example", "w:acme");

        Assert.Equal(0, await Cli.RunAsync("trust-policy", "kubernetes", "deploy", "--role", "edit", "--namespace", "a", "--namespace", "b"));

        var documents = Cli.Out.ToString().Split("\n---\n");
        Assert.Equal(3, documents.Length);
        Assert.Contains("url: \"https://lanyard.example/oidc/acme\"", documents[0], StringComparison.Ordinal);
        Assert.Contains("""metadata: {name: "lanyard-deploy", namespace: "b"}""", documents[2], StringComparison.Ordinal);
        Assert.Contains("""kind: User, name: "lanyard:w:acme" """.TrimEnd(), documents[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_other_side_would_refuse_is_said_and_the_exit_code_is_1()
    {
        Have("api://AzureADTokenExchange", "run:<run>", ("Azure", "compares the whole subject exactly, and run is another in every run"));

        Assert.Equal(1, await Cli.RunAsync("trust-policy", "azure", "deploy"));

        Assert.Contains("! Azure compares the whole subject exactly", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Contains("! the subject has parts that only a run knows", Cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("aws", "deploy", "--account", "12345")]
    [InlineData("aws", "deploy", "--role", "a;id")]
    [InlineData("eks", "deploy", "--namespace", "a'b")]
    [InlineData("azure", "deploy", "--client-id", "$(id)")]
    [InlineData("gcp", "deploy", "--provider", "projects/x")]
    [InlineData("aws", "../deploy")]
    [InlineData("aws", "deploy", "--audience", "other")]
    [InlineData("aws", "deploy", "--subject", "other")]
    public async Task What_would_not_be_a_word_there_is_refused(params string[] arguments)
    {
        Have("sts.amazonaws.com", "w:acme");
        if (arguments[0] is "azure") Have("api://AzureADTokenExchange", "w:acme");
        if (arguments[0] is "gcp") Have("https://google.example", "w:acme");

        Assert.Equal(2, await Cli.RunAsync(["trust-policy", .. arguments]));

        Assert.Equal("", Cli.Out.ToString());
    }

    [Fact]
    public async Task A_preview_shows_subjects_uses_and_problems()
    {
        Have("sts.amazonaws.com", "w:acme", ("AWS", "takes an issuer of https without a port only"));

        Assert.Equal(1, await Cli.RunAsync("subject", "preview", "deploy", "--environment", "live", "--consumer-workspace", "team"));

        Assert.Equal("/v1/workspaces/acme/collections/prod/definitions/deploy/subjects?environment=live&consumer_workspace=team", _asked);
        Assert.Contains("sts.amazonaws.com  lanyard (default)  w:acme   3       2026-11-01T00:00:00Z", Cli.Out.ToString(), StringComparison.Ordinal);
        Assert.Contains("! sts.amazonaws.com, lanyard: AWS takes an issuer of https without a port only", Cli.Out.ToString(), StringComparison.Ordinal);
    }

    private void Have(string audience, string subject, params (string Cloud, string Text)[] problems) => _items =
    [
        new JsonObject
        {
            ["audience"] = audience,
            ["name"] = "lanyard",
            ["isDefault"] = true,
            ["example"] = subject,
            ["tokens"] = 3,
            ["lastUsedAt"] = "2026-11-01T00:00:00Z",
            ["problems"] = new JsonArray([.. problems.Select(static problem => new JsonObject { ["cloud"] = problem.Cloud, ["text"] = problem.Text })]),
        },
    ];

    private static string Between(string text, string start, string end)
    {
        var from = text.IndexOf(start, StringComparison.Ordinal) + start.Length;
        return text[from..text.IndexOf(end, from, StringComparison.Ordinal)];
    }
}
