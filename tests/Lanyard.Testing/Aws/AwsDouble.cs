using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Lanyard.Testing.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Aws;

/// <summary>
/// STS and EKS on loopback, as strict as the originals where our clients can go wrong: AssumeRoleWithWebIdentity verifies the token against the
/// issuer's key set and the role's conditions; DescribeCluster wants a good SigV4 signature of a live session. The same process is the EKS API
/// server (https): it takes a <c>k8s-aws-v1</c> bearer under the rules of aws-iam-authenticator and says who the caller is.
/// </summary>
public sealed class AwsDouble : IAsyncDisposable
{
    public const string Role = "arn:aws:iam::123456789012:role/pipeline";

    /// <summary>Trusts <see cref="Role"/>, and nobody else.</summary>
    public const string SecondRole = "arn:aws:iam::210987654321:role/cluster";
    public const string Region = "eu-central-1";
    public const string Cluster = "demo";
    public const string Audience = "sts.amazonaws.com";

    private readonly WebApplication _app;
    private readonly X509Certificate2 _certificate;
    private readonly TestIssuer _issuer;
    private readonly string _subject;
    private readonly Dictionary<string, (string Secret, string Session, string Role)> _sessions = [];

    private AwsDouble(WebApplication app, X509Certificate2 certificate, TestIssuer issuer, string subject)
    {
        (_app, _certificate, _issuer, _subject) = (app, certificate, issuer, subject);
        Bucket = new AwsBucket(id => _sessions.TryGetValue(id, out var session) && session.Role == Role ? (session.Secret, session.Session) : null);
        app.Run(context => context.Request.IsHttps ? AnswerKubernetesAsync(context) : AnswerAwsAsync(context));
    }

    /// <summary>For <c>AWS_ENDPOINT_URL_STS</c> and <c>AWS_ENDPOINT_URL_EKS</c>.</summary>
    public string Url { get; private set; } = "";

    /// <summary>The EKS API server's.</summary>
    public string KubernetesUrl { get; private set; } = "";

    /// <summary>The key of KMS, which <see cref="Role"/> may sign with.</summary>
    public const string KmsKey = $"arn:aws:kms:{Region}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    /// <summary>What <see cref="KmsKey"/> makes of a message; null: there is no such key.</summary>
    public Func<byte[], byte[]>? Kms { get; set; }

    /// <summary>A bucket at <c>/bucket</c>, for whoever is <see cref="Role"/>.</summary>
    public AwsBucket Bucket { get; }

    /// <summary>Names of the role sessions that were started.</summary>
    public List<string> SessionNames { get; } = [];

