using System.CommandLine;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary>
/// Pushes a cluster's keys whenever they change. The token in the file was signed by whatever key the cluster had when the kubelet fetched it: the last one that
/// the server took stays in memory as the authorization, a newer one is the proof of the new key.
/// </summary>
internal sealed class KeyWatch(CliContext context, ParseResult arguments, string tokenFile, Func<Task<JsonObject>> readKeys)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private string _trusted = "";
    private string _accepted = "";

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, context.Console.Time);
        using var api = ServerConnection.OpenAs(arguments, context.Options, context.Console, new HeldBearer(() => _trusted));
        do
        {
            try
            {
                await LookAsync(api, cancellationToken);
            }
            catch (Exception exception) when (exception is CommandStopped or IOException)
            {
                context.Say($"{exception.Message} (tried again in a minute)");
            }
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
        return ExitCode.Done;
    }

    private async Task LookAsync(ApiClient api, CancellationToken cancellationToken)
    {
        var token = (await File.ReadAllTextAsync(tokenFile, cancellationToken)).Trim();
        var keys = await readKeys();
        var published = keys.ToJsonString();
        if (_trusted.Length == 0)
        {
            _trusted = token;
        }

        if (published == _accepted)
        {
            // Nothing changed: the newest token is as trusted as the one before, and lives longer.
            _trusted = token;
            return;
        }

        var answer = await api.PostAsync("/keys", PushKeysCommand.Body(keys, token == _trusted ? null : token), cancellationToken);
        context.Say($"keys pushed: {HttpCall.Text(answer["state"])}");
        if (HttpCall.Text(answer["state"]) == "accepted")
        {
            (_accepted, _trusted) = (published, token);
        }
    }

    private sealed class HeldBearer(Func<string> token) : BearerSource
    {
        public override ValueTask<string> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(token());
    }
}
