using System.Collections.Concurrent;
using System.Net;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Runs;
using Lanyard.Protocol.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Cli.Runner.Endpoint;

/// <summary>
/// Where steps reach the cache, on loopback: it takes an attempt's pass, puts the attempt's runtime token in its place, and relays to the server. Blobs need no
/// pass: their URLs are signed, and their bytes go through here too, because the name of this place makes clients restore in parallel ranges, and because a step
/// need not know the server's certificate authority. It starts with the first attempt that has a cache.
/// </summary>
internal sealed class CacheListener(HttpClient http, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Clients restore in parallel from hosts of this domain alone. Where a sandbox has a hosts file of its own, the name leads here.</summary>
    public const string FastHost = "lanyard.blob.core.windows.net";

    private const string First = "/_apis/artifactcache/";
    private const string Second = "/twirp/";
    private const string Blobs = "/cache/";

    private readonly ConcurrentDictionary<TokenHash, CachePlace> _places = new();
    private readonly SemaphoreSlim _starting = new(1, 1);
    private WebApplication? _app;
    private int _port;

    /// <summary>From now until the answer is disposed, the attempt's pass opens the cache.</summary>
    /// <param name="isNamed">The steps of the attempt find <see cref="FastHost"/> on loopback.</param>
    public async Task<CachePlace> OpenAsync(AttemptPayload payload, IReadOnlyList<CacheScope> scopes, bool isNamed, CancellationToken cancellationToken)
    {
        await StartAsync(cancellationToken);
        var pass = new CachePass(new AttemptKey(payload.Run, payload.Attempt), scopes, time.GetUtcNow());
        var url = $"http://127.0.0.1:{_port}";
        var place = new CachePlace(pass, payload.RuntimeToken, scopes, url, isNamed ? $"http://{FastHost}:{_port}" : url, gone => _places.TryRemove(gone.Pass.Hash, out _));
        _places[pass.Hash] = place;
        return place;
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) await _app.DisposeAsync();
        _starting.Dispose();
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            if (_app is not null) return;
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore().ConfigureKestrel(static kestrel =>
            {
                kestrel.AddServerHeader = false;
                kestrel.Limits.MaxRequestBodySize = null; // the server has its own, and says so in the clients' dialect
                kestrel.Limits.MaxConcurrentConnections = 1024;
                kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
                kestrel.Limits.MaxRequestLineSize = 20 * 1024;
                kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
                kestrel.Listen(IPAddress.Loopback, 0);
            });
            var app = builder.Build();
            app.Run(AnswerAsync);
            await app.StartAsync(cancellationToken);
            _port = new Uri(app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single()).Port;
            _app = app;
        }
        finally
        {
            _starting.Release();
        }
    }

    private Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "";

        // As it was sent: what is signed must not be changed by decoding and encoding it.
        var rest = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        if (!rest.StartsWith('/') || path.Contains("..", StringComparison.Ordinal)) return RefuseAsync(context, StatusCodes.Status404NotFound, "bad_route", "there is nothing here");
        if (path.StartsWith(Blobs, StringComparison.Ordinal))
            return _places.IsEmpty
                ? RefuseAsync(context, StatusCodes.Status404NotFound, "bad_route", "no live attempt has a cache")
                : new CacheRelay(http, context).RunAsync(rest[1..], place: null);
        if (!path.StartsWith(First, StringComparison.Ordinal) && !path.StartsWith(Second, StringComparison.Ordinal))
            return RefuseAsync(context, StatusCodes.Status404NotFound, "bad_route", "there is nothing here but the cache");
        return Find(context.Request) is { } place
            ? new CacheRelay(http, context).RunAsync(path.StartsWith(First, StringComparison.Ordinal) ? "runtime/cache" + rest : rest[1..], place)
            : RefuseAsync(context, StatusCodes.Status401Unauthorized, "unauthenticated", "the token is not that of a live attempt");
    }

    private CachePlace? Find(HttpRequest request) =>
        request.Headers.Authorization is [{ } header] && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
        && _places.TryGetValue(TokenHash.Of(header.AsSpan("Bearer ".Length)), out var place)
            ? place
            : null;

    /// <summary>In a form that clients of both protocols read: anything but JSON they repeat for half a minute.</summary>
    internal static Task RefuseAsync(HttpContext context, int status, string code, string message)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync($$"""{"code":"{{code}}","msg":"{{message}}","message":"{{message}}"}""", context.RequestAborted);
    }
}

/// <summary>An attempt's place at the listener.</summary>
/// <param name="Origin">Scheme and authority by which its steps reach blobs.</param>
internal sealed record CachePlace(CachePass Pass, string RuntimeToken, IReadOnlyList<CacheScope> Scopes, string Url, string Origin, Action<CachePlace> Gone) : IDisposable
{
    /// <summary>What a step is handed.</summary>
    public IReadOnlyDictionary<string, string> Variables
    {
        get
        {
            var variables = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["ACTIONS_RESULTS_URL"] = Url + "/",
                ["ACTIONS_CACHE_URL"] = Url + "/",
                ["ACTIONS_CACHE_SERVICE_V2"] = "true",
                ["ACTIONS_RUNTIME_TOKEN"] = Pass.Text,
            };

            // Newer clients then do not even ask for what they may not do.
            var mode = CacheScope.NameOf(Scopes.Aggregate(0, static (bits, scope) => bits | CacheScope.BitsOf(scope.Permission)));
            if (mode != "write") variables["ACTIONS_CACHE_MODE"] = mode;
            return variables;
        }
    }

    public void Dispose() => Gone(this);

    /// <summary>It has secrets.</summary>
    public override string ToString() => $"cache at {Url}";
}
