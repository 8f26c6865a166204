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
/// the shortest life that STS gives (15 minutes), so that little outlives the attempt. They are fetched
/// ahead, one exchange at a time, because SDKs wait for a second only.
/// </summary>
internal sealed class AwsCredentials(AwsEndpointPayload role, IdentityTokenExchange exchange, HttpClient http, AttemptLog log, TimeProvider time) : IDisposable
{
    private const int MaxAnswer = 64 * 1024;
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Enough = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);
    private readonly SemaphoreSlim _one = new(1, 1);
    private AwsSessionKeys? _last;

    /// <summary>Fetches before anybody asks, and again at half the keys' life, until <paramref name="stopped"/> or a refusal, which the next who asks hears.</summary>
    public async Task KeepFreshAsync(CancellationToken stopped)
    {
        var backoff = new Backoff(time);
        try
        {
            while (true)
            {
                var keys = await RefreshAsync(Life / 2, stopped);
                if (!keys.IsRefused)
                {
                    backoff.Reset();
                    await Task.Delay(Life / 2, time, stopped);
                }
                else if (keys.Refusal.Reason is RefusalReason.Unavailable)
                {
                    await backoff.WaitAsync(null, stopped);
                }
                else
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // The attempt ends.
        }
    }

    /// <returns>Keys good for a while; else the refusal of our issuer, or of STS in its words.</returns>
    public async Task<Outcome<AwsSessionKeys>> GetAsync(CancellationToken cancellationToken) =>
        Volatile.Read(ref _last) is { } last && last.Expiration - time.GetUtcNow() > Enough ? last : await RefreshAsync(Enough, cancellationToken);

    private async Task<Outcome<AwsSessionKeys>> RefreshAsync(TimeSpan enough, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_last is { } last && last.Expiration - time.GetUtcNow() > enough)
            {
                return last;
            }

            var fresh = await AssumeAsync(cancellationToken);
            Volatile.Write(ref _last, fresh.IsRefused ? _last : fresh.Value);
            return fresh;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

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

    private static Refusal Refuse(HttpStatusCode status, XElement answer) => new(
        (int)status >= 500 ? RefusalReason.Unavailable : RefusalReason.AudienceNotAllowed, $"STS says {Find(answer, "Code")}: {Find(answer, "Message")}");

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
