using System.Text;
using System.Text.Json;
using Lanyard.Credentials.Aws;
using Lanyard.Credentials.Kubernetes;
using Lanyard.Credentials.Pipelines;
using Lanyard.Protocol.Aws;

namespace Lanyard.Credentials.Brokers;

/// <summary>
/// <c>lanyard credential aws|gcp|azure|vault|ecr|rds|github</c>: each is the helper that its ecosystem has a hook for. The last hop, from the pipeline's own token to the
/// credential, is made here, on the caller's side; nothing of it passes through a server of ours, but for GitHub's, where an App's key is needed.
/// </summary>
internal sealed class BrokerCommands(Func<string, string?> environment, TextReader input, TextWriter output, TextWriter diagnosis, TimeProvider time)
{
    public const string Usage =
        """
        usage: lanyard credential aws    --role-arn ARN [--region REGION] [--audience AUDIENCE] [TOKEN]
               lanyard credential gcp    [--audience AUDIENCE] [TOKEN]
               lanyard credential azure  --client-id ID --tenant-id ID [--scope SCOPE] [--audience AUDIENCE] [TOKEN]
               lanyard credential vault  [get|store|erase] --role ROLE [--mount jwt] [--address URL] [--audience AUDIENCE] [TOKEN]
               lanyard credential ecr    get|store|erase|list --role-arn ARN [--audience AUDIENCE] [TOKEN]
               lanyard credential rds    --hostname HOST [--port PORT] --username USER --role-arn ARN [--region REGION] [TOKEN]
               lanyard credential github get|store|erase [--lanyard URL] [--workspace SLUG] [--audience AUDIENCE] [TOKEN]

        aws is AWS's credential_process, gcp Google's executable source, ecr docker's credential helper, github git's; rds prints the token for PGPASSWORD.
        Variables say the same: AWS_ROLE_ARN (AWS_OIDC_ROLE_ARN), AWS_REGION, AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_AUTHORITY_HOST, VAULT_ADDR, VAULT_ROLE, VAULT_MOUNT, VAULT_NAMESPACE, GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE, LANYARD_SERVER, LANYARD_WORKSPACE.
        TOKEN: as for lanyard kubectl: found by itself in a pipeline, or --token-source, --token-file, --token-variable.
        Kept in memory (XDG_RUNTIME_DIR or /dev/shm) as long as the pipeline's token lives; LANYARD_CREDENTIAL_CACHE=off: not at all.

        exit codes: 0 printed · 1 refused · 2 wrong usage · 3 no identity in this environment · 4 could not be reached
        """;

    public static bool Has(string kind) => kind is "aws" or "gcp" or "azure" or "vault" or "ecr" or "rds" or "github";

    public Task<int> RunAsync(string kind, string[] args) => kind switch
    {
        "aws" => AwsAsync(args),
        "gcp" => GoogleAsync(args),
        "azure" => new AzureBroker(environment, output, time).RunAsync(args, FailAsync),
        "vault" => new VaultBroker(environment, output, time).RunAsync(args, FailAsync),
        "ecr" => new EcrBroker(environment, input, output, time).RunAsync(args, FailAsync),
        "rds" => RdsAsync(args),
        _ => new GitHubBroker(environment, input, output, time).RunAsync(args, FailAsync),
    };

    /// <summary>What <c>credential_process</c> prints (AWS SDKs: "Sourcing credentials with an external process"), version 1.</summary>
    private async Task<int> AwsAsync(string[] args)
    {
        var words = Words.Parse(args, [.. AwsRole.Options, .. TokenSource.Options]);
        var role = AwsRole.Resolve(words, environment);
        var source = TokenSource.Resolve(words, environment);
        if (words.Mistakes.Count > 0) return await FailAsync(words);
        var cache = CredentialCache.For(source!, environment, time, "aws", role!.RoleArn!, role.Region!, role.Audience);
        if (cache.Read() is { } kept)
        {
            await output.WriteLineAsync(kept);
            return ExitCodes.Done;
        }

        var session = await EksSession.StartAsync(role, source!, environment, time);
        if (session.Credentials is not { } credentials) return await FailAsync(session.Error!, session.ExitCode);
        var text = Json.Of(writer =>
        {
            writer.WriteNumber("Version", 1);
            writer.WriteString("AccessKeyId", credentials.AccessKeyId);
            writer.WriteString("SecretAccessKey", credentials.SecretAccessKey);
            writer.WriteString("SessionToken", credentials.SessionToken);
            writer.WriteString("Expiration", credentials.Expires!.Value.UtcDateTime);
        });
        cache.Keep(text, credentials.Expires, session.TokenEnds);
        await output.WriteLineAsync(text);
        return ExitCodes.Done;
    }

