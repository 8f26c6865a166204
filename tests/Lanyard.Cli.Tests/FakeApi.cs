using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Tests;

/// <summary>
/// A control plane as far as the CLI sees it: a token endpoint that really verifies the admin's assertion, resources with ETags, and
/// answers that a test can replace.
/// </summary>
internal sealed class FakeApi : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HashSet<string> _assertions = [];
    private int _version;

    private FakeApi(WebApplication app)
    {
        _app = app;
        app.Run(AnswerAsync);
    }

    public string Url { get; private set; } = "";

    public SigningKey AdminKey { get; } = SigningKey.Generate(SignatureAlgorithm.ES256);

    public string ApiToken { get; } = "api-token-of-the-test";

    public int Exchanges { get; private set; }

    public ConcurrentDictionary<string, (JsonObject Resource, string ETag)> Resources { get; } = new();

    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>Answers instead of the resources when it returns true; only for callers with a good bearer.</summary>
    public Func<HttpContext, Task<bool>>? OnRequest { get; set; }

    /// <summary>What answers is no Lanyard at all, but some web site.</summary>
    public bool IsAnotherServer { get; set; }

    /// <summary>What is taken as a bearer besides <see cref="ApiToken"/>.</summary>
    public string? WorkloadToken { get; set; }

    /// <summary>The bearer is for <see cref="OnRequest"/> to judge.</summary>
    public bool TakesAnyBearer { get; set; }

    public static async Task<FakeApi> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddLogging(logging => logging.ClearProviders());
        var api = new FakeApi(builder.Build());
        await api._app.StartAsync();
        api.Url = ((IApplicationBuilder)api._app).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.First();
        return api;
    }

    private async Task AnswerAsync(HttpContext http)
    {
        Requests.Enqueue($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}");
        if (IsAnotherServer)
        {
            await http.Response.WriteAsync("<html>welcome</html>");
            return;
        }

        if (http.Request.Path == "/token")
        {
            await AnswerTokenAsync(http);
            return;
        }

        var bearer = http.Request.Headers.Authorization.ToString();
        if (!TakesAnyBearer && bearer != $"Bearer {ApiToken}" && (WorkloadToken is null || bearer != $"Bearer {WorkloadToken}"))
        {
            await ProblemAsync(http, 401, "The bearer was not taken.");
            return;
        }

        if (OnRequest is null || !await OnRequest(http))
        {
            await AnswerResourceAsync(http);
        }
    }

    private async Task AnswerTokenAsync(HttpContext http)
    {
        var form = await http.Request.ReadFormAsync();
        var assertion = form["client_assertion"].ToString();
        var record = new TrustedIssuer { Id = "admin", Issuer = "key_" + AdminKey.KeyId, Keys = KeySource.Uploaded, MaxLifetime = TimeSpan.FromSeconds(60) };
        var unverified = UnverifiedToken.Parse(assertion);
        var good = form["grant_type"] == "client_credentials"
            && form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            && !unverified.IsRefused
            && new TokenVerifier(TimeProvider.System).Verify(
                unverified.Value, record, KeySet.Of(AdminKey.Public), new VerifyOptions { DefaultAudience = Url, RequireTokenId = true }).TryGet(out var token, out _)
            && token.Subject == record.Issuer
            && _assertions.Add(token.TokenId!);
        Exchanges++;
        http.Response.StatusCode = good ? 200 : 401;
        await http.Response.WriteAsync(good
            ? $$"""{"access_token":"{{ApiToken}}","token_type":"Bearer","expires_in":600}"""
            : """{"error":"invalid_client","error_description":"The client could not be authenticated."}""");
    }

    private async Task AnswerResourceAsync(HttpContext http)
    {
        var path = http.Request.Path.Value!;
        var exists = Resources.TryGetValue(path, out var present);
        switch (http.Request.Method)
        {
            case "GET" when exists:
                http.Response.Headers.ETag = present.ETag;
                await http.Response.WriteAsync(present.Resource.ToJsonString());
                break;
            case "PUT" when exists ? http.Request.Headers.IfMatch == present.ETag : http.Request.Headers.IfNoneMatch == "*":
                var body = (JsonObject)JsonNode.Parse(await new StreamReader(http.Request.Body).ReadToEndAsync())!;
                body["slug"] = path.Split('/')[^1];
                Resources[path] = (body, $"\"{++_version}\"");
                http.Response.StatusCode = exists ? 200 : 201;
                await http.Response.WriteAsync(body.ToJsonString());
                break;
            case "DELETE" when exists && http.Request.Headers.IfMatch == present.ETag:
                Resources.TryRemove(path, out _);
                http.Response.StatusCode = 204;
                break;
            default:
                await ProblemAsync(http, exists ? 412 : 404, exists ? "It was changed meanwhile." : "Not found.");
                break;
        }
    }

    public static Task ProblemAsync(HttpContext http, int status, string title, JsonArray? mistakes = null)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/problem+json";
        var problem = new JsonObject { ["title"] = title, ["requestId"] = "req_1" };
        if (mistakes is not null)
        {
            problem["mistakes"] = mistakes;
        }

        return http.Response.WriteAsync(problem.ToJsonString());
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        AdminKey.Dispose();
    }
}
