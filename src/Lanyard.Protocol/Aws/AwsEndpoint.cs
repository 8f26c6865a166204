namespace Lanyard.Protocol.Aws;

/// <summary>Where an AWS service is; <c>AWS_ENDPOINT_URL_STS</c> and <c>AWS_ENDPOINT_URL_EKS</c> move it, as they do for AWS's own tools.</summary>
public static class AwsEndpoint
{
    /// <summary>Null when the variable is no https URL, nor an http one of this machine's loopback.</summary>
    public static Uri? Sts(string region, Func<string, string?> environment) => Find("sts", region, environment);

    /// <inheritdoc cref="Sts"/>
    public static Uri? Eks(string region, Func<string, string?> environment) => Find("eks", region, environment);

    /// <inheritdoc cref="Sts"/>
    public static Uri? Ecr(string region, Func<string, string?> environment) => Find("ecr", region, environment, "api.ecr");

    /// <inheritdoc cref="Sts"/>
    public static Uri? Kms(string region, Func<string, string?> environment) => Find("kms", region, environment);

    private static Uri? Find(string service, string region, Func<string, string?> environment, string? host = null)
    {
        var told = environment($"AWS_ENDPOINT_URL_{service.ToUpperInvariant()}") is { Length: > 0 } own ? own : environment("AWS_ENDPOINT_URL");
        return Uri.TryCreate(string.IsNullOrEmpty(told) ? $"https://{host ?? service}.{region}.{AwsPartition.DomainOf(region)}" : told, UriKind.Absolute, out var uri)
            && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)) ? uri : null;
    }
}
