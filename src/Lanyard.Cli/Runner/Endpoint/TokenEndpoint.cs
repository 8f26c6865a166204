using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Lanyard.Cli.Runner.Clouds;
using Lanyard.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Cli.Runner.Endpoint;

/// <summary>
/// The runner's loopback endpoint, one for all attempts: <c>GET /token?run=…&amp;attempt=…[&amp;audience=…][&amp;subject=…]</c> in the protocol of
/// <c>ACTIONS_ID_TOKEN_REQUEST_URL</c>, and <c>GET /aws?run=…&amp;attempt=…</c> in that of <c>AWS_CONTAINER_CREDENTIALS_FULL_URI</c>.
/// The loopback network is shared by all sandboxes, so the bearer is the wall: it belongs to one
/// attempt, and dies with it. It knows nothing of tokens but whom to ask for one.
/// </summary>
internal sealed class TokenEndpoint : IAsyncDisposable
{
    private const int MaxText = 1024;
    private const int Burst = 30;
    private const double PerSecond = 5;

    private readonly ConcurrentDictionary<AttemptKey, Place> _places = new();
    private readonly WebApplication _app;
    private readonly TimeProvider _time;
    private string _address = "";

    private TokenEndpoint(WebApplication app, TimeProvider time)
    {
        _app = app;
        _time = time;
    }

