using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>
/// What <c>lanyard trust-policy kubernetes</c> prints, taken as it is: the first document by the cluster proxy, the bindings by the API server behind it. The runs of that
/// definition then get as far as was said, and no others.
/// </summary>
[Needs("kube")]
[Line("6.8")]
public sealed class PrintedTrustTests(ProxiedCluster proxied) : IClassFixture<ProxiedCluster>
{
    private const string Asked = $"audiences: [{{audience: '{ProxiedCluster.Audience}'}}, {{audience: 'https://elsewhere.example'}}]";

    [Fact]
    public async Task A_run_gets_into_the_cluster_by_what_was_printed_and_no_further()
    {
        await using var lanyard = await Installation.StartAsync();
        await using var mailbox = new StepMailbox();
        var says = mailbox.Say($"\"$(lanyard token --audience {ProxiedCluster.Audience}) $(lanyard token --audience https://elsewhere.example)\"");
        await lanyard.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"),
            Documents.Definition("acme", "prod", "deploy", says, Asked), Documents.Definition("acme", "prod", "other", says, Asked));
        await lanyard.StartApprovedRunnerAsync("host", ["acme/prod"]);
        var printed = (await lanyard.LanyardAsync(
            "trust-policy", "kubernetes", "deploy", "-w", "acme", "-c", "prod", "--audience", ProxiedCluster.Audience, "--role", "edit", "--namespace", ProxiedCluster.Namespace)).Succeeded();
        var documents = printed.Split("\n---\n");
        Assert.Equal(2, documents.Length);
        await proxied.ApplyAsync(documents[1]);
        await using var proxy = Start(lanyard.WriteFile(documents[0]));
        var line = await proxy.WaitForErrorLineAsync("ready on ");
        var address = new Uri(line[(line.IndexOf("ready on ", StringComparison.Ordinal) + 9)..]);

        var (token, elsewhere) = await TokensAsync("deploy");
        (await KubectlAsync(token, "create", "configmap", "from-a-run", "--from-literal=a=b", "-n", ProxiedCluster.Namespace)).Succeeded();
        Assert.Contains("from-a-run", (await KubectlAsync(token, "get", "configmaps", "-n", ProxiedCluster.Namespace)).Succeeded(), StringComparison.Ordinal);

        // Not in another namespace, not what the role has not, and not by the run's token for somebody else.
        Assert.Contains("is forbidden", (await KubectlAsync(token, "get", "configmaps", "-n", "default")).Errors, StringComparison.Ordinal);
        Assert.Contains("is forbidden", (await KubectlAsync(token, "get", "rolebindings", "-n", ProxiedCluster.Namespace)).Errors, StringComparison.Ordinal);
        Assert.Contains("You must be logged in", (await KubectlAsync(elsewhere, "get", "configmaps", "-n", ProxiedCluster.Namespace)).Errors, StringComparison.Ordinal);

        // Another definition of the same workspace is known, and has nothing.
        var (others, _) = await TokensAsync("other");
        Assert.Contains("User \"lanyard:", (await KubectlAsync(others, "get", "configmaps", "-n", ProxiedCluster.Namespace)).Errors, StringComparison.Ordinal);

        Task<CommandResult> KubectlAsync(string bearer, params string[] arguments) =>
            Command.RunAsync("kubectl", ["--kubeconfig", proxied.KubeconfigFor(bearer, address), .. arguments], deadline: TimeSpan.FromMinutes(2));

        async Task<(string, string)> TokensAsync(string definition)
        {
            (await lanyard.LanyardAsync("run", definition, "-w", "acme", "-c", "prod")).Succeeded();
            var message = await mailbox.ReceiveAsync(TimeSpan.FromSeconds(120));
            await message.AnswerAsync();
            return message.Text.Split(' ') is [var first, var second] ? (first, second) : throw new InvalidOperationException(message.Text);
        }
    }

    /// <summary>The proxy of the fixture once more, with another configuration.</summary>
    private ChildProcess Start(string configuration)
    {
        string[] arguments = [.. proxied.Arguments];
        arguments[Array.IndexOf(arguments, "--authentication-config") + 1] = configuration;
        return LanyardProcess.Start(arguments);
    }
}
