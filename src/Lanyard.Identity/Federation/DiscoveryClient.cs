using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Federation;

/// <summary>
/// Fetches an issuer's keys: OIDC discovery (OpenID Connect Discovery 1.0 §4), then the JWKS that it names; or a SPIFFE bundle from its endpoint. No redirects, no proxy, no cookies, five
/// seconds and one mebibyte for each; the address that is connected to is checked after resolution, so that a name can't be turned at us.
/// </summary>
/// <param name="resolve">Addresses of a name; null: the system's resolver.</param>
public sealed class DiscoveryClient(TimeProvider time, Func<string, CancellationToken, Task<IPAddress[]>>? resolve)
{
    public const int MaxBytes = 1024 * 1024;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> _resolve = resolve ?? Dns.GetHostAddressesAsync;

    public DiscoveryClient(TimeProvider time)
        : this(time, null)
    {
    }

    public async Task<Outcome<KeySet>> FetchAsync(TrustedIssuer issuer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(issuer);
        try
        {
            using var handler = Handler(issuer);
            using var http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
            if (issuer.Keys == KeySource.Bundle) return await BundleAsync(http, issuer, cancellationToken);
            var discovery = Checked(issuer.DiscoveryUrl ?? issuer.Issuer.TrimEnd('/') + "/.well-known/openid-configuration", issuer);
            if (discovery.IsRefused) return discovery.Refusal;
            var document = await GetAsync(http, discovery.Value, cancellationToken);
            if (document.IsRefused) return document.Refusal;
            var jwksUri = JwksUri(document.Value, discovery.Value, issuer);
            if (jwksUri.IsRefused) return jwksUri.Refusal;
            var jwks = await GetAsync(http, jwksUri.Value, cancellationToken);
            return jwks.IsRefused ? jwks.Refusal : KeySet.Parse(jwks.Value.Span, issuer.KeySetOptions);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or CryptographicException or JsonException)
        {
            return Unreachable($"{issuer.Issuer}: {ConnectionFault.Words(e, trust: "its caBundle")}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Unreachable($"{issuer.Issuer}: no answer within {Limit.TotalSeconds:0} s");
        }
    }

    /// <summary>A SPIFFE bundle endpoint has one document, and its address is all that names it (SPIFFE Federation §5.1).</summary>
    private async Task<Outcome<KeySet>> BundleAsync(HttpClient http, TrustedIssuer issuer, CancellationToken cancellationToken)
    {
        var endpoint = Checked(issuer.DiscoveryUrl ?? "", issuer);
        if (endpoint.IsRefused) return endpoint.Refusal;
        var bundle = await GetAsync(http, endpoint.Value, cancellationToken);
        return bundle.IsRefused ? bundle.Refusal : KeySet.Parse(bundle.Value.Span, issuer.KeySetOptions);
    }

    private async Task<Outcome<ReadOnlyMemory<byte>>> GetAsync(HttpClient http, Uri url, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        // What a Kubernetes API server answers its keys as; without it the answer is 406.
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/jwk-set+json"));
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token);
        if (response.StatusCode != HttpStatusCode.OK) return Unreachable($"{url} answered {(int)response.StatusCode}{(IsRedirect(response) ? "; redirects are not followed" : "")}");
        await using var body = await response.Content.ReadAsStreamAsync(both.Token);
        // One byte more than announced, so that the end is seen; what is announced is no promise.
        var buffer = new byte[Math.Clamp(response.Content.Headers.ContentLength ?? 64 * 1024, 1, MaxBytes) + 1];
        var length = 0;
        while (true)
        {
            var read = await body.ReadAsync(buffer.AsMemory(length), both.Token);
            if (read == 0) return new ReadOnlyMemory<byte>(buffer, 0, length);
            length += read;
            if (length > MaxBytes) return Unreachable($"{url} sent more than {MaxBytes} bytes");
            if (length == buffer.Length) Array.Resize(ref buffer, Math.Min(buffer.Length * 2, MaxBytes + 1));
        }
    }

    private static bool IsRedirect(HttpResponseMessage response) => (int)response.StatusCode is >= 300 and < 400;

    private static Outcome<Uri> JwksUri(ReadOnlyMemory<byte> document, Uri discovery, TrustedIssuer issuer)
    {
        using var parsed = JsonDocument.Parse(document, new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false });
        var root = parsed.RootElement;
        if (root.ValueKind != JsonValueKind.Object) return Lies($"{discovery}: not a JSON object");
        if (Text(root, "issuer") != issuer.Issuer) return Lies($"{discovery}: its issuer is \"{Printable.Of(Text(root, "issuer") ?? "")}\", not {issuer.Issuer}");
        if (Text(root, "jwks_uri") is not { } text) return Lies($"{discovery}: no jwks_uri");
        var checkedUri = Checked(text, issuer);
        if (checkedUri.IsRefused) return checkedUri;
        return SameOrigin(checkedUri.Value, discovery) || issuer.JwksHosts.Contains(checkedUri.Value.Authority, StringComparer.OrdinalIgnoreCase)
            ? checkedUri
            : Lies($"{discovery}: jwks_uri {checkedUri.Value} is on another host; the trust record must name it");
    }

    private static bool SameOrigin(Uri a, Uri b) => a.Scheme == b.Scheme && string.Equals(a.Authority, b.Authority, StringComparison.OrdinalIgnoreCase);

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static Outcome<Uri> Checked(string text, TrustedIssuer issuer)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.UserInfo.Length > 0) return Lies($"\"{Printable.Of(text)}\" is no URL to fetch from");
        if (uri.Scheme == "https" || (uri.Scheme == "http" && uri.IsLoopback && issuer.AllowPrivateAddresses)) return uri;
        return Lies($"{uri}: https is wanted (http on loopback, where the record allows private addresses)");
    }

    private SocketsHttpHandler Handler(TrustedIssuer issuer)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = Limit,
            MaxResponseHeadersLength = 64,
            ConnectCallback = (context, cancellation) => ConnectAsync(context.DnsEndPoint, issuer.AllowPrivateAddresses, cancellation),
        };
        if (issuer.CaBundlePem is { } pem)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPem(pem);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return handler;
    }

    private async ValueTask<Stream> ConnectAsync(DnsEndPoint target, bool allowPrivate, CancellationToken cancellation)
    {
        var addresses = IPAddress.TryParse(target.Host, out var literal) ? [literal] : await _resolve(target.Host, cancellation);
        Exception? last = null;
        foreach (var address in addresses)
        {
            if (!allowPrivate && !AddressRules.IsPublic(address))
            {
                last = new HttpRequestException($"{target.Host} is at {address}, which is not a public address; the trust record must allow that");
                continue;
            }

            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(address, target.Port, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                last = e;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        throw last ?? new HttpRequestException($"{target.Host} has no address");
    }

    private static Refusal Unreachable(string detail) => new(RefusalReason.IssuerUnreachable, detail);

    private static Refusal Lies(string detail) => new(RefusalReason.KeySetMalformed, detail);
}
