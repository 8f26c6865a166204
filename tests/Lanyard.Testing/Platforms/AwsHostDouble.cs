using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing.Aws;
using Lanyard.Testing.Clouds;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Platforms;

/// <summary>
/// What AWS is to one of its hosts, as strict as the original: the instance metadata service (version 2 only), the credentials endpoint of containers, and STS with
/// <c>GetWebIdentityToken</c>, which wants a good SigV4 signature of a live session and answers with a token of the account's own issuer.
/// </summary>
public sealed class AwsHostDouble : CloudDouble
{
    public const string Role = "arn:aws:iam::123456789012:role/build-host";
    public const string Region = "eu-central-1";
    public const string ContainerBearer = "Basic container-bearer";

    private readonly TestIssuer _issuer;
    private readonly ConcurrentDictionary<string, (string Secret, string Session)> _sessions = new();
    private readonly ConcurrentDictionary<string, bool> _metadataSessions = new();

    private AwsHostDouble(TestIssuer issuer)
        : base(tls: false) => _issuer = issuer;

    /// <summary>The account has not enabled outbound federation.</summary>
    public bool IsDisabled { get; set; }

    /// <summary>The instance has a role.</summary>
    public bool HasRole { get; set; } = true;

    public static Task<AwsHostDouble> StartAsync(TestIssuer issuer)
    {
        issuer.Rotate(SignatureAlgorithm.RS256);
        return StartedAsync(new AwsHostDouble(issuer));
    }

    /// <summary>A role session of this host, as somebody else would have put it into its environment.</summary>
    public (string Id, string Secret, string Session) Open()
    {
        var (id, secret, session) = ($"ASIA{Guid.NewGuid():N}"[..20].ToUpperInvariant(), Guid.NewGuid().ToString("N"), $"{Guid.NewGuid():N}+/==");
        _sessions[id] = (secret, session);
        return (id, secret, session);
    }

    protected override Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        return path.StartsWith("/latest/", StringComparison.Ordinal) ? MetadataAsync(context, path["/latest/".Length..])
            : path == "/v1/credentials" ? ContainerAsync(context)
            : StsAsync(context);
    }

    private Task MetadataAsync(HttpContext context, string path)
    {
        var headers = context.Request.Headers;
        if (headers.ContainsKey("X-Forwarded-For"))
        {
            return WriteAsync(context, 403, "text/html", "Forbidden");
        }

        if (path == "api/token")
        {
            var isGood = context.Request.Method == "PUT" && int.TryParse(headers["X-aws-ec2-metadata-token-ttl-seconds"], out var seconds) && seconds is >= 1 and <= 21_600;
            var session = Guid.NewGuid().ToString("N") + "==";
            _metadataSessions[session] = isGood;
            return WriteAsync(context, isGood ? 200 : context.Request.Method == "PUT" ? 400 : 405, "text/plain", isGood ? session : "");
        }

        if (context.Request.Method != "GET" || !_metadataSessions.GetValueOrDefault(headers["X-aws-ec2-metadata-token"].ToString()))
        {
            return WriteAsync(context, 401, "text/html", "Unauthorized");
        }

        return path switch
        {
            "meta-data/placement/region" => WriteAsync(context, 200, "text/plain", Region),
            "meta-data/iam/security-credentials/" when HasRole => WriteAsync(context, 200, "text/plain", "build-host"),
            "meta-data/iam/security-credentials/build-host" when HasRole => WriteAsync(context, 200, "text/plain", KeysOf("AWS-HMAC")),
            _ => WriteAsync(context, 404, "text/html", "Not Found"),
        };
    }

    private Task ContainerAsync(HttpContext context) => context.Request.Method == "GET" && context.Request.Headers.Authorization == ContainerBearer
        ? WriteAsync(context, 200, "application/json", KeysOf(null))
        : WriteAsync(context, 401, "application/json", """{"code":"InvalidToken","message":"no"}""");

    private string KeysOf(string? type)
    {
        var (id, secret, session) = Open();
        var keys = new JsonObject { ["AccessKeyId"] = id, ["SecretAccessKey"] = secret, ["Token"] = session, ["Expiration"] = TimeProvider.System.GetUtcNow().AddHours(6).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", null) };
        if (type is null)
        {
            keys["RoleArn"] = Role;
        }
        else
        {
            (keys["Code"], keys["Type"]) = ("Success", type);
        }

        return keys.ToJsonString();
    }

    private async Task StsAsync(HttpContext context)
    {
        var request = context.Request;
        using var reader = new StreamReader(request.Body);
        var body = await reader.ReadToEndAsync();
        var form = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(body);
        var signature = AwsSignature.OfHeader(request);
        var isSigned = signature is { Service: "sts", Region: Region } && signature.Names.Contains("host") && signature.Names.Contains("x-amz-date")
            && _sessions.TryGetValue(signature.AccessKeyId, out var session) && request.Headers["X-Amz-Security-Token"] == session.Session && signature.Names.Contains("x-amz-security-token")
            && signature.Matches(session.Secret, request.Method, request.Path, [], name => request.Headers[name].ToString(), body);
        if (!isSigned)
        {
            await RefuseAsync(context, 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.");
        }
        else if (IsDisabled)
        {
            await RefuseAsync(context, 400, "OutboundWebIdentityFederationDisabledException", "Outbound web identity federation is not enabled for this account.");
        }
        else if (form["Action"] != "GetWebIdentityToken" || form["Version"] != "2011-06-15" || form["SigningAlgorithm"] != "RS256" || form["Audience.member.1"].Count != 1
            || !int.TryParse(form["DurationSeconds"], out var seconds) || seconds is < 60 or > 3600)
        {
            await RefuseAsync(context, 400, "ValidationError", "not a GetWebIdentityToken");
        }
        else
        {
            var token = _issuer.Mint(form["Audience.member.1"].ToString(), Role, claims => claims["https://sts.amazonaws.com/"] = new JsonObject { ["aws_account"] = "123456789012", ["source_region"] = Region });
            Admitted.Enqueue(Role);
            await WriteAsync(context, 200, "text/xml", $"""
                <GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>
                 <WebIdentityToken>{token}</WebIdentityToken><Expiration>{TimeProvider.System.GetUtcNow().AddSeconds(seconds):yyyy-MM-ddTHH:mm:ssZ}</Expiration>
                </GetWebIdentityTokenResult><ResponseMetadata><RequestId>{Guid.NewGuid()}</RequestId></ResponseMetadata></GetWebIdentityTokenResponse>
                """);
        }
    }

    private Task RefuseAsync(HttpContext context, int status, string code, string message)
    {
        Refused.Enqueue(code);
        return WriteAsync(
            context, status, "text/xml",
            $"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{Guid.NewGuid()}</RequestId></ErrorResponse>""");
    }
}
