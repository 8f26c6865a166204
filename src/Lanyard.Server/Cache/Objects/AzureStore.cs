using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Lanyard.Server.Cache.Blobs;

namespace Lanyard.Server.Cache.Objects;

/// <summary>
/// Azure Blob by its REST API. With an account key every call has a service SAS of five minutes for the container; without one it has a bearer of Microsoft Entra,
/// by workload identity (<see cref="AzureIdentity"/>), which can sign no URLs.
/// </summary>
/// <param name="container">Scheme to container, without a slash at the end.</param>
internal sealed class AzureStore(Uri container, string account, byte[]? key, AzureIdentity? identity, TimeProvider time) : ObjectStore
{
    private const string Version = "2021-12-02";
    private static readonly TimeSpan OwnLife = TimeSpan.FromMinutes(5);

    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10), PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public override int MostParts => 50_000;

    public override async Task PutAsync(string key, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(HttpMethod.Put, key, "", new ReadOnlyMemoryContent(bytes), cancellationToken, ("x-ms-blob-type", "BlockBlob"));
        Expect(response, HttpStatusCode.Created);
    }

    public override Task<PartUpload> BeginAsync(string key, CancellationToken cancellationToken) => Task.FromResult<PartUpload>(new Upload(this, key));

    public override async Task<Stream?> OpenAsync(string key, long first, long last, CancellationToken cancellationToken)
    {
        var response = await SendAsync(HttpMethod.Get, key, "", null, cancellationToken, ("x-ms-range", string.Create(CultureInfo.InvariantCulture, $"bytes={first}-{last}")));
        try
        {
            if (IsMissing(response) || response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable) return Nothing(response);
            Expect(response, HttpStatusCode.PartialContent);
            return response.Content.Headers.ContentLength == last - first + 1 ? await response.Content.ReadAsStreamAsync(cancellationToken) : Nothing(response);
        }
        catch
        {
            response.Dispose();
            throw;
        }

        static Stream? Nothing(HttpResponseMessage response)
        {
            response.Dispose();
            return null;
        }
    }

    public override async Task<Dictionary<string, long>> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, long>(StringComparer.Ordinal);
        var marker = "";
        do
        {
            using var response = await SendAsync(
                HttpMethod.Get, "", $"restype=container&comp=list&prefix={Uri.EscapeDataString(prefix)}{(marker.Length == 0 ? "" : $"&marker={Uri.EscapeDataString(marker)}")}", null, cancellationToken);
            Expect(response, HttpStatusCode.OK);
            var page = await ReadXmlAsync(response, cancellationToken);
            foreach (var item in page.Descendants("Blob"))
                found[item.Element("Name")!.Value] = long.Parse(item.Element("Properties")!.Element("Content-Length")!.Value, NumberStyles.None, CultureInfo.InvariantCulture);
            marker = page.Root!.Element("NextMarker")?.Value ?? "";
        }
        while (marker.Length > 0);
        return found;
    }

    public override async Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(HttpMethod.Delete, key, "", null, cancellationToken);
        if (!IsMissing(response)) Expect(response, HttpStatusCode.Accepted);
    }

    public override ValueTask<string?> SignAsync(string key1, TimeSpan life) =>
        ValueTask.FromResult(key is null ? null : $"{Address(key1)}?{Sas("b", "r", $"/{key1}", life)}");

    public override void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string blob, string query, HttpContent? content, CancellationToken cancellationToken, params (string Name, string Value)[] headers)
    {
        using var limit = new CancellationTokenSource(CallTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var signed = key is null ? query : string.Join('&', new[] { query, Sas("c", "rwdl", "", OwnLife) }.Where(static part => part.Length > 0));
            using var request = new HttpRequestMessage(method, new Uri(signed.Length == 0 ? Address(blob) : $"{Address(blob)}?{signed}")) { Content = content };
            request.Headers.Add("x-ms-version", Version);
            foreach (var (name, value) in headers) request.Headers.Add(name, value);
            if (identity is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await identity.TokenAsync(either.Token));
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new BlobStoreException(exception);
        }
    }

    private string Address(string blob) => blob.Length == 0 ? container.AbsoluteUri : $"{container.AbsoluteUri}/{blob}";

    /// <summary>A service SAS (version 2020-12-06 of the text that is signed), of a blob or the container.</summary>
    private string Sas(string resource, string permissions, string blob, TimeSpan life)
    {
        var expires = (time.GetUtcNow() + life).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        var name = container.AbsolutePath.Split('/')[^1];
        string[] lines = [permissions, "", expires, $"/blob/{account}/{name}{blob}", "", "", "", Version, resource, "", "", "", "", "", "", ""];
        var signature = Convert.ToBase64String(HMACSHA256.HashData(key!, Encoding.UTF8.GetBytes(string.Join('\n', lines))));
        return $"sv={Version}&se={Uri.EscapeDataString(expires)}&sr={resource}&sp={permissions}&sig={Uri.EscapeDataString(signature)}";
    }

    /// <summary>Any other 404 (<c>ContainerNotFound</c>, that of a server that knows nothing of Azure) is about the store and not about the object.</summary>
    private static bool IsMissing(HttpResponseMessage response) => response.StatusCode == HttpStatusCode.NotFound && CodeOf(response) == "BlobNotFound";

    private static void Expect(HttpResponseMessage response, HttpStatusCode status)
    {
        if (response.StatusCode == status) return;
        throw new BlobStoreException(new HttpRequestException($"the store answered {(int)response.StatusCode} {CodeOf(response)}", inner: null, response.StatusCode));
    }

    private static string CodeOf(HttpResponseMessage response) => response.Headers.TryGetValues("x-ms-error-code", out var values) ? string.Join(' ', values) : "";

    private static async Task<XDocument> ReadXmlAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
            using var reader = XmlReader.Create(body, new XmlReaderSettings { Async = true, DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, MaxCharactersInDocument = 32 << 20 });
            return await XDocument.LoadAsync(reader, LoadOptions.None, cancellationToken);
        }
        catch (Exception exception) when (exception is XmlException or IOException or HttpRequestException)
        {
            throw new BlobStoreException(exception);
        }
    }

    /// <summary>Blocks that are never listed are Azure's to clear away, after a week.</summary>
    private sealed class Upload(AzureStore store, string key) : PartUpload
    {
        private readonly List<string> _blocks = [];

        public override async Task AddAsync(int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            var id = Convert.ToBase64String(Encoding.ASCII.GetBytes(number.ToString("d8", CultureInfo.InvariantCulture)));
            using var response = await store.SendAsync(HttpMethod.Put, key, $"comp=block&blockid={Uri.EscapeDataString(id)}", new ReadOnlyMemoryContent(bytes), cancellationToken);
            Expect(response, HttpStatusCode.Created);
            _blocks.Add(id);
        }

        public override async Task CompleteAsync(CancellationToken cancellationToken)
        {
            var list = $"<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{string.Concat(_blocks.Select(static id => $"<Latest>{id}</Latest>"))}</BlockList>";
            using var response = await store.SendAsync(HttpMethod.Put, key, "comp=blocklist", new StringContent(list, Encoding.UTF8, "application/xml"), cancellationToken);
            Expect(response, HttpStatusCode.Created);
        }

        public override Task AbortAsync() => Task.CompletedTask;
    }
}
