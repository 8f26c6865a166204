using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>A client of Vault's in a step: it logs in with what the step finds, and reads a secret with the token that it gets.</summary>
[Line("5.3")]
[Needs("npm")]
[Needs("bwrap")]
public sealed class VaultTests(CloudTools tools) : IClassFixture<CloudTools>
{
    private const string Client = """
        import vault from 'node-vault';
        import { readFileSync, writeFileSync } from 'node:fs';
        const env = process.env;
        const client = vault({ apiVersion: 'v1', endpoint: env.VAULT_ADDR, namespace: env.VAULT_NAMESPACE });
        const login = () => client.write(`auth/${env.VAULT_AUTH_PATH}/login`, { role: env.VAULT_AUTH_ROLE, jwt: readFileSync(env.VAULT_AUTH_JWT_FILE, 'utf8') });
        const said = await login().then(async l => { client.token = l.auth.client_token; return (await client.read('secret/data/app')).data.data.password; }, e => `refused ${e.message}`);
        writeFileSync('said', said.replaceAll('\n', ' '));
        """;

    [Theory]
    [InlineData(null, "deploy")]
    [InlineData("plan", "look")]
    public async Task A_client_logs_in_at_the_mount_and_the_namespace_with_the_role_of_the_phase(string? phase, string role)
    {
        await using var scene = await CloudScene.StartAsync(tools, Client);
        await using var vault = await VaultDouble.StartAsync(scene.Issuer);
        vault.AddRole("deploy", static subject => subject == "workspace:acme:collection:prod:definition:deploy:phase:run");
        vault.AddRole("look", static subject => subject == "workspace:acme:collection:prod:definition:deploy:phase:plan");
        await scene.ApplyCollectionAsync($"vault: {{address: '{vault.Url}', role: deploy, planRole: look, mount: {VaultDouble.Mount}, namespace: {VaultDouble.Namespace}}}");

        var (_, said) = await scene.RunAsync(phase);

        Assert.True(said == "for-" + role, $"{said}; {string.Join(", ", vault.Refused)}");
        Assert.Equal([role], vault.Readers);
    }

    [Theory]
    [InlineData("role: stranger", "stranger")]
    [InlineData("role: deploy, audience: 'https://another.example'", "audience claim does not match")]
    [InlineData("role: closed", "invalid subject")]
    public async Task A_role_that_does_not_mean_this_run_gives_nothing_and_the_step_hears_why(string block, string why)
    {
        await using var scene = await CloudScene.StartAsync(tools, Client);
        await using var vault = await VaultDouble.StartAsync(scene.Issuer);
        vault.AddRole("deploy", static _ => true);
        vault.AddRole("closed", static _ => false);
        await scene.ApplyCollectionAsync($"vault: {{address: '{vault.Url}', {block}, mount: {VaultDouble.Mount}, namespace: {VaultDouble.Namespace}}}");

        var (_, said) = await scene.RunAsync();

        Assert.StartsWith("refused", said, StringComparison.Ordinal);
        Assert.Contains(why, said, StringComparison.Ordinal);
        Assert.Empty(vault.Readers);
    }
}
