using Lanyard.Server.Cache.Blobs;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Objects;

/// <summary>
/// <c>--cache-store</c>: <c>s3://bucket[/prefix][?endpoint=URL&amp;region=NAME]</c> or <c>azure://account/container[/prefix][?endpoint=URL]</c>. There is no place for a
/// secret in it.
/// </summary>
/// <param name="Name">The bucket, or the container.</param>
/// <param name="Account">Of Azure.</param>
/// <param name="Prefix">Empty, or ends in a slash.</param>
internal sealed record CacheStoreUrl(bool IsAzure, string Name, string? Account, string Prefix, Uri? Endpoint, string? Region)
{
    private const string Rule = "must be s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME] or azure://ACCOUNT/CONTAINER[/PREFIX][?endpoint=URL]";

    /// <returns>Null, and the mistake.</returns>
    public static CacheStoreUrl? Parse(string text, out string mistake)
    {
        mistake = Rule;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("s3" or "azure") || url.UserInfo.Length > 0 || url.Fragment.Length > 0 || !url.IsDefaultPort) return null;
        var query = QueryHelpers.ParseQuery(url.Query);
        if (query.Any(static one => one.Value.Count != 1 || one.Key is not ("endpoint" or "region"))) return null;
        Uri? endpoint = null;
        if (query.TryGetValue("endpoint", out var at)
            && (!Uri.TryCreate(at, UriKind.Absolute, out endpoint) || endpoint.Query.Length > 0 || !(endpoint.Scheme == Uri.UriSchemeHttps || (endpoint.Scheme == Uri.UriSchemeHttp && endpoint.IsLoopback))))
        {
            mistake = "the endpoint must be an https URL (http on loopback)";
            return null;
        }

        var isAzure = url.Scheme == "azure";
        var path = url.AbsolutePath.Trim('/').Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (!IsName(url.Host) || !path.All(IsName) || (isAzure && path.Length == 0)) return null;
        var rest = isAzure ? path[1..] : path;
        return new CacheStoreUrl(
            isAzure, isAzure ? path[0] : url.Host, isAzure ? url.Host : null, rest.Length == 0 ? "" : string.Join('/', rest) + "/", endpoint, query.TryGetValue("region", out var region) ? region.ToString() : null);
    }

    /// <param name="key">An account key of Azure's, for stores that know nothing else; null: workload identity.</param>
    /// <exception cref="InvalidOperationException">There are no credentials for it.</exception>
    public BlobStore Open(byte[]? key, bool isDirect, TimeProvider time, ILoggerFactory loggers)
    {
        ObjectStore store;
        if (IsAzure)
        {
            var identity = key is null ? AzureIdentity.FromEnvironment(Environment.GetEnvironmentVariable, time) : null;
            if (key is null && identity is null)
                throw new InvalidOperationException("--cache-store azure://…: neither AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID (workload identity) nor --cache-store-key-file");
            var root = Endpoint?.AbsoluteUri.TrimEnd('/') ?? $"https://{Account}.blob.core.windows.net";
            store = new AzureStore(new Uri($"{root}/{Name}"), Account!, key, identity, time);
        }
        else
        {
            store = new S3Store(Name, Region, Endpoint, time);
        }

        return new ObjectBlobs(store, Prefix, isDirect, time, loggers.CreateLogger<ObjectBlobs>());
    }

    private static bool IsName(string text) => text.Length is > 0 and <= 128 && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && text is not ("." or "..");
}
