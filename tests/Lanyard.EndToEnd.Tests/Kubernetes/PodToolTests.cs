using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lanyard.EndToEnd.Tests.Docs;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>What the tools of a step find in a pod as they do on a host: the image has them or a shell alone, and everything of ours is the other container's.</summary>
[Needs("kube")]
public sealed class PodToolTests(PodCluster pods) : IClassFixture<PodCluster>
{
    /// <summary>The container that renews them writes to a folder that both see; what is written there once, and never again, would be dead after a minute.</summary>
    [Fact]
    [Line("5.3")]
    public async Task In_a_pod_the_clouds_files_are_in_memory_not_the_steps_to_write_and_renewed_while_it_runs()
    {
        const string Script = """
            claims() { cut -d. -f2 | tr _- /+ | base64 -d 2> /dev/null || :; } # what is not padded is read all the same
            file=$AWS_WEB_IDENTITY_TOKEN_FILE
            echo "role $AWS_ROLE_ARN, mode $(stat -c %a $file), $(stat -f -c %T $file)"
            (: > $file) 2> /dev/null || echo "not to be written"
            first=$(claims < $file)
            until [ "$(claims < $file)" != "$first" ]; do sleep 0.2; done
            echo "renewed $(claims < $file | tr , '\n' | grep '"aud"')"
            wget -qO- --header "Authorization: Bearer $ARM_OIDC_REQUEST_TOKEN" "$ARM_OIDC_REQUEST_URL&audience=api://AzureADTokenExchange" | tr -d ' "' | cut -d. -f2 | tr _- /+ | { base64 -d 2> /dev/null || :; } | tr , '\n' | grep '"aud"'
            set -- $(sed 's/.*"command":"\([^"]*\)".*/\1/' $KUBECONFIG) $(sed 's/.*"args":\["\([^"]*\)"\].*/\1/' $KUBECONFIG)
            "$@" | tr , '\n' | grep '"kind"'
            "$@" | sed 's/.*"token":"\([^"]*\)".*/\1/' | claims | tr , '\n' | grep '"aud"'
            """;
        var run = await pods.StartAsync(
            "clouds", $"[{{name: main, script: {JsonSerializer.Serialize(Script)}}}]",
            more: """
                  cloud:
                      aws: {roleArn: 'arn:aws:iam::123456789012:role/deploy', region: eu-central-1}
                      azure: {tenantId: 11111111-2222-3333-4444-555555555555, clientId: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}
                      kubernetes: {server: 'https://cluster.example', audience: 'https://cluster.example'}
                  """,
            audiences: $"{{audience: '{PodCluster.Audience}'}}, {{audience: sts.amazonaws.com, lifetimeSeconds: 60}}");
        var view = await pods.EndAsync(run);
        var log = await pods.LogAsync(run);

        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{log}\n{pods.Runner.Errors}");
        foreach (var line in (string[])[
            "role arn:aws:iam::123456789012:role/deploy, mode 640, tmpfs", "not to be written", "renewed \"aud\":\"sts.amazonaws.com\"", "\"aud\":\"api://AzureADTokenExchange\"",
            "\"kind\":\"ExecCredential\"", "\"aud\":\"https://cluster.example\""])
        {
            Assert.Contains(line, log, StringComparison.Ordinal);
        }
    }

