using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Federation;

/// <summary>Issuers that others wrote, and a second Lanyard, as issuers for this one.</summary>
public sealed class ForeignIssuerTests
{
    private const string Audience = "https://sts.example";

    /// <summary>oidc-provider with client credentials; a line <c>rotate ALG</c> on its input makes it sign with a new key, <c>token</c> makes it print a token.</summary>
    private const string Provider = """
        import { generateKeyPairSync } from 'node:crypto';
        import { createServer } from 'node:http';
        import { createInterface } from 'node:readline';
        import Provider from 'oidc-provider';
        const [, , port, audience] = process.argv;
        const url = `http://127.0.0.1:${port}`;
        const keys = [];
        let current, signs;
        const make = alg => {
          const pair = alg.startsWith('ES') ? generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
          keys.unshift({ ...pair.privateKey.export({ format: 'jwk' }), kid: `${alg}-${keys.length}`, alg, use: 'sig' });
          if (!keys.some(key => key.alg === 'RS256')) keys.push({ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid: 'usual', alg: 'RS256', use: 'sig' });
          signs = alg;
          current = new Provider(url, {
            jwks: { keys },
            clients: [{ client_id: 'ci', client_secret: 'of-the-test-alone', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], token_endpoint_auth_method: 'client_secret_post' }],
            scopes: ['api'],
            features: {
              devInteractions: { enabled: false }, clientCredentials: { enabled: true },
              resourceIndicators: { enabled: true, defaultResource: () => 'urn:lanyard', useGrantedResource: () => true,
                getResourceServerInfo: () => ({ scope: 'api', audience, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: signs } } }) },
            },
          });
        };
        make('ES256');
        createServer((request, response) => current.callback()(request, response)).listen(Number(port), '127.0.0.1', () => console.log('listening'));
        for await (const line of createInterface({ input: process.stdin })) {
          const [word, alg] = line.split(' ');
          if (word === 'rotate') { make(alg); console.log('rotated'); continue; }
          const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'ci', client_secret: 'of-the-test-alone', scope: 'api', resource: 'urn:lanyard' });
          console.log('token ' + (await (await fetch(url + '/token', { method: 'POST', body: form })).json()).access_token);
        }
        """;

