using System.Text.Json.Nodes;
using Lanyard.Testing.Processes;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A relying party of its own: npm's <c>jose</c> in a process that is told the issuer's URL, its audience and the token, nothing else.</summary>
internal static class JoseClient
{
    private const string Verify = """
        import { createRemoteJWKSet, jwtVerify } from 'jose';
        import { readFileSync } from 'node:fs';
        const { token, issuer, audience } = JSON.parse(readFileSync(0, 'utf8'));
        const discovery = await (await fetch(issuer + '/.well-known/openid-configuration')).json();
        if (discovery.issuer !== issuer) throw new Error('the discovery document is of ' + discovery.issuer);
        const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(discovery.jwks_uri)), { issuer, audience });
        console.log(JSON.stringify({ claims: payload, header: protectedHeader }));
        """;

    /// <returns><c>claims</c> and <c>header</c>, when it accepts the token.</returns>
    public static async Task<JsonNode> AcceptAsync(string token, string issuer, string audience) =>
        JsonNode.Parse((await VerifyAsync(token, issuer, audience)).Succeeded())!;

    public static Task<CommandResult> VerifyAsync(string token, string issuer, string audience) =>
        NodeScript.RunAsync(Verify, new JsonObject { ["token"] = token, ["issuer"] = issuer, ["audience"] = audience }.ToJsonString());
}