    /// <summary>The container of ours asks STS with a token of the run; the step's has the keys alone, from an address of the pod's own.</summary>
    [Fact]
    [Line("5.3")]
    public async Task In_a_pod_a_step_has_the_keys_that_STS_gave_for_the_runs_token_and_none_where_the_role_trusts_another_subject()
    {
        const string Script = """
            ask() { wget -qO- --header "Authorization: $1" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"; }
            echo "keys $(ask "$AWS_CONTAINER_AUTHORIZATION_TOKEN" | sed 's/.*"SecretAccessKey":"\([^"]*\)".*/\1/; s/\\u002B/+/g' | tr -d '\n' | sha256sum | cut -c1-64)"
            ask guessed || echo "nothing without the pod's word"
            """;
        await using var sts = await AwsDouble.StartBesideAsync(pods.Installation, "acme", "sts.amazonaws.com");
        var trusts = sts.AddRole("apply", static subject => subject == "workspace:acme:collection:prod:definition:keys:phase:run");
        var other = sts.AddRole("other", static subject => subject == "workspace:acme:collection:prod:definition:another:phase:run");

        var run = await KeysAsync("keys", trusts, sts.Url, Script);
        var log = await pods.LogAsync(run);
        Assert.Contains("keys " + Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(Assert.Single(sts.Secrets)))), log, StringComparison.Ordinal);
        Assert.Contains("nothing without the pod's word", log, StringComparison.Ordinal);

        run = await KeysAsync("keys", other, sts.Url, "wget -qO- --header \"Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN\" \"$AWS_CONTAINER_CREDENTIALS_FULL_URI\" || echo no keys");
        Assert.Contains("no keys", await pods.LogAsync(run), StringComparison.Ordinal);
        Assert.Single(sts.Secrets);
        Assert.Contains("Subject: workspace:acme:collection:prod:definition:keys:phase:run", sts.Refused);
    }

    private async Task<string> KeysAsync(string definition, string role, string sts, string script)
    {
        var run = await pods.StartAsync(
            definition, $"[{{name: main, script: {JsonSerializer.Serialize(script)}}}]", more: $"cloud: {{aws: {{roleArn: '{role}', credentials: endpoint, region: eu-central-1, stsEndpoint: '{sts}'}}}}");
        var view = await pods.EndAsync(run);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{await pods.LogAsync(run)}\n{pods.Runner.Errors}");
        return run;
    }

    /// <summary>The page's own words, with an image that is here, and a script that it can run.</summary>
    [Fact]
    [Line("5.1")]
    public async Task The_definition_that_the_page_shows_runs_as_it_says_and_its_Job_is_found_by_the_pages_command()
    {
        var shown = Walk.Read("docs/runners.md", "## What a definition says").Blocks.First(static block => block.Kind == "yaml").Text
            .Replace("image: registry.example.com/tools:1.4", $"image: {PodCluster.Busybox}\n    imagePullPolicy: Never", StringComparison.Ordinal)
            .Replace("make deploy", "echo $(id -u) in $HOME and $PWD, CI $CI, $(command -v lanyard || echo no lanyard), $(uname -m), $ACTIONS_ID_TOKEN_REQUEST_URL", StringComparison.Ordinal);
        await pods.Installation.ApplyAsync(shown);
        var refused = await pods.EndAsync((await pods.Installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded().Trim());
        Assert.Contains("does not allow the service account deployer", refused["attempts"]![0]!["reason"]!.GetValue<string>(), StringComparison.Ordinal);

        await pods.Installation.ApplyAsync(string.Join('\n', shown.Split('\n').Where(static line => !line.Contains("serviceAccount", StringComparison.Ordinal))));
        var run = (await pods.Installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded().Trim();
        var view = await pods.EndAsync(run);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{pods.Runner.Errors}");
        Assert.Matches("1000 in /lanyard/work and /lanyard/work, CI true, no lanyard, x86_64, http://127[.]0[.]0[.]1:", await pods.LogAsync(run));

        var command = Walk.Lines("docs/runners.md", "## Looking at it").Select(static line => Regex.Match(line, "`kubectl ([^`]+)`")).First(static match => match.Success).Groups[1].Value;
        var found = (await pods.Cluster.KubectlAsync([.. command.Split(' '), "-n", PodCluster.Namespace])).Succeeded();
        Assert.Contains(PodNames.OfJob(run, 1), found, StringComparison.Ordinal);
        var container = JsonNode.Parse((await pods.Cluster.KubectlAsync("get", "job", PodNames.OfJob(run, 1), "-n", PodCluster.Namespace, "-o", "json")).Succeeded())!["spec"]!["template"]!["spec"]!["containers"]![1]!;
        Assert.Equal(("500m", "512Mi", "1Gi"), (Of(container, "requests", "cpu"), Of(container, "requests", "memory"), Of(container, "limits", "memory")));

        static string Of(JsonNode container, string kind, string what) => container["resources"]![kind]![what]!.GetValue<string>();
    }

    [Fact]
    [Needs("terraform")]
    [Line("5.6")]
    public async Task Infrastructure_is_planned_in_one_pod_and_applied_as_it_was_planned_in_another()
    {
        var run = await ApplyAsync("infra", "");
        var view = await pods.EndAsync(run);
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{(await pods.Installation.LanyardAsync("logs", run, "-w", "acme", "-c", "prod", "--attempt", "2")).Output}");
        Assert.NotEqual(view["attempts"]![0]!["pod"]!["uid"]!.GetValue<string>(), view["attempts"]![1]!["pod"]!["uid"]!.GetValue<string>());
        var state = await StateAsync("infra");
        Assert.Null(state["lock"]);
        Assert.Equal(run, state["run"]!.GetValue<string>());
    }

    /// <summary>The signal goes from the container that hears of the cancel through a pipe to the tool in the other, which saves its state through the first.</summary>
    [Fact]
    [Needs("terraform")]
    [Line("5.6")]
    public async Task A_cancel_in_the_middle_of_an_apply_in_a_pod_leaves_a_saved_state_and_no_lock()
    {
        var run = await ApplyAsync("broken-off", """provisioner "local-exec" { command = "echo now-it-is-slow; sleep 300" }""");
        await Eventually.HoldsAsync(async () => (await SaysAsync(run, 2)).Contains("now-it-is-slow", StringComparison.Ordinal), $"the apply of {run} is at its work", TimeSpan.FromMinutes(2));
        (await pods.Installation.LanyardAsync("cancel", run, "-w", "acme", "-c", "prod")).Succeeded();
        var view = await pods.EndAsync(run);

        Assert.True(view["state"]!.GetValue<string>() == "canceled", $"{view}\n{await SaysAsync(run, 2)}");
        var state = await StateAsync("broken-off");
        Assert.True(state["lock"] is null, $"{state}\n{await SaysAsync(run, 2)}");
        Assert.Equal(run, state["run"]!.GetValue<string>());
    }

    /// <summary>A run of a resource that was planned and is being applied.</summary>
    private async Task<string> ApplyAsync(string definition, string more)
    {
        Assert.SkipWhen(MachineParts.Find("terraform") is null, "terraform is not on the PATH");
        await pods.Cluster.ImportImageAsync(await TerraformImage.MakeAsync());
        var main = $$"""
            resource "terraform_data" "it" {
              input = "one"
              {{more}}
            }
            """;
        var run = await pods.StartAsync(
            definition, "[]", $"{{image: '{TerraformImage.Name}', imagePullPolicy: Never}}", $"opentofu: {{files: {{main.tf: {JsonSerializer.Serialize(main)}}}}}", graceSeconds: 60);
        await Eventually.HoldsAsync(async () => await pods.RunAsync(run) is var view && (view["waitingFor"] ?? view["finishedAt"]) is not null, $"{run} waits for approval", TimeSpan.FromMinutes(2));
        var held = await pods.RunAsync(run);
        Assert.True(held["finishedAt"] is null, $"{held}\n{await pods.LogAsync(run)}");
        Assert.Equal(1, held["plan"]!["add"]!.GetValue<int>());
        (await pods.Installation.LanyardAsync("approve", run, "-w", "acme", "-c", "prod")).Succeeded();
        return run;
    }

    private async Task<JsonNode> StateAsync(string name) =>
        JsonNode.Parse((await pods.Installation.LanyardAsync("state", "ls", "-w", "acme", "-c", "prod", "-o", "json")).Succeeded())!["items"]!.AsArray()
            .Single(state => state!["name"]!.GetValue<string>() == name)!;

    private async Task<string> SaysAsync(string run, int attempt) =>
        (await pods.Installation.LanyardAsync("logs", run, "-w", "acme", "-c", "prod", "--attempt", $"{attempt}")).Output;
}
