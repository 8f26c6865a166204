using System.Globalization;
using System.Net;
using System.Xml;
using System.Xml.Linq;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Clouds;

internal sealed record AwsSessionKeys(string AccessKeyId, string SecretAccessKey, string Token, DateTimeOffset Expiration);

/// <summary>
/// AWS credentials of one attempt for the container-credentials endpoint: STS AssumeRoleWithWebIdentity with the attempt's identity token, for
/// the shortest life that STS gives (15 minutes), so that little outlives the attempt. SDKs give the endpoint one second and some ask only once,
/// so that nobody who asks ever waits for STS: one loop asks it, ahead of the first step and again at half the keys' life, and what it last heard is the answer.
/// </summary>
internal sealed class AwsCredentials(AwsEndpointPayload role, IdentityTokenExchange exchange, HttpClient http, AttemptLog log, TimeProvider time)
{
    private const int MaxAnswer = 64 * 1024;
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(5);

    /// <summary>For so long the first step waits for an answer of STS; a slower one comes while it runs.</summary>
    internal static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(15);
    private readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _wanted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private AwsSessionKeys? _keys;
    private Refusal? _refusal;

    /// <summary>Asks STS until <paramref name="stopped"/>. After a refusal, which another try would most likely hear again, it asks only when somebody wants keys.</summary>
    public async Task KeepFreshAsync(CancellationToken stopped)
    {
        var backoff = new Backoff(time);
        try
        {
            while (true)
            {
                var answer = await AssumeAsync(stopped);
                Remember(answer);
                if (answer.TryGet(out var keys, out var refusal))
                {
                    backoff.Reset();
                    var half = (keys.Expiration - time.GetUtcNow()) / 2;
                    await Task.Delay(half > Soonest ? half : Soonest, time, stopped);
                }
                else if (refusal.Reason is RefusalReason.Unavailable)
                {
                    await backoff.WaitAsync(null, stopped);
                }
                else
                {
                    await Task.Delay(Soonest, time, stopped);
                    await Volatile.Read(ref _wanted).Task.WaitAsync(stopped);
                }
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // The attempt ends.
        }
        finally
        {
            Volatile.Write(ref _refusal, Volatile.Read(ref _refusal) ?? new Refusal(RefusalReason.Unavailable, "the attempt ends"));
            _heard.TrySetResult();
        }
    }

    /// <summary>Until STS has given keys or refused them, but no longer than <see cref="LongestStart"/>: a step is better begun than kept from what it can do without keys.</summary>
    public async Task SettleAsync(CancellationToken stopped)
    {
        try
        {
            await _settled.Task.WaitAsync(LongestStart, time, stopped);
        }
        catch (TimeoutException)
        {
            log.AppendNote("STS has given no credentials yet; it is asked again while the step runs");
        }
    }

    /// <returns>Keys; else the last refusal of our issuer, or of STS in its words. At once, once there has been any answer.</returns>
    public async Task<Outcome<AwsSessionKeys>> GetAsync(CancellationToken cancellationToken)
    {
        await _heard.Task.WaitAsync(cancellationToken);
        if (Volatile.Read(ref _keys) is { } keys && keys.Expiration > time.GetUtcNow())
        {
            return keys;
        }

        Volatile.Read(ref _wanted).TrySetResult();
        return Volatile.Read(ref _refusal) ?? new Refusal(RefusalReason.Unavailable, "the credentials have ended, and there are no others yet");
    }

    private void Remember(Outcome<AwsSessionKeys> answer)
    {
        // Whoever asks from here on wants more than this answer.
        Volatile.Write(ref _wanted, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var isKeys = answer.TryGet(out var keys, out var refusal);
        if (isKeys)
        {
            Volatile.Write(ref _keys, keys);
        }

        Volatile.Write(ref _refusal, isKeys ? null : refusal);
        _heard.TrySetResult();
        if (isKeys || refusal!.Reason is not RefusalReason.Unavailable)
        {
            _settled.TrySetResult();
        }
    }

    private async Task<Outcome<AwsSessionKeys>> AssumeAsync(CancellationToken cancellationToken)
    {
        var token = await exchange.MintAsync(role.Audience, life: null, cancellationToken);
        if (!token.TryGet(out var value, out var refusal))
        {
            return refusal;
        }

        using var limit = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, role.StsUrl) { Content = Form(value) };
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token);
            await response.Content.LoadIntoBufferAsync(MaxAnswer, both.Token);
            var answer = Parse(await response.Content.ReadAsStringAsync(both.Token));
            return response.StatusCode == HttpStatusCode.OK ? Take(answer) : Refuse(response.StatusCode, answer);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or XmlException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return new Refusal(RefusalReason.Unavailable, $"STS at {role.StsUrl} could not be asked: {exception.GetType().Name}");
        }
    }

    private FormUrlEncodedContent Form(string token) => new(
    [
        new("Action", "AssumeRoleWithWebIdentity"),
        new("Version", "2011-06-15"),
        new("RoleArn", role.RoleArn),
        new("RoleSessionName", role.SessionName),
        new("WebIdentityToken", token),
        new("DurationSeconds", ((int)Life.TotalSeconds).ToString(CultureInfo.InvariantCulture)),
    ]);

    private static XElement Parse(string xml)
    {
        using var reader = XmlReader.Create(new StringReader(xml), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit });
        return XElement.Load(reader);
    }

    private static string? Find(XElement answer, string name) => answer.Descendants().FirstOrDefault(element => element.Name.LocalName == name)?.Value;

    /// <summary>STS says with 400 too that it could not ask our issuer, or that too many asked it: AWS's own clients repeat these.</summary>
    private static bool IsPassing(HttpStatusCode status, string? code) =>
        (int)status is 429 or >= 500 || code is "IDPCommunicationError" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded";

    private static Refusal Refuse(HttpStatusCode status, XElement answer) => new(
        IsPassing(status, Find(answer, "Code")) ? RefusalReason.Unavailable : RefusalReason.AudienceNotAllowed, $"STS says {Find(answer, "Code")}: {Find(answer, "Message")}");

    private Outcome<AwsSessionKeys> Take(XElement answer)
    {
        if (Find(answer, "AccessKeyId") is not { Length: > 0 } id || Find(answer, "SecretAccessKey") is not { Length: > 0 } secret
            || Find(answer, "SessionToken") is not { Length: > 0 } session
            || !DateTimeOffset.TryParse(Find(answer, "Expiration"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var expires))
        {
            return new Refusal(RefusalReason.Unavailable, "STS answered without credentials");
        }

        return log.TryHide(secret, session)
            ? new AwsSessionKeys(id, secret, session, expires)
            : new Refusal(RefusalReason.TooManyRequests, "this attempt has asked for more secrets than can be masked in its log");
    }
}
