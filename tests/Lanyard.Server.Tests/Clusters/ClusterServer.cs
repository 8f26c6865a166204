using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Clusters;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Tests.Clusters;

/// <summary>
/// The room Clusters on a real socket and a real database, with Workspaces and Audit beside it. The bearer door is a stand-in: the bearer
/// <c>admin</c> administers the instance, <c>viewer</c> looks at it, <c>foreign</c> administers another workspace. Federation is a list.
/// </summary>
internal sealed class ClusterServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly TestDatabase _database;
    private readonly HashSet<string> _used = [];

    private ClusterServer(TestDatabase database)
    {
        _database = database;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRouting();
        builder.Services.AddLogging(logging => logging.ClearProviders());
        builder.Services.AddSingleton<TimeProvider>(Time);
        builder.Services.AddSingleton(database.Database);
        builder.Services.AddSingleton(_ => new Instance("test", Url, "/nonexistent"));
        builder.Services.AddAudit(new AuditOptions());
        builder.Services.AddWorkspaces();
        builder.Services.AddClusters(_ => new ClusterTrust(PutAsync, RemoveAsync, TryUseAsync, (_, _) => Task.FromResult(DiscoveredKeys), (_, _) => Task.FromResult<IReadOnlyDictionary<string, string>?>(null)));
        _app = builder.Build();
        _app.UseEdge(Time, _app.Services.GetRequiredService<ILoggerFactory>());
        _app.Use(AdmitAsync);
        _app.MapWorkspaces();
        _app.MapClusters();
    }

    public ShiftedTime Time { get; } = new();

    /// <summary>The instance URL, and where it listens.</summary>
    public string Url { get; private set; } = "";

    /// <summary>The records that would be believed now.</summary>
    public ConcurrentDictionary<string, ClusterTrustRecord> Trusted { get; } = new();

    public Outcome<KeySet> DiscoveredKeys { get; set; } = new Refusal(RefusalReason.IssuerUnreachable, "no discovery in this test");

    public HttpClient Http { get; } = new();

    public Database Database => _database.Database;

    public static async Task<ClusterServer> StartAsync(DatabaseKind kind = DatabaseKind.Sqlite)
    {
        var server = new ClusterServer(await TestDatabase.CreateAsync(kind));
        await server._app.Services.GetRequiredService<WorkspaceDirectory>().LoadAsync();
        await server._app.StartAsync();
        server.Url = ((IApplicationBuilder)server._app).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.First();
        Assert201(await server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme", new JsonObject { ["spec"] = new JsonObject() }));
        Assert201(await server.SendAsync(HttpMethod.Put, "/v1/workspaces/other", new JsonObject { ["spec"] = new JsonObject() }));
        return server;
    }

    public async Task<(int Status, JsonNode? Body)> SendAsync(HttpMethod method, string path, JsonNode? body = null, string? bearer = "admin", string? ifMatch = null)
    {
        using var request = new HttpRequestMessage(method, Url + path);
        request.Headers.Authorization = bearer is null ? null : new AuthenticationHeaderValue("Bearer", bearer);
        if (ifMatch is not null)
        {
            request.Headers.IfMatch.Add(new EntityTagHeaderValue(ifMatch));
        }

        request.Content = body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return ((int)response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text));
    }

    /// <summary>Registers as a wizard would; the report comes from the answer, whichever it is.</summary>
    public async Task<(int Status, TrialReport? Report)> RegisterAsync(string slug, ClusterSpec spec, string token, string workspace = "acme")
    {
        var (status, body) = await SendAsync(HttpMethod.Put, $"/v1/workspaces/{workspace}/clusters/{slug}", Write(spec, token));
        return (status, ((body?["report"] ?? (body?["status"] as JsonObject)?["report"]) as JsonObject)?.Deserialize(ClusterJson.Default.TrialReport));
    }

    public static JsonNode Write(ClusterSpec spec, string? token) => JsonSerializer.SerializeToNode(new ClusterWrite(spec, token), ClusterJson.Default.ClusterWrite)!;

    public Task<List<string>> AuditAsync() => Database.QueryAsync($"select event from audit_events order by id", static row => row.GetString(0));

    public async Task<long> CountAsync(string table) => (await Database.ScalarAsync($"select count(*) from {new SqlFragment(table)}"))!.Value;

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
        await _database.DisposeAsync();
    }

    private static void Assert201((int Status, JsonNode? Body) answer) => Xunit.Assert.Equal(201, answer.Status);

    private async Task AdmitAsync(HttpContext context, RequestDelegate next)
    {
        var bearer = context.Request.Headers.Authorization.ToString().Replace("Bearer ", "", StringComparison.Ordinal);
        var other = _app.Services.GetRequiredService<WorkspaceDirectory>().Find("other")?.Id;
        RoleBinding? role = bearer switch
        {
            "admin" => new RoleBinding(Scope.Instance, Role.Admin),
            "viewer" => new RoleBinding(Scope.Instance, Role.Viewer),
            "foreign" => new RoleBinding(new Scope(other, null), Role.Admin),
            _ => null,
        };
        if (role is not null)
        {
            context.Features.Set(new Principal
            {
                Kind = PrincipalKind.Policy, Name = bearer, Roles = [role], TokenSha256 = new string('0', 64), ExpiresAt = DateTimeOffset.MaxValue,
            });
        }

        await next(context);
    }

    private Task PutAsync(Transaction transaction, ClusterTrustRecord record, CancellationToken cancellationToken)
    {
        transaction.OnCommitted(() => Trusted[record.Id] = record);
        return Task.CompletedTask;
    }

    private Task RemoveAsync(Transaction transaction, string id, CancellationToken cancellationToken)
    {
        transaction.OnCommitted(() => Trusted.TryRemove(id, out _));
        return Task.CompletedTask;
    }

    private Task<bool> TryUseAsync(string key, DateTimeOffset until, CancellationToken cancellationToken)
    {
        lock (_used)
        {
            return Task.FromResult(_used.Add(key));
        }
    }
}

/// <summary>The system's time, moved: real tokens of a real cluster grow old at once.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    public TimeSpan Shift { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Shift;
}
