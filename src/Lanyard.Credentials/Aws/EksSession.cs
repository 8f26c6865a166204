using System.Net;
using System.Xml.Linq;
using System.Xml;
using Lanyard.Credentials.Kubernetes;
using Lanyard.Credentials.Pipelines;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Aws;

/// <summary>STS AssumeRoleWithWebIdentity: the pipeline's token becomes a role's credentials, for the shortest time that STS gives (15 minutes).</summary>
/// <param name="TokenEnds">When the pipeline's token ends, where it says so: nothing is kept for longer.</param>
internal readonly record struct EksSession(AwsCredentials? Credentials, string? Error, int ExitCode, DateTimeOffset? TokenEnds = null)
{
    public static async Task<EksSession> StartAsync(ClusterTarget target, TokenSource source, Func<string, string?> environment, TimeProvider time)
    {
        var answer = await PipelineToken.GetAsync(source, target.Audience, environment);
        if (answer.Token is not { } token)
        {
            return new(null, answer.Error, answer.ExitCode);
        }

        if (AwsEndpoint.Sts(target.Region!, environment) is not { } endpoint)
        {
            return new(null, "AWS_ENDPOINT_URL_STS must be https, or http on loopback", ExitCodes.Usage);
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, "/"))
        {
            Content = new FormUrlEncodedContent(
            [
                new("Action", "AssumeRoleWithWebIdentity"),
                new("Version", "2011-06-15"),
                new("RoleArn", target.RoleArn!),
                new("RoleSessionName", SessionName(environment)),
                new("DurationSeconds", "900"),
                new("WebIdentityToken", token),
            ]),
        };
        var (status, body, error) = await AwsHttp.SendAsync(request);
        DateTimeOffset? ends = TokenDescription.ExpiryOf(token) is { } seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
        return error is not null ? new(null, error, ExitCodes.Unreachable) : Read(status, body, time.GetUtcNow()) with { TokenEnds = ends };
    }

    /// <summary>Of the role that the cluster knows: the second where there is one, else the first.</summary>
    public static async Task<EksSession> AsClusterKnowsAsync(ClusterTarget target, TokenSource source, Func<string, string?> environment, TimeProvider time)
    {
        var session = await StartAsync(target, source, environment, time);
        return session.Credentials is { } first && target.AssumedRoleArn is not null ? await AssumeAsync(first, target, environment, time) : session;
    }

    /// <summary>AssumeRole, signed: the second role's credentials, as <c>aws eks get-token --role-arn</c> has them. One role that takes on another has at most an hour.</summary>
    private static async Task<EksSession> AssumeAsync(AwsCredentials first, ClusterTarget target, Func<string, string?> environment, TimeProvider time)
    {
        var endpoint = AwsEndpoint.Sts(target.Region!, environment)!;
        var form = new FormUrlEncodedContent(
        [
            new("Action", "AssumeRole"), new("Version", "2011-06-15"), new("RoleArn", target.AssumedRoleArn!), new("RoleSessionName", SessionName(environment)), new("DurationSeconds", "900"),
        ]);
        var text = await form.ReadAsByteArrayAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint, "/")) { Content = form };
        KeyValuePair<string, string>[] headers = [new("Content-Type", form.Headers.ContentType!.ToString())];
        foreach (var (name, value) in new SigV4(first, target.Region!, "sts", time.GetUtcNow()).Sign("POST", endpoint.Authority, "/", [], headers, text)) request.Headers.TryAddWithoutValidation(name, value);
        var (status, body, error) = await AwsHttp.SendAsync(request);
        return error is not null ? new(null, error, ExitCodes.Unreachable) : Read(status, body, time.GetUtcNow());
    }

    /// <summary>Names the job, so that CloudTrail leads back to it.</summary>
    private static string SessionName(Func<string, string?> environment)
    {
        string[] variables = ["AWS_ROLE_SESSION_NAME", "GITHUB_RUN_ID", "CI_JOB_ID", "BITBUCKET_STEP_UUID", "BUILDKITE_JOB_ID", "LANYARD_RUN_ID"];
        var job = variables.Select(environment).FirstOrDefault(static v => !string.IsNullOrEmpty(v)) ?? "";
        var name = string.Concat(job.Where(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '=' or '.' or '@').Take(56));
        return name == environment("AWS_ROLE_SESSION_NAME") && name.Length > 1 ? name : name.Length == 0 ? "lanyard" : $"lanyard-{name}";
    }

    private static EksSession Read(HttpStatusCode status, byte[] body, DateTimeOffset now)
    {
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(body), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
            var root = XDocument.Load(reader).Root!;
            string? Of(string name) => root.Descendants().FirstOrDefault(e => e.Name.LocalName == name)?.Value;
            if (status != HttpStatusCode.OK)
            {
                return new(null, $"STS refused the role with {AwsHttp.OneLine($"{Of("Code")}: {Of("Message")}")}", ExitCodes.Refused);
            }

            return Of("AccessKeyId") is { Length: > 0 } id && Of("SecretAccessKey") is { Length: > 0 } key && Of("SessionToken") is { Length: > 0 } session
                && DateTimeOffset.TryParse(Of("Expiration"), System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var end) && end > now
                ? new(new AwsCredentials(id, key, session, end), null, ExitCodes.Done)
                : new(null, "the answer of STS holds no usable credentials", ExitCodes.Unreachable);
        }
        catch (XmlException)
        {
            return new(null, $"STS answered with status {(int)status} and no XML", ExitCodes.Unreachable);
        }
    }
}
