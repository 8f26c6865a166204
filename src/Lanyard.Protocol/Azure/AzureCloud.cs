namespace Lanyard.Protocol.Azure;

/// <summary>The clouds of Azure, which share nothing but their form: each has an Entra ID of its own, which wants an audience of its own.</summary>
public static class AzureCloud
{
    public const string Audience = "api://AzureADTokenExchange";
    public const string AudienceOfGovernment = "api://AzureADTokenExchangeUSGov";
    public const string AudienceInChina = "api://AzureADTokenExchangeChina";

    public static IReadOnlyList<string> Audiences { get; } = [Audience, AudienceOfGovernment, AudienceInChina];

    /// <summary>Whether Entra ID of some cloud of Azure takes it; also of one that is not known here.</summary>
    public static bool IsAudience(string audience)
    {
        ArgumentNullException.ThrowIfNull(audience);
        return audience.StartsWith(Audience, StringComparison.Ordinal);
    }

    /// <summary>What the Entra ID at this address takes.</summary>
    /// <param name="authorityHost">As <c>AZURE_AUTHORITY_HOST</c> says it; null: the public cloud's.</param>
    public static string AudienceOf(string? authorityHost) =>
        !Uri.TryCreate(authorityHost, UriKind.Absolute, out var url) ? Audience : url.Host switch
        {
            "login.microsoftonline.us" => AudienceOfGovernment,
            "login.partner.microsoftonline.cn" or "login.chinacloudapi.cn" => AudienceInChina,
            _ => Audience,
        };
}
