using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Lanyard.Identity.Federation;
using Lanyard.Identity;
using Lanyard.Protocol.Aws;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>
/// AWS's outbound identity: <c>sts:GetWebIdentityToken</c>, signed with the role that this host has, answers a token of the account's own issuer with the role's ARN as
/// its subject. RS256 and five minutes: no longer than the exchange needs.
/// </summary>
internal sealed class AwsTokenSource(string audience, Func<string, string?> environment, TimeProvider time) : TokenSource, IDisposable
{
    private const string FormType = "application/x-www-form-urlencoded";
    private readonly MetadataHttp _metadata = new(time);
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10) })
    {
        Timeout = TimeSpan.FromSeconds(20),
        MaxResponseContentBufferSize = 64 * 1024,
    };

    public override async Task<Outcome<string>> FetchAsync(CancellationToken cancellationToken)
    {
        var ambient = new AwsAmbient(_metadata, environment);
        if (!(await ambient.RegionAsync(cancellationToken)).TryGet(out var region, out var refusal)
            || !(await ambient.CredentialsAsync(cancellationToken)).TryGet(out var credentials, out refusal))
        {
            return refusal;
        }

        return AwsEndpoint.Sts(region, environment) is { } endpoint
            ? await AskAsync(endpoint, region, credentials, cancellationToken)
            : new Refusal(RefusalReason.RequestMalformed, "AWS_ENDPOINT_URL_STS must be https, or http on loopback");
    }

    public void Dispose()
    {
        _metadata.Dispose();
        _http.Dispose();
    }

    private async Task<Outcome<string>> AskAsync(Uri endpoint, string region, AwsCredentials credentials, CancellationToken cancellationToken)
    {
        var body = Encoding.ASCII.GetBytes(
            $"Action=GetWebIdentityToken&Audience.member.1={SigV4.Encode(audience)}&DurationSeconds=300&SigningAlgorithm=RS256&Version=2011-06-15");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, "/")) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(FormType);
        foreach (var (name, value) in new SigV4(credentials, region, "sts", time.GetUtcNow()).Sign("POST", endpoint.Authority, "/", [], [new("content-type", FormType)], body))
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        try
        {
            using var response = await _http.SendAsync(request, cancellationToken);
            return Read(response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return new Refusal(RefusalReason.Unavailable, $"STS can't be asked: {ConnectionFault.Words(exception)}");
        }
    }

    private static Outcome<string> Read(HttpStatusCode status, string body)
    {
        try
        {
            using var reader = XmlReader.Create(new StringReader(body), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
            var all = XDocument.Load(reader).Root!.Descendants().ToList();
            string Of(string name) => all.Find(e => e.Name.LocalName == name)?.Value ?? "";
            return status == HttpStatusCode.OK
                ? Checked(Of("WebIdentityToken"), "STS")
                : new Refusal(RefusalReason.Forbidden, $"STS refuses GetWebIdentityToken: {OneLine($"{Of("Code")}: {Of("Message")}")}");
        }
        catch (XmlException)
        {
            return new Refusal(RefusalReason.Unavailable, $"STS answered {(int)status} and no XML");
        }
    }

    /// <summary>It may go to a terminal.</summary>
    private static string OneLine(string text) => string.Concat(text.Take(400).Select(static c => char.IsControl(c) ? ' ' : c));
}
