using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
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

namespace Lanyard.Testing;

/// <summary>
/// A real OIDC issuer on loopback HTTP: discovery, JWKS, keys that rotate, and a mint for tokens of any shape, broken ones included.
/// What it answers can be replaced (<see cref="OnRequest"/>), and every request is counted.
/// </summary>
public sealed class TestIssuer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly TimeProvider _time;
    private readonly List<SigningKey> _keys = [];
    private int _discoveryRequests;
    private int _keyRequests;

    private TestIssuer(WebApplication app, TimeProvider time)
    {
        _app = app;
        _time = time;
        Rotate();
        app.Run(AnswerAsync);
    }

    /// <summary>Such as <c>http://127.0.0.1:41234</c>, or <c>…/path</c> if one was asked for.</summary>
    public string Issuer { get; private set; } = "";

    public string DiscoveryUrl => Issuer + "/.well-known/openid-configuration";

    public string JwksUrl => Issuer + "/jwks";

    /// <summary>The key that signs now.</summary>
    public SigningKey Key => _keys[^1];

    /// <summary>What the JWKS endpoint answers.</summary>
    public KeySet Keys => KeySet.Of([.. _keys.Select(k => k.Public)]);

    public string Jwks => Keys.ToJson();

    public int DiscoveryRequests => Volatile.Read(ref _discoveryRequests);

    public int KeyRequests => Volatile.Read(ref _keyRequests);

    /// <summary>Answers instead of the issuer when it returns true.</summary>
    public Func<HttpContext, Task<bool>>? OnRequest { get; set; }

    /// <param name="path">Such as <c>/oidc/acme</c>; no slash at the end.</param>
    /// <param name="certificate">With one it speaks https.</param>
    public static async Task<TestIssuer> StartAsync(TimeProvider? time = null, string path = "", X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null) listen.UseHttps(certificate);
        }));
        builder.Services.AddLogging(l => l.ClearProviders());
        var issuer = new TestIssuer(builder.Build(), time ?? TimeProvider.System);
        await issuer._app.StartAsync();
        var addresses = ((IApplicationBuilder)issuer._app).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses;
        issuer.Issuer = addresses.First() + path;
        return issuer;
    }

    /// <summary>Adds a new key and signs with it; old ones stay published until <see cref="Forget"/>.</summary>
    public SigningKey Rotate(SignatureAlgorithm algorithm = SignatureAlgorithm.ES256)
    {
        var key = SigningKey.Generate(algorithm);
        _keys.Add(key);
        return key;
    }

    public void Forget(SigningKey key) => _keys.Remove(key);

    /// <summary>A trust record that fetches from here.</summary>
    public TrustedIssuer Record(string id = "ti_test") => new() { Id = id, Issuer = Issuer, AllowPrivateAddresses = true };

    /// <summary>Claims of a good token: <c>iss sub aud iat nbf exp jti</c>, five minutes of life.</summary>
    public JsonObject Claims(string audience, string subject = "subject")
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        return new JsonObject
        {
            ["iss"] = Issuer,
            ["sub"] = subject,
            ["aud"] = audience,
            ["iat"] = now,
            ["nbf"] = now,
            ["exp"] = now + 300,
            ["jti"] = Guid.NewGuid().ToString("N"),
        };
    }

    /// <summary>A good token, unless <paramref name="change"/> spoils its claims.</summary>
    public string Mint(string audience, string subject = "subject", Action<JsonObject>? change = null)
    {
        var claims = Claims(audience, subject);
        change?.Invoke(claims);
        return TokenMint.Mint(Key, TokenMint.JwtType, Encoding.UTF8.GetBytes(claims.ToJsonString()));
    }

    /// <summary>Signs any header and payload, well formed or not, as they are.</summary>
    public string MintRaw(string header, string payload, SigningKey? key = null)
    {
        key ??= Key;
        var input = $"{Base64Url.Encode(Encoding.UTF8.GetBytes(header))}.{Base64Url.Encode(Encoding.UTF8.GetBytes(payload))}";
        var signature = new byte[key.SignatureLength];
        key.Sign(Encoding.ASCII.GetBytes(input), signature);
        return $"{input}.{Base64Url.Encode(signature)}";
    }

    /// <summary>The header that <see cref="Mint"/> writes.</summary>
    public string Header(SigningKey? key = null) => new JsonObject
    {
        ["alg"] = (key ?? Key).Algorithm.Name(),
        ["kid"] = (key ?? Key).KeyId,
        ["typ"] = TokenMint.JwtType,
    }.ToJsonString();

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _keys.ForEach(k => k.Dispose());
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        if (path.EndsWith("/.well-known/openid-configuration", StringComparison.Ordinal))
        {
            Interlocked.Increment(ref _discoveryRequests);
        }
        else if (path.EndsWith("/jwks", StringComparison.Ordinal))
        {
            Interlocked.Increment(ref _keyRequests);
        }

        if (OnRequest is { } answer && await answer(context))
        {
            return;
        }

        var body = path == new Uri(DiscoveryUrl).AbsolutePath ? new JsonObject { ["issuer"] = Issuer, ["jwks_uri"] = JwksUrl }.ToJsonString()
            : path == new Uri(JwksUrl).AbsolutePath ? Jwks
            : null;
        context.Response.StatusCode = body is null ? 404 : 200;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(body ?? "{}");
    }
}
