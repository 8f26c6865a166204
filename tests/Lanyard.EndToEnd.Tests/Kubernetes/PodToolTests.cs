using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
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
