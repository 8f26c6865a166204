using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>Clients that others wrote, unchanged, against the running server and a real run.</summary>
[Needs("npm")]
public sealed class ForeignClientTests
{
    private const string Audience = "https://sts.example";

    private const string OpenIdClient = """
        import * as client from 'openid-client';
        import { calculateJwkThumbprint, exportJWK, importPKCS8 } from 'jose';
        import { readFileSync } from 'node:fs';
        const { pem, instance, workspace, subjectToken, audience } = JSON.parse(readFileSync(0, 'utf8'));
        const insecure = { execute: [client.allowInsecureRequests] };
        const key = await importPKCS8(pem, 'ES256', { extractable: true });
        const { d, ...publicJwk } = await exportJWK(key);
        const kid = await calculateJwkThumbprint(publicJwk);
        const admin = issuer => client.discovery(new URL(issuer), 'key_' + kid, undefined, client.PrivateKeyJwt({ key, kid }), insecure);
        const pipeline = (issuer, more) => client.discovery(new URL(issuer), 'pipeline', undefined, client.None(), { ...insecure, ...more });
        const exchange = (config, more) => client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
          subject_token: subjectToken, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt', ...more });

        const adminsOwn = await client.clientCredentialsGrant(await admin(instance));
        const api = await exchange(await pipeline(instance));
        const identity = await exchange(await pipeline(workspace, { algorithm: 'oauth2' }), { audience });
        const refused = await exchange(await pipeline(workspace), { audience: 'https://elsewhere.example' }).catch(e => ({ error: e.error, status: e.status }));
        const atWorkspace = await admin(workspace);
        const before = await client.tokenIntrospection(atWorkspace, identity.access_token);
        await client.tokenRevocation(atWorkspace, identity.access_token);
        const after = await client.tokenIntrospection(atWorkspace, identity.access_token);
        console.log(JSON.stringify({ adminsOwn: adminsOwn.token_type, api, identity, refused, before, after }));
        """;

    private const string DpopClient = """
        import * as client from 'openid-client';
        import { readFileSync } from 'node:fs';
        const { instance, subjectToken, resource } = JSON.parse(readFileSync(0, 'utf8'));
        const config = await client.discovery(new URL(instance), 'pipeline', undefined, client.None(), { execute: [client.allowInsecureRequests] });
        const handle = async () => client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
        const exchange = DPoP => client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
          subject_token: subjectToken, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }, { DPoP }).catch(e => ({ error: e.error }));
        const ask = DPoP => client.fetchProtectedResource(config, bound.access_token, new URL(resource), 'GET', undefined, undefined, { DPoP }).then(r => r.status, e => e.status ?? e.response?.status ?? String(e));
        const [own, thief] = [await handle(), await handle()];
        const bound = await exchange(own);
        const bare = await exchange(undefined);
        console.log(JSON.stringify({ type: bound.token_type, bare: bare.error, own: await ask(own), again: await ask(own), thief: await ask(thief), bearer: await ask(undefined) }));
        """;

    private const string ActionsCore = """
        import { getIDToken } from '@actions/core';
        import { writeFileSync } from 'node:fs';
        writeFileSync('token', await getIDToken('https://sts.example'));
        """;

    [Fact]
    [Line("2.2")]
    [Line("2.5")]
    [Line("2.13")]
    public async Task The_openid_client_of_npm_discovers_exchanges_introspects_and_revokes()
    {
        await using var installation = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.TrustedIssuer("acme", "outside", outside), Documents.TrustPolicy("acme", null, "ci", "outside", "ci", $"audiences: ['{Audience}']"));

        var said = JsonNode.Parse((await NodeScript.RunAsync(OpenIdClient, new JsonObject
        {
            ["pem"] = await File.ReadAllTextAsync(Path.Combine(installation.DataFolder, "admin-key.pem")),
            ["instance"] = installation.Url,
            ["workspace"] = installation.IssuerOf("acme"),
            ["subjectToken"] = outside.Mint(installation.Url, "ci"),
            ["audience"] = Audience,
        }.ToJsonString())).Succeeded())!;

