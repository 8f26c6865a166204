using System.CommandLine;
using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary><c>lanyard cluster push-keys --watch</c>: a <see cref="KeyPusher"/> with a projected token file, which looks once a minute.</summary>
internal sealed class KeyWatch(CliContext context, ParseResult arguments, string tokenFile, Func<CancellationToken, Task<JsonObject>> readKeys)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private string _bearer = "";

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, context.Console.Time);
        using var api = ServerConnection.OpenAs(arguments, context.Options, context.Console, new HeldBearer(() => _bearer));
        var pusher = new KeyPusher(
            readKeys,
            async (_, cancellation) => (await File.ReadAllTextAsync(tokenFile, cancellation)).Trim(),
            (bearer, body, cancellation) => PushAsync(api, bearer, body, cancellation),
            context.Console.Time);
        do
        {
            try
            {
                if (await pusher.LookAsync(cancellationToken) is { } answer)
                {
                    context.Say($"keys pushed: {answer.State ?? "refused: " + answer.Detail}");
                }
            }
            catch (Exception exception) when (exception is CommandStopped or IOException)
            {
                context.Say($"{exception.Message} (tried again in a minute)");
            }
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
        return ExitCode.Done;
    }

    private async Task<PushAnswer> PushAsync(ApiClient api, string bearer, JsonObject body, CancellationToken cancellationToken)
    {
        _bearer = bearer;
        var answer = await api.SendAsync(HttpMethod.Post, "/keys", body, cancellationToken: cancellationToken);
        return answer.IsSuccess ? new PushAnswer(HttpCall.Text((answer.Json as JsonObject)?["state"]), "")
            : answer.Status is >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError ? new PushAnswer(null, ApiClient.Words(answer))
            : throw ApiClient.Stopped(answer, "/keys");
    }

    private sealed class HeldBearer(Func<string> token) : BearerSource
    {
        public override ValueTask<string> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(token());
    }
}
