using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>The real tool at work for three times as long as its cloud token lives: every half minute it shows the token that its file has to STS.</summary>
[Needs("bwrap")]
[Needs("terraform")]
[Line("5.3")]
[Line("5.6")]
public sealed class LongInfrastructureTests
{
    private const string Main = """
        resource "terraform_data" "slow" {
          provisioner "local-exec" {
            command = <<-EOT
              for i in 1 2 3 4 5 6 7; do
                curl -sS --fail-with-body -o /dev/null "$AWS_ENDPOINT_URL_STS" -d Action=AssumeRoleWithWebIdentity -d Version=2011-06-15 -d "RoleSessionName=use-$i" \
                  --data-urlencode "RoleArn=$AWS_ROLE_ARN" --data-urlencode "WebIdentityToken@$AWS_WEB_IDENTITY_TOKEN_FILE" || exit 1
                [ $i = 7 ] || sleep 30
              done
            EOT
          }
        }
        """;

    [Fact]
    public async Task An_apply_of_three_minutes_has_a_good_token_to_its_end_though_each_lives_for_one_and_its_state_is_saved()
    {
        Assert.SkipWhen(MachineParts.Find("terraform", "tofu") is null, "terraform is not on the PATH");
        await using var installation = await Installation.StartAsync();
        await using var sts = await AwsDouble.StartAsync(installation.IssuerOf("acme"), "sts.amazonaws.com");
        var role = sts.AddRole("apply", static _ => true);
        await installation.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.Collection("acme", "prod"),
            $$"""
            kind: Definition
            metadata: {workspace: acme, collection: prod, slug: slow}
            spec:
              steps: []
              audiences: [{audience: sts.amazonaws.com, lifetimeSeconds: 60}]
              cloud:
                aws: {roleArn: '{{role}}', region: eu-central-1, stsEndpoint: '{{sts.Url}}'}
              opentofu:
                approval: false
                files:
                  main.tf: {{JsonSerializer.Serialize(Main)}}
            """);
        await installation.StartApprovedRunnerAsync("host", ["acme/prod"]);

        var run = (await installation.LanyardAsync("run", "slow", "-w", "acme", "-c", "prod")).Succeeded().Trim();
        var view = await installation.WaitForEndAsync("acme", "prod", run, TimeSpan.FromMinutes(8));

        var log = (await installation.LanyardAsync("logs", run, "-w", "acme", "-c", "prod", "--attempt", "2")).Output;
        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{log}\n{string.Join('\n', sts.Refused)}");
        Assert.Equal(Enumerable.Range(1, 7).Select(static i => $"assumed-role/apply/use-{i}"), sts.Sessions);
        Assert.Empty(sts.Refused);
        var state = JsonNode.Parse((await installation.LanyardAsync("state", "ls", "-w", "acme", "-c", "prod", "-o", "json")).Succeeded())!["items"]![0]!;
        Assert.Null(state["lock"]);
        Assert.Equal(run, state["run"]!.GetValue<string>());
    }
}
