using Lanyard.Protocol.Runs;
using Lanyard.Protocol.Runtime;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>What the runner wants of a payload before it acts on it; the server is trusted to schedule, not to escape from paths and limits.</summary>
internal static class PayloadCheck
{
    private const int MaxSteps = 1000;
    private const int MaxArguments = 4096;
    private const int MaxTextLength = 1024 * 1024;
    private const int MaxCloudFiles = 32;
    private const int MaxSeconds = 35 * 24 * 3600;

    /// <summary>The first mistake, or null.</summary>
    public static string? FirstMistake(AttemptKey key, AttemptPayload payload)
    {
        if (payload.Run != key.Run || payload.Attempt != key.Attempt)
        {
            return "it is of another attempt";
        }

        if (!Uri.TryCreate(payload.Issuer, UriKind.Absolute, out var issuer)
            || !(issuer.Scheme == Uri.UriSchemeHttps || issuer.Scheme == Uri.UriSchemeHttp) || issuer.Query.Length > 0 || issuer.Fragment.Length > 0)
        {
            return "its issuer is not a URL";
        }

        if (payload.TimeoutSeconds is < 1 or > MaxSeconds || payload.GraceSeconds is < 0 or > 3600 || payload.LeaseSeconds is < 1 or > 3600
            || payload.SilenceSeconds is < 1 or > MaxSeconds)
        {
            return "a time is out of range";
        }

        if (payload.Cloud is { } cloud && CloudMistake(cloud) is { } mistake)
        {
            return mistake;
        }

        if (payload.Cache is { } scopes && (scopes.Count > CacheScope.Most || scopes.Any(static scope => scope.Scope.Length is 0 or > 255 || CacheScope.BitsOf(scope.Permission) < 0)))
        {
            return "its cache has scopes that this runner does not know";
        }

        return payload.Steps.Count is < 1 or > MaxSteps
            ? $"it has {payload.Steps.Count} steps"
            : payload.Steps.Select(MistakeOf).FirstOrDefault(mistake => mistake is not null);
    }

    private static string? CloudMistake(CloudPayload cloud)
    {
        string[] names = [.. cloud.Files.Select(file => file.Name), .. cloud.Tokens.Select(file => file.Name)];
        if (names.Length > MaxCloudFiles || names.Distinct(StringComparer.Ordinal).Count() != names.Length || !names.All(IsFileName))
        {
            return "a cloud file has no proper name of its own";
        }

        if (cloud.Tokens.Any(file => file.Format is not (CloudFormats.Jwt or CloudFormats.ExecCredential)))
        {
            return "a cloud file has a format that this runner does not know";
        }

        return cloud.Aws is { } aws && !(Uri.TryCreate(aws.StsUrl, UriKind.Absolute, out var url) && (url.Scheme == Uri.UriSchemeHttps || url.IsLoopback))
            ? "its STS has no URL"
            : null;
    }

    private static bool IsFileName(string name) =>
        name.Length is > 0 and <= 64 && name[0] != '.' && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '-') && !name.EndsWith(".next", StringComparison.Ordinal);

    private static string? MistakeOf(StepPayload step)
    {
        if (step.Argv is null == step.Script is null || step.Argv is { Count: < 1 or > MaxArguments })
        {
            return "a step has neither a program nor a script, or both";
        }

        if (step.TimeoutSeconds is < 1 or > MaxSeconds)
        {
            return "a step's timeout is out of range";
        }

        return (step.Argv ?? [step.Script!]).Any(text => text.Length > MaxTextLength || text.Contains('\0', StringComparison.Ordinal))
            ? "a step's program or script holds a NUL, or is too long"
            : null;
    }
}