        Assert.Equal("bearer", said["adminsOwn"]!.GetValue<string>());
        Assert.Equal("bearer", said["api"]!["token_type"]!.GetValue<string>());
        Assert.Equal(("n_a", "urn:ietf:params:oauth:token-type:id_token"), (said["identity"]!["token_type"]!.GetValue<string>(), said["identity"]!["issued_token_type"]!.GetValue<string>()));
        Assert.Equal("invalid_target", said["refused"]!["error"]!.GetValue<string>());
        Assert.True(said["before"]!["active"]!.GetValue<bool>());
        Assert.Equal(Audience, said["before"]!["aud"]!.GetValue<string>());
        Assert.Equal("""{"active":false}""", said["after"]!.ToJsonString());
        var accepted = await JoseClient.AcceptAsync(said["identity"]!["access_token"]!.GetValue<string>(), installation.IssuerOf("acme"), Audience);
        Assert.Equal("acme", accepted["claims"]!["workspace"]!.GetValue<string>());
    }

    [Fact]
    [Line("6.5")]
    public async Task The_openid_client_of_npm_gets_a_token_bound_to_its_key_by_DPoP_and_no_other_key_can_use_it()
    {
        await using var installation = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.TrustedIssuer("acme", "outside", outside), Documents.TrustPolicy("acme", null, "ci", "outside", "ci", "roles: [viewer]") + "\n  dpop: true");

        var said = JsonNode.Parse((await NodeScript.RunAsync(DpopClient, new JsonObject
        {
            ["instance"] = installation.Url,
            ["subjectToken"] = outside.Mint(installation.Url, "ci"),
            ["resource"] = installation.Url + "/v1/workspaces/acme/collections",
        }.ToJsonString())).Succeeded())!;

        Assert.Equal("""{"type":"dpop","bare":"invalid_dpop_proof","own":200,"again":200,"thief":401,"bearer":401}""", said.ToJsonString());
    }

    [Fact]
    [Needs("bwrap")]
    [Line("2.8")]
    [Line("2.10")]
    public async Task GetIDToken_of_actions_core_works_unchanged_inside_a_run()
    {
        await using var installation = await Installation.StartAsync();
        await using var mailbox = new StepMailbox();
        var tools = await CopyToolsAsync(installation);
        var step = $"{tools}/node {tools}/script.mjs > said; {mailbox.Say("\"$(cat token)\"")}";
        await installation.ApplyAsync(
            Documents.Workspace("acme"), Documents.Collection("acme", "prod"), Documents.Definition("acme", "prod", "deploy", step, $"audiences: [{{audience: '{Audience}'}}]"));
        await installation.StartApprovedRunnerAsync("host", ["acme/prod"], "--read-only", tools);

        var run = (await installation.LanyardAsync("run", "deploy", "-w", "acme", "-c", "prod")).Succeeded();
        var message = await mailbox.ReceiveAsync();
        var accepted = await JoseClient.AcceptAsync(message.Text, installation.IssuerOf("acme"), Audience);
        await message.AnswerAsync();

        Assert.Equal(run, accepted["claims"]!["run"]!.GetValue<string>());
        Assert.Equal("succeeded", (await installation.WaitForEndAsync("acme", "prod", run))["state"]!.GetValue<string>());
    }

    /// <summary>Node and its modules, where the uids of steps can read them.</summary>
    private static async Task<string> CopyToolsAsync(Installation installation)
    {
        var tools = Path.Combine(installation.Folder, "tools");
        Directory.CreateDirectory(tools);
        var (node, modules) = await NodeScript.LocateAsync();
        (await Command.RunAsync("cp", ["-rL", modules, node, tools], deadline: TimeSpan.FromMinutes(2))).Succeeded();
        await File.WriteAllTextAsync(Path.Combine(tools, "script.mjs"), ActionsCore);
        return tools;
    }
}