    public static async Task<TokenEndpoint> StartAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 8 * 1024;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(30);
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        var endpoint = new TokenEndpoint(builder.Build(), time);
        endpoint._app.Run(endpoint.AnswerAsync);
        await endpoint._app.StartAsync(cancellationToken);
        endpoint._address = endpoint._app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();
        return endpoint;
    }

    /// <summary>From now until the answer is disposed, the attempt's bearer opens the attempt's URL.</summary>
    /// <param name="state">Answers the calls of the attempt's tool about its state; null: it has none.</param>
    public IDisposable Open(AttemptKey key, EndpointBearer bearer, IdentityTokenExchange exchange, AwsCredentials? aws, Func<HttpContext, Task>? state = null)
    {
        var place = new Place(this, key, bearer, exchange, aws, state, new RequestBudget(Burst, PerSecond, _time));
        return _places.TryAdd(key, place) ? place : throw new InvalidOperationException($"attempt {key} has a place at the endpoint already");
    }

    /// <summary>Has a query string, as clients of this protocol expect: they append <c>&amp;audience=…</c>.</summary>
    public string UrlOf(AttemptKey key) => $"{_address}/token?run={key.Run}&attempt={key.Attempt}";

    public string AwsUrlOf(AttemptKey key) => $"{_address}/aws?run={key.Run}&attempt={key.Attempt}";

    /// <summary>Where the HTTP backend of OpenTofu and Terraform finds the attempt's state.</summary>
    /// <param name="rest">Empty, <c>/lock</c> or <c>/unlock</c>.</param>
    public string StateUrlOf(AttemptKey key, string rest) => $"{_address}/state{rest}?run={key.Run}&attempt={key.Attempt}";

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static bool TryRead(HttpRequest request, string name, out string? value)
    {
        var values = request.Query[name];
        value = values.Count == 1 && values[0] is { Length: > 0 } one ? one : null;
        return values.Count == 0 || value is { Length: <= MaxText };
    }

    private static async Task WriteAsync(HttpContext context, int status, Action<Utf8JsonWriter> write)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        await using (var writer = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    private static Task RefuseAsync(HttpContext context, int status, string error, string message) =>
        WriteAsync(context, status, writer =>
        {
            writer.WriteString("error", error);
            writer.WriteString("message", message);
        });

    private async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        var isAws = request.Path == "/aws";
        if (request.Path.StartsWithSegments("/state", StringComparison.Ordinal))
        {
            await AnswerStateAsync(context);
        }
        else if (!(isAws || request.Path == "/token") || request.Method != HttpMethods.Get)
        {
            await RefuseAsync(context, StatusCodes.Status404NotFound, "not_found", "there is nothing here but GET /token and GET /aws");
        }
        else if (Find(request) is not { } place)
        {
            // One text for no bearer, a wrong one, a neighbour's and that of an attempt that is over.
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await RefuseAsync(context, StatusCodes.Status401Unauthorized, "invalid_token", "the bearer is not that of a live attempt");
        }
        else if (!TryRead(request, "audience", out var audience) || !TryRead(request, "subject", out var subject))
        {
            await RefuseAsync(
                context, StatusCodes.Status400BadRequest, "invalid_request", "audience and subject must be given once at most, and not be empty or longer than 1024 characters");
        }
        else if (!place.Budget.TryTake())
        {
            context.Response.Headers.RetryAfter = "1";
            await RefuseAsync(context, StatusCodes.Status429TooManyRequests, "slow_down", "too many tokens in a short time");
        }
        else if (isAws)
        {
            await GiveAwsAsync(context, place);
        }
        else
        {
            await MintAsync(context, place, audience, subject);
        }
    }

    /// <summary>The tool sends the bearer as a password (RFC 7617): that is all that its backend can.</summary>
    private async Task AnswerStateAsync(HttpContext context)
    {
        if (Find(context.Request, PasswordOf(context.Request)) is not { State: { } answer })
        {
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"state\"";
            await RefuseAsync(context, StatusCodes.Status401Unauthorized, "invalid_token", "the password is not the bearer of a live attempt that has a state");
            return;
        }

        await answer(context);
    }

    private static string? PasswordOf(HttpRequest request)
    {
        if (request.Headers.Authorization is not [{ } header] || !header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var bytes = new byte[header.Length];
        var text = Convert.TryFromBase64String(header["Basic ".Length..], bytes, out var length) ? System.Text.Encoding.UTF8.GetString(bytes, 0, length) : "";
        return text.IndexOf(':', StringComparison.Ordinal) is > 0 and var at ? text[(at + 1)..] : null;
    }

    private Place? Find(HttpRequest request) =>
        Find(request, request.Headers.Authorization is [{ } header] && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header["Bearer ".Length..] : null);

    private Place? Find(HttpRequest request, string? bearer)
    {
        if (bearer is null || request.Query["run"] is not [{ } run] || request.Query["attempt"] is not [{ } number]
            || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var attempt))
        {
            return null;
        }

        return _places.TryGetValue(new AttemptKey(run, attempt), out var place) && place.Bearer.Matches(bearer) ? place : null;
    }

    private static async Task MintAsync(HttpContext context, Place place, string? audience, string? subject)
    {
        var token = await place.Exchange.MintAsync(audience, life: null, context.RequestAborted, subject);
        if (token.TryGet(out var value, out var refusal))
        {
            await WriteAsync(context, StatusCodes.Status200OK, writer =>
            {
                writer.WriteNumber("count", value.Length);
                writer.WriteString("value", value);
            });
            return;
        }

        await RefuseAsync(context, refusal, "no identity token");
    }

    private static async Task GiveAwsAsync(HttpContext context, Place place)
    {
        if (place.Aws is null)
        {
            await RefuseAsync(context, StatusCodes.Status404NotFound, "not_found", "this attempt has no AWS credentials endpoint");
            return;
        }

        var keys = await place.Aws.GetAsync(context.RequestAborted);
        if (!keys.TryGet(out var value, out var refusal))
        {
            await RefuseAsync(context, refusal, "no AWS credentials");
            return;
        }

        await WriteAsync(context, StatusCodes.Status200OK, writer =>
        {
            writer.WriteString("AccessKeyId", value.AccessKeyId);
            writer.WriteString("SecretAccessKey", value.SecretAccessKey);
            writer.WriteString("Token", value.Token);
            writer.WriteString("Expiration", value.Expiration.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        });
    }

    private static Task RefuseAsync(HttpContext context, Refusal refusal, string what)
    {
        var (status, error) = refusal.Reason switch
        {
            RefusalReason.Unavailable => (StatusCodes.Status503ServiceUnavailable, "temporarily_unavailable"),
            RefusalReason.TooManyRequests => (StatusCodes.Status429TooManyRequests, "slow_down"),
            _ => (StatusCodes.Status403Forbidden, "access_denied"),
        };
        return RefuseAsync(context, status, error, $"{what}: {refusal.Detail}");
    }

    private sealed record Place(TokenEndpoint Endpoint, AttemptKey Key, EndpointBearer Bearer, IdentityTokenExchange Exchange, AwsCredentials? Aws, Func<HttpContext, Task>? State,
        RequestBudget Budget) : IDisposable
    {
        public void Dispose() => Endpoint._places.TryRemove(Key, out _);
    }
}
