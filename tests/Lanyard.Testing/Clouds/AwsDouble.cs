using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Lanyard.Testing.Installations;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Clouds;

/// <summary>
/// AWS STS, AssumeRoleWithWebIdentity: an OIDC provider with its client ids, and roles whose trust policy has <c>aud</c> and a <c>sub</c> condition.
/// Takes RS256 and ES256, as the original.
/// </summary>
public sealed class AwsDouble : CloudDouble
{
    private readonly TokenJudge _judge;
    private readonly IReadOnlyList<string> _clientIds;
    private readonly ConcurrentDictionary<string, Func<string, bool>> _roles = new();

    private AwsDouble(string issuer, IReadOnlyList<string> clientIds, bool tls)
        : base(tls) => (_judge, _clientIds) = (new TokenJudge(issuer, ["RS256", "ES256"]), clientIds);

    private AwsDouble(Installation installation, string workspace, string clientId)
        : base(X509Certificate2.CreateFromPemFile(installation.CertificateFile!, installation.CertificateFile + ".key"), IPAddress.Parse(new Uri(installation.Url).Host)) =>
        (_judge, _clientIds) = (new TokenJudge(installation.IssuerOf(workspace), ["RS256", "ES256"], installation.CreateClient()), [clientId]);

    /// <summary>Secrets that were given out.</summary>
    public ConcurrentQueue<string> Secrets { get; } = new();

    /// <summary><c>assumed-role/ROLE/SESSION</c> of who was let in.</summary>
    public ConcurrentQueue<string> Sessions { get; } = new();

    public static Task<AwsDouble> StartAsync(string issuer, params IReadOnlyList<string> clientIds) => StartedAsync(new AwsDouble(issuer, clientIds, tls: false));

    /// <summary>Behind TLS, as the original.</summary>
    public static Task<AwsDouble> StartWithTlsAsync(string issuer, string clientId) => StartedAsync(new AwsDouble(issuer, [clientId], tls: true));

    /// <summary>On the address of an installation, where pods reach it too, and vouched for by the same authority.</summary>
    public static Task<AwsDouble> StartBesideAsync(Installation installation, string workspace, string clientId) => StartedAsync(new AwsDouble(installation, workspace, clientId));

    /// <summary>A role that trusts these subjects.</summary>
    public string AddRole(string name, Func<string, bool> subjects)
    {
        var arn = $"arn:aws:iam::123456789012:role/{name}";
        _roles[arn] = subjects;
        return arn;
    }

    protected override async Task AnswerAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync();
        if (context.Request.Headers.Authorization.Count > 0 || form["Action"] != "AssumeRoleWithWebIdentity" || form["Version"] != "2011-06-15")
        {
            await RefuseAsync(context, 400, "InvalidAction", "unsigned AssumeRoleWithWebIdentity only");
            return;
        }

        if (!_roles.TryGetValue(form["RoleArn"].ToString(), out var subjects))
        {
            await RefuseAsync(context, 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
            return;
        }

        var session = form["RoleSessionName"].ToString();
        if (session.Length is < 2 or > 64 || !session.All(static c => char.IsAsciiLetterOrDigit(c) || "_+=,.@-".Contains(c, StringComparison.Ordinal)))
        {
            await RefuseAsync(context, 400, "ValidationError", "roleSessionName");
            return;
        }

        var seconds = form["DurationSeconds"].Count == 0 ? 3600 : int.TryParse(form["DurationSeconds"], out var asked) ? asked : 0;
        if (seconds is < 900 or > 43_200)
        {
            await RefuseAsync(context, 400, "ValidationError", "1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900");
            return;
        }

        var judged = Note(await _judge.JudgeAsync(form["WebIdentityToken"].ToString(), _clientIds, subjects));
        await (judged.Mistake switch
        {
            null => GiveAsync(context, form["RoleArn"].ToString().Split('/')[^1], session, judged, seconds),
            TokenMistake.Time => RefuseAsync(context, 400, "ExpiredTokenException", "Token expired"),
            TokenMistake.Subject => RefuseAsync(context, 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
            TokenMistake.Audience => RefuseAsync(context, 400, "InvalidIdentityToken", "Incorrect token audience"),
            TokenMistake.Issuer => RefuseAsync(context, 400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account"),
            _ => RefuseAsync(context, 400, "InvalidIdentityToken", judged.Text),
        });
    }

    private Task GiveAsync(HttpContext context, string role, string session, JudgedToken judged, int seconds)
    {
        var secret = Convert.ToBase64String(RandomNumberGenerator.GetBytes(30));
        var token = Convert.ToBase64String(RandomNumberGenerator.GetBytes(200));
        Secrets.Enqueue(secret);
        Sessions.Enqueue($"assumed-role/{role}/{session}");
        var expires = TimeProvider.System.GetUtcNow().AddSeconds(seconds).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", null);
        return WriteAsync(context, 200, "text/xml", $"""
            <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
             <SubjectFromWebIdentityToken>{judged.Subject}</SubjectFromWebIdentityToken><Audience>{judged.Audience}</Audience>
             <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/{role}/{session}</Arn><AssumedRoleId>AROAEXAMPLE:{session}</AssumedRoleId></AssumedRoleUser>
             <Credentials><AccessKeyId>ASIAEXAMPLE{role.Length:d5}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials>
             <Provider>arn:aws:iam::123456789012:oidc-provider/{_judge.Issuer}</Provider><PackedPolicySize>0</PackedPolicySize>
            </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>{Guid.NewGuid()}</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>
            """);
    }

    private static Task RefuseAsync(HttpContext context, int status, string code, string message) => WriteAsync(
        context, status, "text/xml", $"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{Guid.NewGuid()}</RequestId></ErrorResponse>""");
}