    /// <param name="subject">The only <c>sub</c> that the role's trust policy takes.</param>
    public static async Task<AwsDouble> StartAsync(TestIssuer issuer, string subject)
    {
        var certificate = TestCertificates.Create();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate));
        });
        var aws = new AwsDouble(builder.Build(), certificate, issuer, subject);
        await aws._app.StartAsync();
        var addresses = ((IApplicationBuilder)aws._app).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses;
        aws.Url = addresses.Single(static a => a.StartsWith("http://", StringComparison.Ordinal));
        aws.KubernetesUrl = addresses.Single(static a => a.StartsWith("https://", StringComparison.Ordinal));
        return aws;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _certificate.Dispose();
    }

    private async Task AnswerAwsAsync(HttpContext context)
    {
        if (context.Request.Path.StartsWithSegments("/clusters"))
        {
            await DescribeAsync(context);
            return;
        }

        if (context.Request.Path.StartsWithSegments("/bucket"))
        {
            await Bucket.AnswerAsync(context);
            return;
        }

        if (context.Request.Headers.ContainsKey("X-Amz-Target"))
        {
            await (context.Request.Headers["X-Amz-Target"].ToString().StartsWith("TrentService.", StringComparison.Ordinal) ? SignByKmsAsync(context) : AuthorizeRegistryAsync(context));
            return;
        }

        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        var form = new FormCollection(Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(body));
        var (status, code) = form["Action"] == "AssumeRole" ? JudgeSecond(context.Request, form, body) : Judge(form);
        context.Response.ContentType = "text/xml";
        context.Response.StatusCode = status;
        await context.Response.WriteAsync(status == 200 ? Session(form) : $"""
            <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error><RequestId>r</RequestId></ErrorResponse>
            """);
    }

    private (int Status, string Code) Judge(FormCollection form)
    {
        var name = form["RoleSessionName"].ToString();
        if (form["Action"] != "AssumeRoleWithWebIdentity" || form["Version"] != "2011-06-15" || name.Length is < 2 or > 64
            || (form.ContainsKey("DurationSeconds") && (!int.TryParse(form["DurationSeconds"], out var seconds) || seconds is < 900 or > 43_200)))
        {
            return (400, "ValidationError");
        }

        var parsed = UnverifiedToken.Parse(form["WebIdentityToken"].ToString());
        if (parsed.IsRefused)
        {
            return (400, "InvalidIdentityToken");
        }

        var verified = new TokenVerifier(TimeProvider.System).Verify(parsed.Value, _issuer.Record(), _issuer.Keys, new VerifyOptions { DefaultAudience = Audience });
        return verified.IsRefused ? (400, "InvalidIdentityToken")
            : form["RoleArn"] != Role || verified.Value.Subject != _subject ? (403, "AccessDenied")
            : (200, "");
    }

    /// <summary>Signed by a live session of the first role, for the second.</summary>
    private (int Status, string Code) JudgeSecond(HttpRequest request, FormCollection form, string body)
    {
        var signature = AwsSignature.OfHeader(request);
        var isSigned = signature is { Service: "sts", Region: Region } && signature.Names.Contains("host") && signature.Names.Contains("x-amz-security-token")
            && _sessions.TryGetValue(signature.AccessKeyId, out var session) && session.Role == Role && request.Headers["X-Amz-Security-Token"] == session.Session
            && signature.Matches(session.Secret, request.Method, request.Path, [], name => request.Headers[name].ToString(), body);
        return !isSigned ? (403, "SignatureDoesNotMatch") : form["RoleArn"] == SecondRole && form["Version"] == "2011-06-15" ? (200, "") : (403, "AccessDenied");
    }

    private string Session(FormCollection form)
    {
        var (id, secret, session) = ($"ASIA{Guid.NewGuid():N}"[..20].ToUpperInvariant(), Guid.NewGuid().ToString("N"), $"{Guid.NewGuid():N}+/==");
        _sessions[id] = (secret, session, form["RoleArn"]!);
        SessionNames.Add(form["RoleSessionName"]!);
        return $"""
            <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
             <SubjectFromWebIdentityToken>{_subject}</SubjectFromWebIdentityToken><Audience>{Audience}</Audience>
             <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/pipeline/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser>
             <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{session}</SessionToken><Expiration>{TimeProvider.System.GetUtcNow().AddMinutes(15):yyyy-MM-ddTHH:mm:ssZ}</Expiration></Credentials>
            </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>
            """;
    }

    /// <summary>ECR's GetAuthorizationToken (AWS JSON 1.1), signed by a live session.</summary>
    private async Task AuthorizeRegistryAsync(HttpContext context)
    {
        var request = context.Request;
        using var reader = new StreamReader(request.Body);
        var body = await reader.ReadToEndAsync();
        var signature = AwsSignature.OfHeader(request);
        var good = signature is { Service: "ecr", Region: Region } && signature.Names.Contains("host") && signature.Names.Contains("x-amz-target") && signature.Names.Contains("content-type")
            && request.Headers["X-Amz-Target"] == "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" && request.ContentType == "application/x-amz-json-1.1"
            && JsonNode.Parse(body)!["registryIds"]![0]!.GetValue<string>() == "123456789012"
            && _sessions.TryGetValue(signature.AccessKeyId, out var session) && request.Headers["X-Amz-Security-Token"] == session.Session
            && signature.Matches(session.Secret, request.Method, request.Path, [], name => request.Headers[name].ToString(), body);
        context.Response.StatusCode = good ? 200 : 400;
        context.Response.ContentType = "application/x-amz-json-1.1";
        await context.Response.WriteAsync(good
            ? $$"""{"authorizationData":[{"authorizationToken":"{{Convert.ToBase64String(Encoding.ASCII.GetBytes("AWS:registry-password"))}}","expiresAt":1.9e9,"proxyEndpoint":"https://123456789012.dkr.ecr.{{Region}}.amazonaws.com"}]}"""
            : """{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}""");
    }

    /// <summary>KMS's Sign (AWS JSON 1.1), signed by a live session.</summary>
    private async Task SignByKmsAsync(HttpContext context)
    {
        var request = context.Request;
        using var reader = new StreamReader(request.Body);
        var body = await reader.ReadToEndAsync();
        var (wish, signature) = (JsonNode.Parse(body)!, AwsSignature.OfHeader(request));
        var isKnown = signature is { Service: "kms", Region: Region } && signature.Names.Contains("host") && signature.Names.Contains("x-amz-target") && request.ContentType == "application/x-amz-json-1.1"
            && _sessions.TryGetValue(signature.AccessKeyId, out var session) && request.Headers["X-Amz-Security-Token"] == session.Session
            && signature.Matches(session.Secret, request.Method, request.Path, [], name => request.Headers[name].ToString(), body);
        var isGood = isKnown && Kms is not null && request.Headers["X-Amz-Target"] == "TrentService.Sign" && (string?)wish["KeyId"] == KmsKey
            && (string?)wish["MessageType"] == "RAW" && (string?)wish["SigningAlgorithm"] == "RSASSA_PKCS1_V1_5_SHA_256";
        context.Response.StatusCode = isGood ? 200 : 400;
        context.Response.ContentType = "application/x-amz-json-1.1";
        await context.Response.WriteAsync(isGood
            ? new JsonObject { ["KeyId"] = KmsKey, ["Signature"] = Convert.ToBase64String(Kms!(Convert.FromBase64String(wish["Message"]!.GetValue<string>()))), ["SigningAlgorithm"] = "RSASSA_PKCS1_V1_5_SHA_256" }.ToJsonString()
            : isKnown ? """{"__type":"NotFoundException","message":"no such key"}""" : """{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}""");
    }

    private async Task DescribeAsync(HttpContext context)
    {
        var request = context.Request;
        var signature = AwsSignature.OfHeader(request);
        var good = signature is { Service: "eks", Region: Region } && signature.Names.Contains("host") && signature.Names.Contains("x-amz-security-token")
            && _sessions.TryGetValue(signature.AccessKeyId, out var session) && request.Headers["X-Amz-Security-Token"] == session.Session
            && signature.Matches(session.Secret, request.Method, request.Path, [], name => request.Headers[name].ToString(), "");
        context.Response.StatusCode = !good ? 403 : request.Path == $"/clusters/{Cluster}" ? 200 : 404;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(context.Response.StatusCode != 200 ? """{"message":"not this cluster, or not signed"}""" : new JsonObject
        {
            ["cluster"] = new JsonObject
            {
                ["name"] = Cluster,
                ["endpoint"] = KubernetesUrl,
                ["certificateAuthority"] = new JsonObject { ["data"] = Convert.ToBase64String(Encoding.ASCII.GetBytes(_certificate.ExportCertificatePem())) },
            },
        }.ToJsonString());
    }

    private Task AnswerKubernetesAsync(HttpContext context)
    {
        var bearer = context.Request.Headers.Authorization.ToString();
        var caller = bearer.StartsWith("Bearer k8s-aws-v1.", StringComparison.Ordinal) ? CallerOf(bearer["Bearer k8s-aws-v1.".Length..]) : null;
        context.Response.StatusCode = caller is not null ? 200 : 401;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(context.Response.StatusCode == 200
            ? new JsonObject { ["caller"] = caller, ["path"] = context.Request.Path.Value }.ToJsonString()
            : """{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}""");
    }

    /// <summary>The rules of aws-iam-authenticator: a known set of parameters, the cluster's name signed, at most 15 minutes old.</summary>
    private string? CallerOf(string encoded)
    {
        var url = new Uri(Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(encoded)));
        var query = url.Query[1..].Split('&').Select(static p => p.Split('=', 2)).ToDictionary(static p => p[0], static p => Uri.UnescapeDataString(p[1]));
        string[] allowed = ["Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature"];
        var signature = AwsSignature.OfQuery(query);
        var at = DateTimeOffset.ParseExact(signature.Stamp, "yyyyMMdd'T'HHmmss'Z'", System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal);
        var isGood = query.Keys.All(allowed.Contains) && query["Action"] == "GetCallerIdentity" && query["X-Amz-Expires"] == "60" && url.AbsolutePath == "/"
            && TimeProvider.System.GetUtcNow() - at < TimeSpan.FromMinutes(15)
            && signature is { Service: "sts", Region: Region, Names: ["host", "x-k8s-aws-id"] }
            && _sessions.TryGetValue(signature.AccessKeyId, out var session) && query["X-Amz-Security-Token"] == session.Session
            && signature.Matches(session.Secret, "GET", "/", query, name => name == "host" ? url.Authority : Cluster, "");
        return isGood ? _sessions[signature.AccessKeyId].Role : null;
    }
}
