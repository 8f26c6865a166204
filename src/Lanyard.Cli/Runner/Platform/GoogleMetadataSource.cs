using System.Net;
using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>
/// Google's metadata server: an identity token of the instance's service account, with the machine's own claims (<c>format=full</c>). <c>GCE_METADATA_HOST</c> moves it,
/// as for Google's own libraries.
/// </summary>
internal sealed class GoogleMetadataSource(string audience, Func<string, string?> environment, TimeProvider time) : TokenSource, IDisposable
{
    private const string Flavor = "Metadata-Flavor";
    private readonly MetadataHttp _http = new(time);
    private readonly string _host = environment("GCE_METADATA_HOST") is { Length: > 0 } host ? host : "metadata.google.internal";

    public override async Task<Outcome<string>> FetchAsync(CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate($"http://{_host}/computeMetadata/v1/instance/service-accounts/default/identity?audience={Uri.EscapeDataString(audience)}&format=full", UriKind.Absolute, out var uri))
        {
            return new Refusal(RefusalReason.RequestMalformed, "GCE_METADATA_HOST names no host");
        }

        if (!(await _http.SendAsync(HttpMethod.Get, uri, [new(Flavor, "Google")], cancellationToken)).TryGet(out var answer, out var refusal))
        {
            return refusal;
        }

        // Without the header somebody else answered: a captive network, or a proxy that was told to take this address too.
        return answer.Status != HttpStatusCode.OK ? new Refusal(RefusalReason.Unavailable, $"Google's metadata server answered {(int)answer.Status}")
            : answer.Header(Flavor) != "Google" ? new Refusal(RefusalReason.TokenMalformed, $"what answered at {_host} is not Google's metadata server")
            : Checked(answer.Body, "Google's metadata server");
    }

    public void Dispose() => _http.Dispose();
}
