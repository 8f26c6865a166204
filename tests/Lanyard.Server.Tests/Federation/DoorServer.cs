using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Federation;
using Lanyard.Server.Storage;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Tests.Federation;

/// <summary>The server as it is started, with its own bearer door, in this process; the admin proves itself by the key in the data directory.</summary>
internal sealed class DoorServer : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;
    private readonly RunningServer _server;
    private readonly HttpClient _http = new();
    private string _admin = "";

    private readonly bool _isSecond;
    private readonly string _address;

    private DoorServer(DirectoryInfo folder, RunningServer server, bool isSecond)
    {
        (_folder, _server, _isSecond) = (folder, server, isSecond);
        _address = server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    public string Url => _server.Instance.Url;

    public string Folder => _folder.FullName;

    public IServiceProvider Services => _server.Services;

    public Database Database => Services.GetRequiredService<Database>();

    /// <param name="database">As <c>--database</c> takes it; null: a file beside the keys.</param>
    /// <param name="beside">Another replica of the same installation: same database, same data folder, same URL.</param>
    public static async Task<DoorServer> StartAsync(TimeProvider? time = null, string? database = null, DoorServer? beside = null, params string[] arguments)
    {
        var folder = beside?._folder ?? Directory.CreateTempSubdirectory("lanyard-door-");
        string[] more = [.. database is null ? [] : (string[])["--database", database], .. beside is null ? [] : (string[])["--public-url", beside.Url], .. arguments];
        var (options, mistakes) = ServerOptions.Parse(["--listen", "127.0.0.1:0", "--data-dir", folder.FullName, .. more]);
        var door = new DoorServer(folder, await ServerProgram.StartAsync(options ?? throw new InvalidOperationException(string.Join("; ", mistakes)), CancellationToken.None, time), beside is not null);
        await door.LogInAsync(time);
        return door;
    }

    /// <summary>A fresh API token of the admin: ten minutes of it are soon over where a test moves the clock.</summary>
    public async Task LogInAsync(TimeProvider? time = null)
    {
        using var key = SigningKey.FromPem(await File.ReadAllTextAsync(Path.Combine(Folder, AdminKeys.FileName))).Value;
        _admin = (await ClientTokenAsync(key, time)).Json["access_token"]!.GetValue<string>();
    }

    /// <summary>Client credentials by an assertion of this key (RFC 7523).</summary>
    public Task<(HttpStatusCode Status, JsonNode Json)> ClientTokenAsync(SigningKey key, TimeProvider? time = null)
    {
        var now = (time ?? TimeProvider.System).GetUtcNow();
        var client = AdminKeys.ClientId(key.Public);
        var assertion = TokenMint.Mint(key, OAuthNames.TypJwt, new TokenClaims
        {
            Issuer = client,
            Subject = client,
            Audiences = [Url],
            IssuedAt = now,
            ExpiresAt = now.AddSeconds(60),
            TokenId = Guid.NewGuid().ToString("N"),
        });
        return FormAsync(
            "/token",
            ("grant_type", OAuthNames.GrantClientCredentials),
            ("client_assertion_type", OAuthNames.ClientAssertionJwtBearer),
            ("client_assertion", assertion));
    }

    public Task<(HttpStatusCode Status, JsonNode Json)> ExchangeAsync(string path, string token, string? audience = null) => FormAsync(
        path,
        ("grant_type", OAuthNames.GrantTokenExchange),
        ("subject_token", token),
        ("subject_token_type", OAuthNames.TokenTypeJwt),
        ("audience", audience ?? ""));

    public Task<(HttpStatusCode Status, JsonNode Json)> FormAsync(string path, params (string Name, string Value)[] fields) => FormAsync(path, null, fields);

    public Task<(HttpStatusCode Status, JsonNode Json)> FormAsAdminAsync(string path, params (string Name, string Value)[] fields) => FormAsync(path, null, fields, _admin);

    /// <param name="proof">The header <c>DPoP</c>.</param>
    public async Task<(HttpStatusCode Status, JsonNode Json)> FormAsync(string path, string? proof, (string Name, string Value)[] fields, string? bearer = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_address + path)) { Content = new FormUrlEncodedContent(fields.Select(static field => KeyValuePair.Create(field.Name, field.Value))) };
        if (bearer is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        if (proof is not null) request.Headers.Add("DPoP", proof);
        using var response = await _http.SendAsync(request);
        return await ReadAsync(response);
    }

    /// <summary>What the introspection of an issuer (empty: the instance's) tells the admin.</summary>
    public async Task<bool> IsActiveAsync(string issuer, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{_address}{issuer}/introspect") { Content = new FormUrlEncodedContent([new("token", token)]) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _admin);
        using var response = await _http.SendAsync(request);
        return (await ReadAsync(response)).Json["active"]!.GetValue<bool>();
    }

    /// <summary>A token that is bound to a key, with its proof (RFC 9449 §7.1).</summary>
    public async Task<HttpStatusCode> GetBoundAsync(string path, string token, string? proof, string scheme = "DPoP")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, _address + path);
        request.Headers.Authorization = new AuthenticationHeaderValue(scheme, token);
        if (proof is not null) request.Headers.Add("DPoP", proof);
        using var response = await _http.SendAsync(request);
        return response.StatusCode;
    }

    /// <param name="bearer">Null: the admin; empty: none.</param>
    /// <param name="workspace">That a runner or pod names.</param>
    public async Task<(HttpStatusCode Status, JsonNode Json)> SendAsync(HttpMethod method, string path, string? json = null, string? bearer = null, string? ifMatch = null, string? workspace = null)
    {
        using var request = new HttpRequestMessage(method, _address + path);
        if (bearer != "") request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer ?? _admin);
        if (ifMatch is not null) request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        if (workspace is not null) request.Headers.Add(RunnerHeaders.Workspace, workspace);
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await _http.SendAsync(request);
        return await ReadAsync(response);
    }

    public Task<(HttpStatusCode Status, JsonNode Json)> GetAsync(string path, string? bearer = null) => SendAsync(HttpMethod.Get, path, bearer: bearer);

    /// <summary>Puts a resource, which must go well.</summary>
    public async Task PutAsync(string path, string spec, string members = "", string? ifMatch = null)
    {
        var (status, json) = await SendAsync(HttpMethod.Put, path, $$"""{"spec":{{spec}}{{members}}}""", ifMatch: ifMatch);
        if (status is not (HttpStatusCode.Created or HttpStatusCode.OK)) throw new InvalidOperationException($"{path}: {json}");
    }

    /// <summary>The audit events of one action, as lines of JSON; empty: all.</summary>
    public async Task<string[]> AuditAsync(string action, string path = "/v1/audit")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{Url}{path}?limit=500");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _admin);
        using var response = await _http.SendAsync(request);
        var lines = (await response.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return [.. lines.Where(line => action.Length == 0 || line.Contains($"\"{action}\"", StringComparison.Ordinal))];
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        if (!_isSecond) _folder.Delete(recursive: true);
    }

    private static async Task<(HttpStatusCode Status, JsonNode Json)> ReadAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        try
        {
            return (response.StatusCode, JsonNode.Parse(text.Length == 0 ? "{}" : text)!);
        }
        catch (JsonException)
        {
            return (response.StatusCode, JsonValue.Create(text));
        }
    }
}
