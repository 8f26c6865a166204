using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Issuers;
using Lanyard.Server.Machines;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Lanyard.Server.Tests;

/// <summary>
/// A real server on a free loopback port, with a fresh database. The bearer door is left out: the bearer token is the name of a
/// principal that the test has put in (<see cref="Be"/>). The principal <c>admin</c> is there from the start.
/// </summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly TestDatabase _database;
    private readonly DirectoryInfo _data;
    private readonly WebApplication _app;
    private readonly Dictionary<string, Principal> _principals = new(StringComparer.Ordinal);

    private TestServer(TestDatabase database, DirectoryInfo data, WebApplication app, HttpClient client)
    {
        _database = database;
        _data = data;
        _app = app;
        Client = client;
        Be("admin", new RoleBinding(Scope.Instance, Role.Admin));
    }

    public HttpClient Client { get; }

    public Database Database => _database.Database;

    public IServiceProvider Services => _app.Services;

    public static string SomeUrl => "https://lanyard.test";

    /// <summary>The ground floor: audit, workspaces, collections, definitions, machines.</summary>
    /// <param name="services">Further features, after the ground floor's.</param>
    /// <param name="map">Their routes.</param>
    public static Task<TestServer> StartAsync(
        DatabaseKind kind = DatabaseKind.Sqlite, Action<IServiceCollection>? services = null, Action<WebApplication>? map = null, TimeProvider? time = null) =>
        StartAsync(
            kind,
            (builder, instance, database) =>
            {
                builder.Services.AddSingleton(time ?? TimeProvider.System).AddSingleton(instance).AddSingleton(database);
                builder.Services.AddAudit(new AuditOptions()).AddWorkspaces().AddCollections().AddOpenApiDocument();
                builder.Services.AddIssuers(KeyEncryption.FromFile(Path.Combine(instance.DataDirectory, "key")), KeySchedule.Default).AddMachines();
                services?.Invoke(builder.Services);
            },
            app =>
            {
                MapGroundFloor(app);
                map?.Invoke(app);
            });

    /// <summary>Every room, as <see cref="ServerProgram"/> puts them together; only the bearer door is the test's.</summary>
    public static Task<TestServer> StartWholeAsync(DatabaseKind kind = DatabaseKind.Sqlite) => StartAsync(
        kind,
        static (builder, instance, database) => ServerProgram.AddRooms(builder.Services, instance, database, TimeProvider.System),
        ServerProgram.MapRooms);

    /// <summary>The caller named so has these roles, and no more.</summary>
    public Principal Be(string name, params RoleBinding[] roles) => Be(new Principal
    {
        Kind = PrincipalKind.Policy,
        Name = name,
        Roles = roles,
        TokenSha256 = new string('0', 64),
        ExpiresAt = DateTimeOffset.MaxValue,
    });

    public Principal Be(Principal principal) => _principals[principal.Name] = principal;

    public Task<Answer> GetAsync(string path, string? principal = "admin") => SendAsync(HttpMethod.Get, path, principal);

    /// <param name="json">The whole body.</param>
    /// <param name="ifMatch">An ETag without quotes, or <c>*</c>; null sends no precondition.</param>
    public Task<Answer> PutAsync(string path, string json, string? principal = "admin", string? ifMatch = null) =>
        SendAsync(HttpMethod.Put, path, principal, json, ifMatch);

    public Task<Answer> DeleteAsync(string path, string? principal = "admin", string? ifMatch = "*") =>
        SendAsync(HttpMethod.Delete, path, principal, null, ifMatch);

    public async Task<Answer> SendAsync(
        HttpMethod method,
        string path,
        string? principal,
        string? body = null,
        string? ifMatch = null,
        string mediaType = "application/json",
        string? session = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (principal is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", principal);
        }

        if (ifMatch is not null)
        {
            request.Headers.IfMatch.Add(ifMatch == "*" ? EntityTagHeaderValue.Any : new EntityTagHeaderValue($"\"{ifMatch}\""));
        }

        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, mediaType);
        }

        if (session is not null)
        {
            request.Headers.Add("Lanyard-Session", session);
        }

        using var response = await Client.SendAsync(request);
        return new Answer(
            response.StatusCode, await response.Content.ReadAsStringAsync(), response.Content.Headers.ContentType?.MediaType, response.Headers);
    }

    /// <returns>The workspace's id.</returns>
    public async Task<string> MakeWorkspaceAsync(string slug) => (await PutAsync($"/v1/workspaces/{slug}", """{"spec":{}}""")).Made();

    /// <returns>The collection's id.</returns>
    public async Task<string> MakeCollectionAsync(string workspace, string slug) =>
        (await PutAsync($"/v1/workspaces/{workspace}/collections/{slug}", """{"spec":{}}""")).Made();

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
        await _database.DisposeAsync();
        _data.Delete(recursive: true);
    }

    private static async Task<TestServer> StartAsync(
        DatabaseKind kind, Action<WebApplicationBuilder, Instance, Database> add, Action<WebApplication> map)
    {
        var database = await TestDatabase.CreateAsync(kind);
        var data = Directory.CreateTempSubdirectory("lanyard-server-");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        add(builder, new Instance("test", SomeUrl, data.FullName), database.Database);
        var app = builder.Build();
        TestServer? server = null;
        app.UseEdge(app.Services.GetRequiredService<TimeProvider>(), app.Services.GetRequiredService<ILoggerFactory>());
        app.Use((context, next) => server!.PutPrincipalIn(context, next));
        map(app);
        await app.Services.GetRequiredService<WorkspaceDirectory>().LoadAsync();
        await app.Services.GetRequiredService<CollectionDirectory>().LoadAsync();

        // The host owns the singletons it made, not the database, which the test may reopen.
        server = new TestServer(database, data, app, new HttpClient());
        await app.StartAsync();
        server.Client.BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
    }

    private static void MapGroundFloor(WebApplication app)
    {
        var workspaces = app.Services.GetRequiredService<WorkspaceDirectory>();
        app.MapOpenApiDocument();
        app.MapAudit(async (principal, slug, right) =>
            (await workspaces.RequireAsync(principal, slug, right)).TryGet(out var entry, out var refusal) ? entry.Id : refusal);
        app.MapWorkspaces();
        app.MapCollections();
        app.MapMachines();
    }

    private Task PutPrincipalIn(HttpContext context, RequestDelegate next)
    {
        var name = context.Request.Headers.Authorization.ToString();
        if (name.StartsWith("Bearer ", StringComparison.Ordinal))
        {
            context.Features.Set(_principals[name["Bearer ".Length..]]);
        }

        return next(context);
    }
}

internal sealed record Answer(HttpStatusCode Status, string Body, string? MediaType, HttpResponseHeaders Headers)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement.Clone();

    public string? ETag => Headers.ETag?.Tag.Trim('"');

    /// <summary>The problem's stable name, such as <c>not-found</c>.</summary>
    public string? Problem =>
        MediaType == "application/problem+json" ? Json.GetProperty("type").GetString()!["urn:lanyard:problem:".Length..] : null;

    /// <summary>Every mistake as <c>path: text</c>.</summary>
    public IReadOnlyList<string> Mistakes =>
        [.. Json.GetProperty("mistakes").EnumerateArray().Select(mistake => $"{mistake.GetProperty("path").GetString()}: {mistake.GetProperty("text").GetString()}")];

    /// <summary>Status, headers that matter and body, without what is different in every answer.</summary>
    public string Comparable => System.Text.RegularExpressions.Regex.Replace($"{(int)Status} {MediaType} {Headers.ETag} {Body}", "req_[0-9a-z]{26}", "req");

    public string Made()
    {
        Assert.True(Status is HttpStatusCode.Created or HttpStatusCode.OK, Body);
        return Json.GetProperty("id").GetString()!;
    }
}
