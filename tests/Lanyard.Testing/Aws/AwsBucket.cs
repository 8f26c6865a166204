using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Aws;

/// <summary>What a small object needs of S3: put, get by range, list, delete, each with a good SigV4 signature of a live session and of the bytes that came.</summary>
/// <param name="session">Secret and session token of an access key; null: there is no such session.</param>
public sealed class AwsBucket(Func<string, (string Secret, string Token)?> session)
{
    private readonly ConcurrentDictionary<string, byte[]> _objects = new(StringComparer.Ordinal);

    public ICollection<byte[]> Objects => _objects.Values;

    /// <summary>Calls that were not signed as they must be.</summary>
    public int Refused { get; private set; }

    internal async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        if (!IsSigned(request, body.ToArray()))
        {
            Refused++;
            await TellAsync(context, 403, "SignatureDoesNotMatch");
            return;
        }

        var key = request.Path.Value!;
        if (HttpMethods.IsPut(request.Method))
        {
            _objects[key] = body.ToArray();
            context.Response.Headers.ETag = "\"1\"";
        }
        else if (HttpMethods.IsDelete(request.Method))
        {
            _objects.TryRemove(key, out _);
            context.Response.StatusCode = 204;
        }
        else if (request.Query.ContainsKey("list-type"))
        {
            await ListAsync(context, $"/bucket/{request.Query["prefix"]}");
        }
        else if (!_objects.TryGetValue(key, out var bytes))
        {
            await TellAsync(context, 404, "NoSuchKey");
        }
        else
        {
            await SendAsync(context, bytes);
        }
    }

    private bool IsSigned(HttpRequest request, byte[] body)
    {
        var signature = AwsSignature.OfHeader(request);
        return signature is { Service: "s3", Region: AwsDouble.Region } && session(signature.AccessKeyId) is { } live
            && signature.Names.Contains("host") && signature.Names.Contains("x-amz-security-token") && request.Headers["X-Amz-Security-Token"] == live.Token
            && signature.Matches(live.Secret, request.Method, request.Path, request.Query.Select(static q => KeyValuePair.Create(q.Key, q.Value.ToString())), name => request.Headers[name].ToString(), Encoding.UTF8.GetString(body));
    }

    private static async Task SendAsync(HttpContext context, byte[] bytes)
    {
        var (first, last) = (0, bytes.Length - 1);
        if (context.Request.Headers.Range.ToString() is { Length: > 0 } range)
        {
            var asked = range["bytes=".Length..].Split('-');
            (first, last) = (int.Parse(asked[0], CultureInfo.InvariantCulture), Math.Min(last, int.Parse(asked[1], CultureInfo.InvariantCulture)));
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = FormattableString.Invariant($"bytes {first}-{last}/{bytes.Length}");
        }

        context.Response.ContentLength = last - first + 1;
        if (HttpMethods.IsGet(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(bytes.AsMemory(first, last - first + 1));
        }
    }

    private Task ListAsync(HttpContext context, string prefix)
    {
        var found = _objects.Where(one => one.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(static one => FormattableString.Invariant($"<Contents><Key>{one.Key["/bucket/".Length..]}</Key><Size>{one.Value.Length}</Size></Contents>"));
        context.Response.ContentType = "application/xml";
        return context.Response.WriteAsync($"""<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><IsTruncated>false</IsTruncated>{string.Concat(found)}</ListBucketResult>""");
    }

    private static Task TellAsync(HttpContext context, int status, string code)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/xml";
        return context.Response.WriteAsync($"<Error><Code>{code}</Code><Message>{code}</Message><RequestId>r</RequestId></Error>");
    }
}
