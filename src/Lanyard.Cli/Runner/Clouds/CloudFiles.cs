using System.ComponentModel;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Clouds;

/// <summary>
/// Keeps an attempt's cloud files: all of them before the first step, each token again at half its life. So whatever a tool reads is good for
/// half a life more: when an attempt is stopped nothing is renewed, and its grace still has good tokens.
/// </summary>
internal sealed class CloudFiles(CloudPayload cloud, CloudFolder folder, CloudText text, IdentityTokenExchange exchange, AttemptLog log, TimeProvider time)
{
    private const int FirstTries = 5;
    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(1);

    /// <returns>What stands in the way of the first step, or null and the time at which each token was made.</returns>
    public async Task<Outcome<IReadOnlyList<MintedToken>>> PrepareAsync(CancellationToken stopped)
    {
        foreach (var file in cloud.Files)
        {
            folder.Write(file.Name, text.Fill(file.Content));
        }

        var minted = new List<MintedToken>();
        foreach (var file in cloud.Tokens)
        {
            var token = await FirstAsync(file, stopped);
            if (!token.TryGet(out var value, out var refusal))
            {
                return refusal with { Detail = $"no identity token for {file.Name} (audience {Printable(file.Audience)}): {refusal.Detail}" };
            }

            Write(file, value);
            minted.Add(value);
        }

        return minted;
    }

    /// <summary>Runs until <paramref name="stopped"/>.</summary>
    public Task KeepFreshAsync(IReadOnlyList<MintedToken> minted, CancellationToken stopped) =>
        Task.WhenAll(cloud.Tokens.Select((file, index) => KeepFreshAsync(file, minted[index], stopped)));

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));

    private async Task<Outcome<MintedToken>> FirstAsync(CloudTokenFile file, CancellationToken stopped)
    {
        var backoff = new Backoff(time);
        for (var tries = 1; ; tries++)
        {
            var token = await exchange.MintTimedAsync(file.Audience, stopped);
            if (!token.IsRefused || token.Refusal.Reason is not RefusalReason.Unavailable || tries == FirstTries)
            {
                return token;
            }

            await backoff.WaitAsync(null, stopped);
        }
    }

    private async Task KeepFreshAsync(CloudTokenFile file, MintedToken token, CancellationToken stopped)
    {
        try
        {
            while (true)
            {
                var half = (token.Life / 2) - time.GetElapsedTime(token.From);
                await Task.Delay(half > Soonest ? half : Soonest, time, stopped);
                var backoff = new Backoff(time);
                var next = await exchange.MintTimedAsync(file.Audience, stopped);
                while (next.IsRefused)
                {
                    if (next.Refusal.Reason is not RefusalReason.Unavailable)
                    {
                        log.AppendNoteMeanwhile($"{file.Name} is not renewed any more: {Printable(next.Refusal.Detail)}");
                        return;
                    }

                    await backoff.WaitAsync(null, stopped);
                    next = await exchange.MintTimedAsync(file.Audience, stopped);
                }

                token = next.Value;
                Write(file, token);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // The attempt ends.
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or Win32Exception)
        {
            log.AppendNoteMeanwhile($"{file.Name} is not renewed any more: {exception.Message}");
        }
    }

    private void Write(CloudTokenFile file, MintedToken token) =>
        folder.Write(file.Name, file.Format == CloudFormats.ExecCredential ? ExecCredential(token) : token.Value);

    /// <summary>Said to end at three quarters of the token's life: by then there is a newer one.</summary>
    private string ExecCredential(MintedToken token)
    {
        var asksAgain = time.GetUtcNow() + (token.Life * 3 / 4);
        return new JsonObject
        {
            ["apiVersion"] = "client.authentication.k8s.io/v1beta1",
            ["kind"] = "ExecCredential",
            ["status"] = new JsonObject
            {
                ["token"] = token.Value,
                ["expirationTimestamp"] = asksAgain.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture),
            },
        }.ToJsonString();
    }
}
