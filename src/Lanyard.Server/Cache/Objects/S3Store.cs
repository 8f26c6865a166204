using System.Net;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Lanyard.Server.Cache.Blobs;

namespace Lanyard.Server.Cache.Objects;

/// <summary>
/// S3, and stores that speak like it. Credentials are found as every AWS tool finds them: a projected token and a role (IRSA, EKS pod identity), the host's
/// role, and keys in the environment for stores that know nothing else. Checksums of newer SDKs are off where S3 does not need them: other stores don't know them.
/// </summary>
internal sealed class S3Store : ObjectStore
{
    private readonly AmazonS3Client _client;
    private readonly string _bucket;
    private readonly Amazon.S3.Protocol _protocol;
    private readonly TimeProvider _time;

    /// <param name="endpoint">Null: AWS's own.</param>
    /// <param name="timeout">Of a call, and each of its repetitions; null: <see cref="ObjectStore.CallTimeout"/>.</param>
    public S3Store(string bucket, string? region, Uri? endpoint, TimeProvider time, TimeSpan? timeout = null)
    {
        var config = new AmazonS3Config
        {
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            MaxErrorRetry = 2,
            Timeout = timeout ?? CallTimeout,
        };
        if (endpoint is not null)
        {
            config.ServiceURL = endpoint.AbsoluteUri;
            config.ForcePathStyle = true;
            config.AuthenticationRegion = region ?? "us-east-1";
        }
        else if (region is not null)
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        (_client, _bucket, _time) = (new AmazonS3Client(config), bucket, time);
        _protocol = endpoint?.Scheme == Uri.UriSchemeHttp ? Amazon.S3.Protocol.HTTP : Amazon.S3.Protocol.HTTPS;
    }

    public override int MostParts => 10_000;

    public override Task PutAsync(string key, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => GuardedAsync(async () =>
    {
        await _client.PutObjectAsync(
            new PutObjectRequest { BucketName = _bucket, Key = key, InputStream = StreamOf(bytes), UseChunkEncoding = false, ContentType = "application/octet-stream" }, cancellationToken);
        return true;
    });

    public override async Task<PartUpload> BeginAsync(string key, CancellationToken cancellationToken)
    {
        var begun = await GuardedAsync(() => _client.InitiateMultipartUploadAsync(new InitiateMultipartUploadRequest { BucketName = _bucket, Key = key }, cancellationToken));
        return new Upload(this, key, begun.UploadId);
    }

    public override Task<Stream?> OpenAsync(string key, long first, long last, CancellationToken cancellationToken) => GuardedAsync<Stream?>(async () =>
    {
        try
        {
            var response = await _client.GetObjectAsync(new GetObjectRequest { BucketName = _bucket, Key = key, ByteRange = new Amazon.S3.Model.ByteRange(first, last) }, cancellationToken);
            if (response.HttpStatusCode == HttpStatusCode.PartialContent && response.ContentLength == last - first + 1) return response.ResponseStream;
            response.Dispose();

            // What knows no ranges is not what this is made for, and says nothing about the object.
            return response.HttpStatusCode == HttpStatusCode.PartialContent ? null : throw new HttpRequestException($"the store answered {(int)response.HttpStatusCode} to a range");
        }
        catch (AmazonS3Exception exception) when (IsMissing(exception) || exception.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return null;
        }
    });

    public override Task<Dictionary<string, long>> ListAsync(string prefix, CancellationToken cancellationToken) => GuardedAsync(async () =>
    {
        var found = new Dictionary<string, long>(StringComparer.Ordinal);
        var request = new ListObjectsV2Request { BucketName = _bucket, Prefix = prefix };
        while (true)
        {
            var page = await _client.ListObjectsV2Async(request, cancellationToken);
            foreach (var item in page.S3Objects ?? []) found[item.Key] = item.Size ?? -1;
            if (page.IsTruncated != true) return found;
            request.ContinuationToken = page.NextContinuationToken;
        }
    });

    public override Task DeleteAsync(string key, CancellationToken cancellationToken) => GuardedAsync(async () =>
    {
        try
        {
            await _client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = _bucket, Key = key }, cancellationToken);
        }
        catch (AmazonS3Exception exception) when (IsMissing(exception))
        {
            // S3 itself says nothing of it; stores that speak like it do.
        }

        return true;
    });

    public override async ValueTask<string?> SignAsync(string key, TimeSpan life) => await GuardedAsync(() => _client.GetPreSignedURLAsync(new GetPreSignedUrlRequest
    {
        BucketName = _bucket, Key = key, Verb = HttpVerb.GET, Protocol = _protocol, Expires = (_time.GetUtcNow() + life).UtcDateTime,
    }));

    public override void Dispose() => _client.Dispose();

    /// <summary>Any other 404 (<c>NoSuchBucket</c>, that of a server that knows nothing of S3) is about the store and not about the object.</summary>
    private static bool IsMissing(AmazonS3Exception exception) => exception.ErrorCode == "NoSuchKey";

    private static MemoryStream StreamOf(ReadOnlyMemory<byte> bytes) =>
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(bytes, out var segment)
            ? new MemoryStream(segment.Array!, segment.Offset, segment.Count, writable: false)
            : new MemoryStream(bytes.ToArray(), writable: false);

    private static async Task<T> GuardedAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (AmazonServiceException exception) when (exception.StatusCode != default)
        {
            throw new BlobStoreException(new HttpRequestException(exception.Message, exception, exception.StatusCode));
        }
        catch (Exception exception) when (exception is AmazonServiceException or AmazonClientException or HttpRequestException or IOException or TimeoutException)
        {
            throw new BlobStoreException(exception);
        }
    }

    private sealed class Upload(S3Store store, string key, string id) : PartUpload
    {
        private readonly List<PartETag> _parts = [];

        public override async Task AddAsync(int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            var answer = await GuardedAsync(() => store._client.UploadPartAsync(
                new UploadPartRequest
                {
                    BucketName = store._bucket, Key = key, UploadId = id, PartNumber = number, PartSize = bytes.Length, InputStream = StreamOf(bytes), UseChunkEncoding = false,
                },
                cancellationToken));
            _parts.Add(new PartETag(number, answer.ETag));
        }

        public override Task CompleteAsync(CancellationToken cancellationToken) => GuardedAsync(() => store._client.CompleteMultipartUploadAsync(
            new CompleteMultipartUploadRequest { BucketName = store._bucket, Key = key, UploadId = id, PartETags = _parts }, cancellationToken));

        public override async Task AbortAsync()
        {
            try
            {
                await GuardedAsync(() => store._client.AbortMultipartUploadAsync(new AbortMultipartUploadRequest { BucketName = store._bucket, Key = key, UploadId = id }));
            }
            catch (BlobStoreException)
            {
                // A rule of the bucket takes it away later (docs/cache.md).
            }
        }
    }
}
