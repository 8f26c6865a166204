using Lanyard.Identity.Cel.Libraries;

namespace Lanyard.Identity.Cel;

/// <summary>The environments that others give their expressions, so that theirs mean the same here.</summary>
public static class CelEnvironments
{
    private static readonly CelType Strings = CelType.List(CelType.String);

    private static readonly CelType ClaimsType = CelType.Map(CelType.String, CelType.Dyn);

    /// <summary>
    /// The libraries of Kubernetes' expressions: strings (version 2), lists, sets, regex, URLs, IP and CIDR, quantities, optionals; two-variable
    /// comprehensions are in every environment. Left out: authorizer, semver, image references and named formats.
    /// </summary>
    public static IReadOnlyList<CelLibrary> KubernetesLibraries { get; } =
    [
        StringsLibrary.Library, ListsLibrary.Library, ListsLibrary.Sets, RegexLibrary.Library, UrlLibrary.Library, NetworkLibrary.Library,
        QuantityLibrary.Library, OptionalsLibrary.Library,
    ];

    /// <summary>Google's: the strings extension and <c>extract</c>.</summary>
    public static IReadOnlyList<CelLibrary> GoogleLibraries { get; } = [StringsLibrary.Library, GoogleLibrary.Library];

    /// <summary>Everything: for Lanyard's own conditions.</summary>
    public static IReadOnlyList<CelLibrary> AllLibraries { get; } = [.. KubernetesLibraries, StringsLibrary.Reverse, GoogleLibrary.Library];

    /// <summary>Conditions of trusted issuers and trust policies: <c>claims</c> and every library.</summary>
    public static CelEnvironment Conditions { get; } = new([new("claims", ClaimsType)], AllLibraries);

    /// <summary>AuthenticationConfiguration: claim validation rules and claim mappings. Variable <c>claims</c>.</summary>
    public static CelEnvironment KubernetesClaims { get; } = new([new("claims", ClaimsType)], KubernetesLibraries) { HomogeneousLiterals = true };

    /// <summary>AuthenticationConfiguration: user validation rules. Variable <c>user</c> with username, uid, groups, extra.</summary>
    public static CelEnvironment KubernetesUser { get; } = new([new("user", UserType())], KubernetesLibraries) { HomogeneousLiterals = true };

    /// <summary>Workload identity federation: attribute mappings (at most 2048 characters). Variable <c>assertion</c>.</summary>
    public static CelEnvironment GoogleMapping { get; } = new([new("assertion", ClaimsType)], GoogleLibraries)
    {
        Limits = CelLimits.Default with { MaxLength = 2048 },
    };

    /// <summary>Workload identity federation: the attribute condition (at most 4096 characters), which sees what was mapped too.</summary>
    public static CelEnvironment GoogleCondition { get; } = new(
        [new("assertion", ClaimsType), new("google", ClaimsType), new("attribute", CelType.Map(CelType.String, CelType.Dyn))],
        GoogleLibraries)
    {
        Limits = CelLimits.Default with { MaxLength = 4096 },
    };

    private static CelType UserType() => CelType.Object("kubernetes.UserInfo", new Dictionary<string, CelType>(StringComparer.Ordinal)
    {
        ["username"] = CelType.String,
        ["uid"] = CelType.String,
        ["groups"] = Strings,
        ["extra"] = CelType.Map(CelType.String, Strings),
    });
}