    [Fact]
    [Needs("npm")]
    [Line("6.3")]
    [Line("6.5")]
    public async Task The_oidc_provider_of_npm_is_believed_with_each_of_its_algorithms_through_its_rotations()
    {
        await using var installation = await Installation.StartAsync();
        var (node, modules) = await LocateAsync();
        var folder = Directory.CreateTempSubdirectory("lanyard-provider-");
        try
        {
            Directory.CreateSymbolicLink(Path.Combine(folder.FullName, "node_modules"), modules);
            var script = Path.Combine(folder.FullName, "provider.mjs");
            await File.WriteAllTextAsync(script, Provider, TestContext.Current.CancellationToken);
            var port = FreePort.Take().ToString(CultureInfo.InvariantCulture);
            var fifo = Path.Combine(folder.FullName, "words");
            (await Command.RunAsync("mkfifo", [fifo])).Succeeded();
            await using var provider = ChildProcess.Start("sh", ["-c", "exec \"$0\" \"$1\" \"$2\" \"$3\" < \"$4\"", node, script, port, installation.Url, fifo], folder: folder.FullName);
            await using var words = new StreamWriter(new FileStream(fifo, FileMode.Open, FileAccess.Write)) { AutoFlush = true };
            await provider.WaitForLineAsync("listening", TimeSpan.FromSeconds(60));
            await installation.ApplyAsync(Documents.Workspace("acme"), $$"""
                kind: TrustedIssuer
                metadata: {workspace: acme, slug: provider}
                spec: {issuer: 'http://127.0.0.1:{{port}}', allowPrivateAddresses: true, keys: {discovery: {} } }
                """, Documents.TrustPolicy("acme", null, "ci", "provider", "ci", $"audiences: ['{Audience}']"));

            var tokens = new List<string>();
            foreach (var algorithm in (string[])["ES256", "PS256", "ES384", "PS512"])
            {
                if (algorithm != "ES256")
                {
                    await words.WriteLineAsync($"rotate {algorithm}");
                    await Eventually.HoldsAsync(() => Task.FromResult(provider.Output.Split("rotated").Length > tokens.Count), "it signs with a new key");
                }

                await words.WriteLineAsync("token");
                await Eventually.HoldsAsync(() => Task.FromResult(Said(provider).Count > tokens.Count), () => $"it gives a token: {provider.Errors}");
                tokens.Add(Said(provider)[^1]);
                Assert.Contains($"\"alg\":\"{algorithm}\"", System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(tokens[^1].Split('.')[0])), StringComparison.Ordinal);
                // Unknown keys are fetched anew at most every 30 s.
                await Eventually.HoldsAsync(async () => await installation.ExchangeAsync("acme", tokens[^1], Audience) is not null, $"a token of {algorithm} is exchanged", TimeSpan.FromSeconds(90));
            }

            Assert.NotNull(await installation.ExchangeAsync("acme", tokens[0], Audience));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    [Line("6.3")]
    [Line("6.5")]
    public async Task A_second_Lanyard_is_an_issuer_for_the_first_by_its_preset_and_a_workspace_of_the_same_name_is_not()
    {
        await using var first = await Installation.StartAsync();
        await using var second = await Installation.StartAsync();
        await using var outside = await TestIssuer.StartAsync();
        string[] theirs = [Documents.Workspace("team"), Documents.TrustedIssuer("team", "outside", outside), Documents.TrustPolicy("team", null, "ci", "outside", "ci", $"audiences: ['{first.Url}']")];
        await second.ApplyAsync(theirs);
        var workspace = JsonNode.Parse((await second.LanyardAsync("get", "workspace", "team", "-o", "json")).Succeeded())!["id"]!.GetValue<string>();
        await first.ApplyAsync(Documents.Workspace("acme"), $$"""
            kind: TrustedIssuer
            metadata: {workspace: acme, slug: sister}
            spec: {issuer: '{{second.IssuerOf("team")}}', allowPrivateAddresses: true, keys: {discovery: {} } }
            """, $$"""
            kind: TrustPolicy
            metadata: {workspace: acme, slug: sister}
            spec:
              issuer: sister
              claims: {workspace_id: {{workspace}}, workspace: team}
              principal: 'sister:{workspace}'
              allow: {audiences: ['{{Audience}}']}
            """);

        var token = await second.ExchangeAsync("team", outside.Mint(second.Url, "ci"), first.Url);
        Assert.NotNull(token);
        Assert.NotNull(await first.ExchangeAsync("acme", token, Audience));

        // Whoever makes a workspace of that name again is another owner.
        (await second.LanyardAsync("delete", "trust-policy", "ci", "-w", "team")).Succeeded();
        (await second.LanyardAsync("delete", "trusted-issuer", "outside", "-w", "team")).Succeeded();
        (await second.LanyardAsync("delete", "workspace", "team")).Succeeded();
        await using var third = await Installation.StartAsync();
        await third.ApplyAsync(theirs);
        var lookAlike = await third.ExchangeAsync("team", outside.Mint(third.Url, "ci"), first.Url);
        Assert.NotNull(lookAlike);
        Assert.Null(await first.ExchangeAsync("acme", lookAlike, Audience));
    }

    private static List<string> Said(ChildProcess provider) =>
        [.. provider.Output.Split('\n').Where(static line => line.StartsWith("token ", StringComparison.Ordinal)).Select(static line => line["token ".Length..])];

    private static async Task<(string Node, string Modules)> LocateAsync()
    {
        var said = (await Command.RunAsync(Repo.At("eng", "npm", "install"), [Repo.At("bench", "npm")], deadline: TimeSpan.FromMinutes(5))).Succeeded();
        var values = said.Split('\n').Select(static line => line.Split('=', 2)).Where(static pair => pair.Length == 2).ToDictionary(static pair => pair[0], static pair => pair[1]);
        return (values["NODE"], values["MODULES"]);
    }
}
