using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>The cluster that other tests stand on is a real one: foreign programs agree with what it says.</summary>
[Line("2.15")]
[Needs("kube")]
public sealed class KubeClusterTests(KubeCluster cluster) : IClassFixture<KubeCluster>
{
    private const string VerifyWithJose = """
        import { createLocalJWKSet, jwtVerify } from 'jose';
        import { readFileSync } from 'node:fs';
        const { token, jwks, issuer, audience } = JSON.parse(readFileSync(0, 'utf8'));
        const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(jwks), { issuer, audience });
        console.log(JSON.stringify({ sub: payload.sub, kid: protectedHeader.kid, alg: protectedHeader.alg }));
        """;

    [Fact]
    [Needs("npm")]
    public async Task A_service_account_token_is_accepted_by_jose_with_the_published_keys_for_its_audience_only()
    {
        var @namespace = await NewNamespaceAsync();
        await cluster.CreateServiceAccountAsync(@namespace, "runner");
        var token = await cluster.RequestTokenAsync(@namespace, "runner", ["https://lanyard.example"]);

        var accepted = await VerifyAsync(token, "https://lanyard.example");
        var elsewhere = await VerifyAsync(token, "https://other.example");
        var tampered = await VerifyAsync(Tamper(token), "https://lanyard.example");

        Assert.Equal($"system:serviceaccount:{@namespace}:runner", JsonNode.Parse(accepted.Succeeded())!["sub"]!.GetValue<string>());
        Assert.NotEqual(0, elsewhere.ExitCode);
        Assert.Contains("ERR_JWT_CLAIM_VALIDATION_FAILED", elsewhere.Errors, StringComparison.Ordinal);
        Assert.NotEqual(0, tampered.ExitCode);
        Assert.Contains("ERR_JWS_SIGNATURE_VERIFICATION_FAILED", tampered.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_rotation_new_tokens_have_a_new_key_id_and_old_ones_live_until_their_key_is_dropped()
    {
        var @namespace = await NewNamespaceAsync();
        await cluster.CreateServiceAccountAsync(@namespace, "runner");
        var before = await cluster.RequestTokenAsync(@namespace, "runner", []);

        await cluster.RotateSigningKeyAsync();
        var after = await cluster.RequestTokenAsync(@namespace, "runner", []);
        var statusOfOldKey = await StatusAsync(before);
        await cluster.RotateSigningKeyAsync(dropOld: true);

        Assert.NotEqual(KeyId(before), KeyId(after));
        Assert.Equal(HttpStatusCode.OK, statusOfOldKey);
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(before));
        Assert.DoesNotContain(KeyId(before), await cluster.GetJwksAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_bound_to_a_pod_dies_with_the_pod()
    {
        var @namespace = await NewNamespaceAsync();
        await cluster.CreateServiceAccountAsync(@namespace, "runner");
        var pod = await cluster.CreatePodAsync(@namespace, "attempt", "runner");
        var token = await cluster.RequestTokenAsync(@namespace, "runner", [], boundPod: pod);

        var alive = await StatusAsync(token);
        (await cluster.KubectlAsync("delete", "pod", "attempt", "-n", @namespace, "--now")).Succeeded();

        Assert.Equal(HttpStatusCode.OK, alive);
        await Eventually.HoldsAsync(async () => await StatusAsync(token) == HttpStatusCode.Unauthorized, "the API server refuses the dead pod's token");
    }

    [Fact]
    public async Task Two_clusters_stand_side_by_side_with_keys_of_their_own_and_the_end_of_one_leaves_the_other()
    {
        string otherState;
        await using (var other = new KubeCluster { EllipticKeys = true })
        {
            await other.InitializeAsync();
            otherState = other.StateFolder;
            Assert.NotEqual(cluster.Issuer, other.Issuer);
            Assert.Contains("ES256", await other.GetJwksAsync(), StringComparison.Ordinal);
            Assert.DoesNotContain("ES256", await cluster.GetJwksAsync(), StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(otherState));
        Assert.Equal("ok", (await cluster.KubectlAsync("get", "--raw", "/readyz")).Succeeded());
    }

    [Fact]
    public async Task A_cluster_whose_owner_is_killed_ends_by_itself()
    {
        await using var owner = ChildProcess.Start("sleep", ["600"]);
        var name = $"orphan-{owner.Id}";
        var environment = new Dictionary<string, string?> { ["KUBE_NODE"] = "0", ["KUBE_OWNER"] = $"{owner.Id}" };
        var up = await Command.RunAsync(Repo.At("eng", "kube-up"), [name], environment, deadline: TimeSpan.FromMinutes(3));
        var state = up.Succeeded().Split('\n').Single(static line => line.StartsWith("STATE=", StringComparison.Ordinal))["STATE=".Length..];
        Assert.True(Directory.Exists(state));

        owner.Kill();

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists(state)), "the orphan's state is removed");
    }

    private async Task<string> NewNamespaceAsync()
    {
        var name = $"n{Guid.NewGuid():N}";
        await cluster.CreateNamespaceAsync(name);
        return name;
    }

    private async Task<CommandResult> VerifyAsync(string token, string audience)
    {
        var input = new JsonObject { ["token"] = token, ["jwks"] = JsonNode.Parse(await cluster.GetJwksAsync()), ["issuer"] = cluster.Issuer, ["audience"] = audience };
        return await NodeScript.RunAsync(VerifyWithJose, input.ToJsonString());
    }

    // Every authenticated principal may read /apis (system:discovery); a token that is not accepted is 401 before any authorisation.
    private async Task<HttpStatusCode> StatusAsync(string token)
    {
        using var client = cluster.CreateClient(token);
        using var response = await client.GetAsync(new Uri("/apis", UriKind.Relative));
        return response.StatusCode;
    }

    private static string Tamper(string token)
    {
        var parts = token.Split('.');
        parts[2] = (parts[2][0] == 'A' ? 'B' : 'A') + parts[2][1..];
        return string.Join('.', parts);
    }

    private static string KeyId(string token)
    {
        var header = token.Split('.')[0].Replace('-', '+').Replace('_', '/');
        using var json = JsonDocument.Parse(Encoding.UTF8.GetString(Convert.FromBase64String(header.PadRight((header.Length + 3) / 4 * 4, '='))));
        return json.RootElement.GetProperty("kid").GetString()!;
    }
}
