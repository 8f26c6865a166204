using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Issuers;

/// <summary>Where an export goes: files by their path below the issuer's host, each of which appears whole.</summary>
internal abstract class ExportTarget : IDisposable
{
    /// <returns>Null where there is no such file yet.</returns>
    public abstract Task<string?> ReadAsync(string path, CancellationToken cancellationToken);

    public abstract Task WriteAsync(string path, string text, CancellationToken cancellationToken);

    public virtual void Dispose() => GC.SuppressFinalize(this);

    /// <param name="place">A folder, <c>s3://BUCKET[/PREFIX]</c>, <c>gs://BUCKET[/PREFIX]</c> or <c>azblob://ACCOUNT/CONTAINER[/PREFIX]</c>.</param>
    /// <param name="bearerFile">An access token of Google's or Azure's.</param>
    public static ExportTarget Open(string place, string? bearerFile, CliConsole console)
    {
        if (!place.Contains("://", StringComparison.Ordinal)) return new FolderTarget(Path.Combine(console.CurrentDirectory, place));
        if (!Uri.TryCreate(place, UriKind.Absolute, out var url) || url.Host.Length == 0 || url.UserInfo.Length + url.Query.Length + url.Fragment.Length > 0)
        {
            throw new CommandStopped(ExitCode.Usage, "--out: a folder, s3://BUCKET[/PREFIX], gs://BUCKET[/PREFIX] or azblob://ACCOUNT/CONTAINER[/PREFIX].");
        }

        var prefix = url.AbsolutePath.TrimEnd('/');
        return url.Scheme switch
        {
            "s3" => S3Target.Create(url.Host, prefix, console),
            "gs" => new BearerTarget(Endpoint(console, "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", "https://storage.googleapis.com") + $"/{url.Host}{prefix}", Token(bearerFile), isAzure: false),
            "azblob" => new BearerTarget(Endpoint(console, "AZURE_STORAGE_BLOB_ENDPOINT", $"https://{url.Host}.blob.core.windows.net") + prefix, Token(bearerFile), isAzure: true),
            _ => throw new CommandStopped(ExitCode.Usage, "--out: a folder, s3://, gs:// or azblob://."),
        };
    }

    /// <summary>As the store's own tools are told of another place; https, or http on this machine.</summary>
    protected static string Endpoint(CliConsole console, string variable, string usual) =>
        console.Variable(variable) is not { } told ? usual
        : Uri.TryCreate(told, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)) ? told.TrimEnd('/')
        : throw new CommandStopped(ExitCode.Usage, $"{variable} must be https, or http on loopback.");

    private static string Token(string? file) => file is null
        ? throw new CommandStopped(ExitCode.Usage, "--bearer-file FILE: an access token for the store is wanted (gcloud auth print-access-token, az account get-access-token).")
        : File.ReadAllText(file).Trim();
}

internal sealed class FolderTarget(string folder) : ExportTarget
{
    public override async Task<string?> ReadAsync(string path, CancellationToken cancellationToken) =>
        File.Exists(folder + path) ? await File.ReadAllTextAsync(folder + path, cancellationToken) : null;

    /// <summary>Beside its place first, on disk, then moved there.</summary>
    public override async Task WriteAsync(string path, string text, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder + path)!);
        var fresh = folder + path + ".new";
        await using (var stream = new FileStream(fresh, FileMode.Create, FileAccess.Write))
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
            stream.Flush(flushToDisk: true);
        }

        File.Move(fresh, folder + path, overwrite: true);
    }
}

/// <summary>A store that is spoken to with one call a file; an object appears whole or not at all.</summary>
internal abstract class ObjectTarget : ExportTarget
{
    /// <summary>Relying parties may keep what they fetched for so long, as the server's own answers say.</summary>
    public const string CacheControl = "public, max-age=300";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });

    public override async Task<string?> ReadAsync(string path, CancellationToken cancellationToken)
    {
        using var request = await RequestAsync(HttpMethod.Get, path, [], cancellationToken);
        using var response = await HttpCall.SendAsync(_http, request, Limit, cancellationToken);
        var text = await HttpCall.ReadTextAsync(response, cancellationToken);
        return response.IsSuccessStatusCode ? text : response.StatusCode == HttpStatusCode.NotFound ? null : throw Refused(path, response.StatusCode);
    }

    public override async Task WriteAsync(string path, string text, CancellationToken cancellationToken)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        using var request = await RequestAsync(HttpMethod.Put, path, bytes, cancellationToken);
        request.Content = new ByteArrayContent(bytes);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TryAddWithoutValidation(CacheControlHeader, CacheControl);
        using var response = await HttpCall.SendAsync(_http, request, Limit, cancellationToken);
        if (!response.IsSuccessStatusCode) throw Refused(path, response.StatusCode);
    }

    public override void Dispose()
    {
        _http.Dispose();
        base.Dispose();
    }

    /// <summary>In which the store takes what it is to answer as <c>Cache-Control</c>.</summary>
    protected virtual string CacheControlHeader => "Cache-Control";

    protected abstract Task<HttpRequestMessage> RequestAsync(HttpMethod method, string path, byte[] body, CancellationToken cancellationToken);

    private static CommandStopped Refused(string path, HttpStatusCode status) => new(
        status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? ExitCode.NotAuthenticated : (int)status >= 500 ? ExitCode.Unreachable : ExitCode.Refused,
        $"the store answered {(int)status} for {path}.");
}

/// <summary>Google Cloud Storage and Azure Blob, with an access token.</summary>
internal sealed class BearerTarget(string url, string token, bool isAzure) : ObjectTarget
{
    protected override string CacheControlHeader => isAzure ? "x-ms-blob-cache-control" : base.CacheControlHeader;

    protected override Task<HttpRequestMessage> RequestAsync(HttpMethod method, string path, byte[] body, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(method, url + path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (isAzure)
        {
            request.Headers.Add("x-ms-version", "2021-12-02");
            if (method == HttpMethod.Put) request.Headers.Add("x-ms-blob-type", "BlockBlob");
        }

        return Task.FromResult(request);
    }
}