    /// <summary>
    /// An executable source of Google's <c>external_account</c>: the pipeline's token itself; Google's libraries make the last hop. Its failures are JSON on standard
    /// output too, as those libraries expect.
    /// </summary>
    private async Task<int> GoogleAsync(string[] args)
    {
        var words = Words.Parse(args, ["--audience", .. TokenSource.Options]);
        var source = TokenSource.Resolve(words, environment);
        var audience = words.Text("--audience", environment, "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE");
        if (audience is null) words.Mistakes.Add("--audience is needed (or GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE)");
        var type = environment("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE") is { Length: > 0 } wanted ? wanted : "urn:ietf:params:oauth:token-type:jwt";
        if (type is not ("urn:ietf:params:oauth:token-type:jwt" or "urn:ietf:params:oauth:token-type:id_token")) words.Mistakes.Add("the configuration's subject_token_type must be jwt or id_token");
        var answer = words.Mistakes.Count > 0
            ? new IdentityTokenAnswer(null, string.Join("; ", words.Mistakes), ExitCodes.Usage)
            : await PipelineToken.GetAsync(source!, audience!, environment);
        await output.WriteLineAsync(Json.Of(writer =>
        {
            writer.WriteNumber("version", 1);
            writer.WriteBoolean("success", answer.Token is not null);
            if (answer.Token is { } token)
            {
                writer.WriteString("token_type", type);
                writer.WriteString("id_token", token);
                if (TokenDescription.ExpiryOf(token) is { } seconds) writer.WriteNumber("expiration_time", seconds);
            }
            else
            {
                writer.WriteString("code", answer.ExitCode.ToString(System.Globalization.CultureInfo.InvariantCulture));
                writer.WriteString("message", answer.Error);
            }
        }));
        return answer.ExitCode;
    }

    /// <summary>What <c>aws rds generate-db-auth-token</c> prints: a signed <c>connect</c> request, a password for 15 minutes.</summary>
    private async Task<int> RdsAsync(string[] args)
    {
        var words = Words.Parse(args, [.. AwsRole.Options, "--hostname", "--port", "--username", .. TokenSource.Options]);
        var role = AwsRole.Resolve(words, environment);
        var source = TokenSource.Resolve(words, environment);
        var (host, user, port) = (words.Text("--hostname", environment, "PGHOST"), words.Text("--username", environment, "PGUSER"), words.Text("--port", environment, "PGPORT") ?? "5432");
        if (host is null || Uri.CheckHostName(host) == UriHostNameType.Unknown) words.Mistakes.Add("--hostname is needed: the database's endpoint");
        if (user is null) words.Mistakes.Add("--username is needed");
        if (!ushort.TryParse(port, out var number) || number == 0) words.Mistakes.Add("--port must be a port");
        if (words.Mistakes.Count > 0) return await FailAsync(words);
        var session = await EksSession.StartAsync(role!, source!, environment, time);
        if (session.Credentials is not { } credentials) return await FailAsync(session.Error!, session.ExitCode);
        await output.WriteLineAsync(RdsToken.Create(credentials, role!.Region!, host!, number, user!, time.GetUtcNow()));
        return ExitCodes.Done;
    }

    private Task<int> FailAsync(Words words) => FailAsync(string.Join('\n', words.Mistakes) + "\nSee lanyard credential --help.", ExitCodes.Usage);

    private async Task<int> FailAsync(string text, int exitCode)
    {
        await diagnosis.WriteLineAsync($"lanyard credential: {text}");
        return exitCode;
    }
}

/// <summary>The role of a helper of AWS: a target without a cluster.</summary>
internal static class AwsRole
{
    public static readonly string[] Options = ["--role-arn", "--region", "--audience"];

    /// <param name="region">Where what is asked for says it.</param>
    public static ClusterTarget? Resolve(Words words, Func<string, string?> environment, string? region = null)
    {
        var role = words.Text("--role-arn", environment, "AWS_OIDC_ROLE_ARN", "AWS_ROLE_ARN");
        region ??= words.Text("--region", environment, "AWS_REGION", "AWS_DEFAULT_REGION");
        if (!AwsNames.IsRole(role)) words.Mistakes.Add("--role-arn must be an IAM role's ARN (or AWS_ROLE_ARN)");
        if (!AwsNames.IsRegion(region)) words.Mistakes.Add("--region must be an AWS region such as eu-central-1 (or AWS_REGION)");
        return words.Mistakes.Count > 0 ? null : new ClusterTarget("", null, null, words.Text("--audience", environment) ?? AwsPartition.AudienceOf(role), region, role);
    }
}

internal static class Json
{
    /// <summary>One object on one line.</summary>
    public static string Of(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>A text somewhere in an object, or null.</summary>
    public static string? Text(byte[] body, params ReadOnlySpan<string> path) => Find(body, path) is { ValueKind: JsonValueKind.String } element ? element.GetString() : null;

    public static long? Number(byte[] body, params ReadOnlySpan<string> path) =>
        Find(body, path) is { ValueKind: JsonValueKind.Number } element && element.TryGetInt64(out var number) ? number : null;

    private static JsonElement? Find(byte[] body, ReadOnlySpan<string> path)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var at = document.RootElement;
            foreach (var name in path)
                if (at.ValueKind == JsonValueKind.Array ? at.GetArrayLength() == 0 : at.ValueKind != JsonValueKind.Object) return null;
                else if (at.ValueKind == JsonValueKind.Array) at = at[0];
                else if (!at.TryGetProperty(name, out at)) return null;
            return at.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
