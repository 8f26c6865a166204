using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Server.Tests.Federation;
using Lanyard.Testing;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A whole server, GitHub's issuer on loopback, and workspaces <c>acme</c> and <c>other</c> with a repository each.</summary>
internal sealed class WorkflowServer : IAsyncDisposable
{
    public const string Id = "123456";
    public const string OtherId = "777";
    public const string Lookup = "/twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL";

    private WorkflowServer(DoorServer server, TestIssuer github) => (Server, GitHub) = (server, github);

    public DoorServer Server { get; }

    public TestIssuer GitHub { get; }

    private const string Repositories = """{"123456":{"workspace":"acme","repository":"Demo/App"},"777":{"workspace":"other","repository":"demo/app"}}""";

    public static string Keys => """{"discovery":{}},"allowPrivateAddresses":true""";

    public static async Task<WorkflowServer> StartAsync(string more = "")
    {
        var server = new WorkflowServer(await DoorServer.StartAsync(), await TestIssuer.StartAsync());
        await server.Server.PutAsync("/v1/workspaces/acme", "{}");
        await server.Server.PutAsync("/v1/workspaces/other", "{}");
        await server.TrustAsync(more);
        return server;
    }

    public string Spec(string more = "", string? repositories = null) =>
        "{\"issuer\":\"" + GitHub.Issuer + "\",\"keys\":" + Keys + ",\"workflows\":{\"repositories\":" + (repositories ?? Repositories) + more + "}}";

    public async Task TrustAsync(string more = "", string? repositories = null)
    {
        var (status, json) = await Server.SendAsync(HttpMethod.Put, "/v1/trusted-issuers/github", "{\"spec\":" + Spec(more, repositories) + "}", ifMatch: "*");
        if (status == HttpStatusCode.PreconditionFailed)
            (status, json) = await Server.SendAsync(HttpMethod.Put, "/v1/trusted-issuers/github", "{\"spec\":" + Spec(more, repositories) + "}");
        if (status is not (HttpStatusCode.Created or HttpStatusCode.OK)) throw new InvalidOperationException(json.ToJsonString());
    }

    /// <summary>As GitHub makes them: no subject, no <c>iat</c>, an audience that is nobody's; six hours of life.</summary>
    public string Token(
        string repositoryId = Id, string ac = """[{"Scope":"refs/heads/main","Permission":3}]""", string job = "run-1:job-1", Action<JsonObject>? change = null) =>
        GitHub.Mint("vso:0b5d5b5c", change: claims =>
        {
            claims.Remove("sub");
            claims.Remove("iat");
            claims["exp"] = claims["nbf"]!.GetValue<long>() + 22_800;
            claims["repository_id"] = repositoryId;
            claims["ac"] = ac;
            claims["scp"] = $"Actions.GenericRead:00000000-0000-0000-0000-000000000000 Actions.Results:{job} Actions.UploadArtifacts:00000000-0000-0000-0000-000000000000/1:Build";
            change?.Invoke(claims);
        });

    public Task<(HttpStatusCode Status, JsonNode Json)> TwirpAsync(string method, string token, string json) =>
        Server.SendAsync(HttpMethod.Post, "/twirp/github.actions.results.api.v1.CacheService/" + method, json, token);

    public Task<(HttpStatusCode Status, JsonNode Json)> ReserveAsync(string token, string key) =>
        TwirpAsync("CreateCacheEntry", token, $$"""{"key":"{{key}}","version":"{{CacheServer.Version}}"}""");

    public async Task SaveAsync(string token, string key)
    {
        var (_, reserved) = await ReserveAsync(token, key);
        using var client = new HttpClient();
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(key));
        using var put = await client.PutAsync(new Uri(reserved["signed_upload_url"]!.GetValue<string>()), content);
        var (_, done) = await TwirpAsync(
            "FinalizeCacheEntryUpload", token, $$"""{"key":"{{key}}","version":"{{CacheServer.Version}}","size_bytes":"{{key.Length}}"}""");
        if (done["ok"]?.GetValue<bool>() != true) throw new InvalidOperationException(done.ToJsonString());
    }

    /// <returns>The key that was found; null on a miss.</returns>
    public async Task<string?> FindAsync(string token, string key)
    {
        var (status, json) = await TwirpAsync("GetCacheEntryDownloadURL", token, $$"""{"key":"{{key}}","version":"{{CacheServer.Version}}"}""");
        return status != HttpStatusCode.OK ? $"{(int)status} {json["code"]}" : json["matched_key"]?.GetValue<string>();
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await GitHub.DisposeAsync();
    }
}
