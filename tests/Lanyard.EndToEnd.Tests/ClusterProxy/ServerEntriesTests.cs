using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>Access entries that a Lanyard server keeps, and a cluster proxy that is known there by its service account's token alone.</summary>
[Needs("kube")]
[Line("3.2")]
public sealed class ServerEntriesTests(ProxiedCluster proxied) : IClassFixture<ProxiedCluster>
{
    [Fact]
    public async Task A_change_on_the_server_reaches_kubectl_and_an_empty_list_shuts_it_out()
    {
        await using var lanyard = await Installation.StartAsync();
        await lanyard.ApplyAsync(
            Documents.Workspace("acme"),
            $$"""
            kind: TrustedIssuer
            metadata: {workspace: acme, slug: cluster}
            spec:
              issuer: '{{proxied.Cluster.Issuer}}'
              keys: {jwks: {{await proxied.Cluster.GetJwksAsync()}}}
            """,
            Documents.TrustPolicy("acme", null, "proxy", "cluster", $"system:serviceaccount:{ProxiedCluster.Namespace}:cluster-proxy", "roles: [viewer]"),
            Entries("ci:deployers"));
        var token = Path.Combine(lanyard.Folder, "proxy-token");
        await File.WriteAllTextAsync(token, await proxied.Cluster.RequestTokenAsync(ProxiedCluster.Namespace, "cluster-proxy", [lanyard.Url]));
        await using var proxy = LanyardProcess.Start(
        [
            .. proxied.Arguments,
            "--access-entries", Path.Combine(lanyard.Folder, "entries.json"), "--access-entries-url", $"{lanyard.Url}/v1/workspaces/acme/access-entries/prod", "--access-entries-token-file", token,
        ]);
        var line = await proxy.WaitForErrorLineAsync("ready on ");
        var address = new Uri(line[(line.IndexOf("ready on ", StringComparison.Ordinal) + 9)..]);
        Assert.True(await MayListAsync(address));

        await lanyard.ApplyAsync(Entries("ci:nobody"));
        await Eventually.HoldsAsync(async () => !await MayListAsync(address), "the group has changed", TimeSpan.FromMinutes(1));
        await lanyard.ApplyAsync(Entries("ci:deployers"));
        await Eventually.HoldsAsync(() => MayListAsync(address), "the group is back", TimeSpan.FromMinutes(1));
        await lanyard.ApplyAsync("kind: AccessEntries\nmetadata: {workspace: acme, slug: prod}\nspec: {entries: []}\n");
        await Eventually.HoldsAsync(async () => !await MayListAsync(address), "nobody is let in", TimeSpan.FromMinutes(1));
    }

    [Fact]
    [Line("6.5")]
    public async Task Whom_the_server_ended_the_proxy_refuses_although_the_token_is_still_good_by_itself()
    {
        await using var lanyard = await Installation.StartAsync();
        await lanyard.ApplyAsync(
            Documents.Workspace("acme"),
            Documents.TrustedIssuer("acme", "outside", proxied.Issuer),
            Documents.TrustPolicy("acme", null, "app", "outside", "app", $"audiences: ['{ProxiedCluster.Audience}']"),
            Documents.TrustPolicy("acme", null, "proxy", "outside", "proxy", $"introspect: ['{ProxiedCluster.Audience}']"));
        var (own, configuration) = (Path.Combine(lanyard.Folder, "proxy-token"), Path.Combine(lanyard.Folder, "authentication.yaml"));
        await File.WriteAllTextAsync(own, proxied.Issuer.Mint(lanyard.Url, "proxy"));
        await File.WriteAllTextAsync(configuration, $$"""
            apiVersion: apiserver.config.k8s.io/v1
            kind: AuthenticationConfiguration
            jwt:
            - issuer: {url: '{{lanyard.IssuerOf("acme")}}', audiences: ['{{ProxiedCluster.Audience}}']}
              claimMappings:
                username: {expression: "'ci:' + claims.sub"}
                groups: {expression: "['ci:deployers']"}
            """);
        await using var proxy = LanyardProcess.Start(
        [
            .. proxied.Arguments.Select((word, i) => i > 0 && proxied.Arguments[i - 1] == "--authentication-config" ? configuration : word),
            "--introspect-issuer", lanyard.IssuerOf("acme"), "--introspect-token-file", own,
        ]);
        var line = await proxy.WaitForErrorLineAsync("ready on ");
        var address = new Uri(line[(line.IndexOf("ready on ", StringComparison.Ordinal) + 9)..]);
        var token = await lanyard.ExchangeAsync("acme", proxied.Issuer.Mint(lanyard.Url, "app"), ProxiedCluster.Audience) ?? "";
        Assert.True(await MayListAsync(address, token), proxy.Errors);

        var revoked = (await lanyard.LanyardAsync("revoke", "principal", "policy:outside:app", "-w", "acme")).Succeeded();
        await Eventually.HoldsAsync(async () => !await MayListAsync(address, token), "a revoked principal is refused");
        (await lanyard.LanyardAsync("revoke", "rm", revoked.Split([' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries).First(static word => word.StartsWith("rev_", StringComparison.Ordinal)), "-w", "acme")).Succeeded();
        await Eventually.HoldsAsync(() => MayListAsync(address, token), "it may again");
        (await lanyard.LanyardAsync("delete", "trust-policy", "app", "-w", "acme")).Succeeded();
        await Eventually.HoldsAsync(async () => !await MayListAsync(address, token), "whose policy is gone is refused");
    }

    private string Entries(string group) => $$"""
        kind: AccessEntries
        metadata: {workspace: acme, slug: prod}
        spec:
          entries:
          - name: deploy
            issuer: {{proxied.Issuer.Issuer}}
            claims: {sub: 'repo:acme/app'}
            username: 'ci:{sub}'
            groups: ['{{group}}']
        """;

    private Task<bool> MayListAsync(Uri address) => MayListAsync(address, proxied.Token("repo:acme/app"));

    private async Task<bool> MayListAsync(Uri address, string token) => (await Command.RunAsync(
        "kubectl", ["--kubeconfig", proxied.KubeconfigFor(token, address), "get", "configmaps", "-n", ProxiedCluster.Namespace], deadline: TimeSpan.FromMinutes(1))).ExitCode == 0;
}
