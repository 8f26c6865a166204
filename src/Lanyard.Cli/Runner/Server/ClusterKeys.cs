using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Cli.Clusters;
using Lanyard.Cli.Connection;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// In a private cluster the runner tells the server of rotated keys by itself: it reads what the API server publishes, has tokens of the pusher's service
/// account made there (TokenRequest, which a role must allow it), and pushes. It never asks on behalf of anybody else.
/// </summary>
internal sealed class ClusterKeys(RunnerSettings settings, PushAccount account, HttpClient http, TimeProvider time, ILogger log)
{
    private const int TokenSeconds = 3600;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);
    private readonly string _audience = settings.Server.AbsoluteUri.TrimEnd('/') + "/keys";
    private string? _token;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var pusher = new KeyPusher(ReadKeysAsync, ReadTokenAsync, PushAsync, time);
        using var timer = new PeriodicTimer(Interval, time);
        do
        {
            try
            {
                Say(await pusher.LookAsync(cancellationToken));
            }
            catch (Exception exception) when (exception is not OutOfMemoryException && !cancellationToken.IsCancellationRequested)
            {
                // Whatever it was: the keys must not stay unwatched while the runner goes on.
                log.KeysNotPushed(ConnectionFault.Words(exception));
            }
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
    }

    private void Say(PushAnswer? answer)
    {
        if (answer?.State is { } state)
        {
            log.KeysPushed(state);
        }
        else if (answer is not null)
        {
            log.KeysRefused(answer.Detail);
        }
    }

    private async Task<JsonObject> ReadKeysAsync(CancellationToken cancellationToken)
    {
        using var kube = await OpenAsync(cancellationToken);
        return await kube.GetKeysAsync(cancellationToken);
    }

    /// <summary>Kept until half of its life is over: it is what a push after the next rotation is authorized with.</summary>
    public async Task<string> ReadTokenAsync(bool mustBeNew, CancellationToken cancellationToken)
    {
        if (mustBeNew || _token is null || !IsFresh(_token))
        {
            using var kube = await OpenAsync(cancellationToken);
            _token = await kube.RequestTokenAsync(account.Namespace, account.Name, _audience, TokenSeconds, cancellationToken);
        }

        return _token;
    }

    private bool IsFresh(string token) =>
        UnverifiedToken.Parse(token).TryGet(out var parsed, out _) && parsed.Claims.TryGetInt64(ClaimNames.ExpiresAt, out var expires)
        && expires - time.GetUtcNow().ToUnixTimeSeconds() > TokenSeconds / 2;

    /// <summary>Anew each time: the pod's token and certificate authority change under a running pod.</summary>
    public Task<KubeApi> OpenAsync(CancellationToken cancellationToken) =>
        KubeAccess.OpenAsync(settings.Kubeconfig, null, CliConsole.System(), cancellationToken);

    private async Task<PushAnswer> PushAsync(string bearer, JsonObject body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _audience) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        using var response = await HttpCall.SendAsync(http, request, CallTimeout, cancellationToken);
        var text = await HttpCall.ReadTextAsync(response, cancellationToken);
        return response.IsSuccessStatusCode ? new PushAnswer(HttpCall.Member(text, "state"), "")
            : response.StatusCode is >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError ? new PushAnswer(null, HttpCall.Member(text, "title") ?? $"status {(int)response.StatusCode}")
            : throw new HttpRequestException($"status {(int)response.StatusCode}");
    }
}

/// <summary>The service account that may push the cluster's keys.</summary>
internal sealed record PushAccount(string Namespace, string Name)
{
    /// <summary><c>NAMESPACE/NAME</c>, or null where it is none.</summary>
    public static PushAccount? Parse(string text) =>
        text.Split('/') is [var space, var name] && Resources.Slug.IsValid(space) && name.Length is > 0 and <= 253 && name.Split('.').All(Resources.Slug.IsValid)
            ? new PushAccount(space, name)
            : null;
}
