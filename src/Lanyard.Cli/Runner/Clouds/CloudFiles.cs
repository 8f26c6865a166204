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

    /// <summary>After a refusal, or where the file can't be written.</summary>
    private static readonly TimeSpan Seldom = TimeSpan.FromSeconds(20);

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
                if (await RenewAsync(file, stopped) is not { } next)
                {
                    return;
                }

                token = next;
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // The attempt ends.
        }
    }

    /// <summary>
    /// Tried again whatever was in the way: a full disk is emptied, a rule that was changed is put right, and the tool that reads the file may have hours before it. A refusal is said once.
    /// </summary>
    /// <returns>Null: there is no room for another secret in the attempt's mask, and never will be.</returns>
    private async Task<MintedToken?> RenewAsync(CloudTokenFile file, CancellationToken stopped)
    {
        var backoff = new Backoff(time);
        string? said = null;
        MintedToken? made = null;
        while (true)
        {
            var (reason, trouble) = (RefusalReason.Unavailable, (string?)null);
            if (made is null || time.GetElapsedTime(made.From) > made.Life / 2)
            {
                var token = await exchange.MintTimedAsync(file.Audience, stopped);
                made = token.TryGet(out var value, out var refusal) ? value : null;
                (reason, trouble) = refusal is null ? (reason, null) : (refusal.Reason, refusal.Detail);
            }

            if (made is not null && (trouble = TryWrite(file, made)) is null)
            {
                if (said is not null)
                {
                    log.AppendNoteMeanwhile($"{file.Name} is renewed again");
                }

                return made;
            }

            if (made is null && reason is RefusalReason.Unavailable)
            {
                await backoff.WaitAsync(null, stopped);
                continue;
            }

            var isLast = reason is RefusalReason.TooManyRequests;
            if (trouble != said)
            {
                log.AppendNoteMeanwhile($"{file.Name} is not renewed{(isLast ? " any more" : "")}: {Printable(trouble!)}");
                said = trouble;
            }

            if (isLast)
            {
                return null;
            }

            await Task.Delay(Seldom, time, stopped);
        }
    }

    /// <returns>What is in the way; null: it is written.</returns>
    private string? TryWrite(CloudTokenFile file, MintedToken token)
    {
        try
        {
            Write(file, token);
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or Win32Exception)
        {
            return exception.Message;
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
