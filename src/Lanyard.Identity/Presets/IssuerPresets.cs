using System.Collections.Frozen;
using System.Globalization;

namespace Lanyard.Identity.Presets;

/// <summary>
/// The kinds of issuers that are known, as data, and the one vocabulary that their claims are mapped to: the same word asks for the same thing whatever the
/// issuer calls it. Trust policies (<c>preset</c>, <c>identity</c>), the linter, the schema for editors and the cluster proxy's access entries read the same facts.
/// </summary>
public static class IssuerPresets
{
    /// <summary>The word for the owner, which every rule must fix where an issuer has many.</summary>
    public const string TenantFact = "tenant_id";

    private static readonly string[] Names =
        ["github", "gitlab", "bitbucket", "buildkite", "circleci", "hcp-terraform", "spacelift", "azure-devops", "google", "aws", "kubernetes", "spiffe", "lanyard"];

    private static readonly Lazy<FrozenDictionary<string, IssuerPreset>> ByName =
        new(static () => Names.Select(Load).ToFrozenDictionary(static preset => preset.Name, StringComparer.Ordinal));

    /// <summary>Words and what they mean. Those that end with <c>_id</c> are never given to another owner.</summary>
    public static IReadOnlyList<(string Word, string Means)> Vocabulary { get; } =
    [
        (TenantFact, "who owns it: organisation, group, workspace, account; by an id that nobody else can get"),
        ("tenant", "the owner's name"),
        ("repository_id", "what the work is of: repository, project, pipeline, stack, definition; by id"),
        ("repository", "its name"),
        ("ref", "branch, tag or other ref, as the issuer writes it"),
        ("ref_type", "branch or tag"),
        ("ref_protected", "whether the ref is protected, as the issuer writes it"),
        ("commit", "the commit"),
        ("environment_id", "deployment environment, by id"),
        ("environment", "deployment environment, or namespace, by name"),
        ("workflow", "the file or definition of what runs"),
        ("phase", "part of the work, such as plan or apply"),
        ("trigger", "what started it"),
        ("run", "id of the run"),
        ("job", "id of the job or step"),
        ("actor_id", "who started it, by id"),
        ("actor", "who started it, by name"),
        ("runner", "where it runs"),
    ];

    /// <summary>In an order for people: the best known first.</summary>
    public static IReadOnlyList<IssuerPreset> All => [.. Names.Select(static name => ByName.Value[name])];

    public static IssuerPreset? Find(string name) => ByName.Value.GetValueOrDefault(name);

    /// <summary>The kind that an <c>iss</c> is surely of, or null.</summary>
    public static IssuerPreset? ForIssuer(string issuer) => All.FirstOrDefault(preset => preset.Owns(issuer));

    /// <summary>A claim whose value another owner can come to have, with the one to ask for instead (<see cref="PresetClaim.Lasting"/>); null for any other.</summary>
    /// <param name="preset">Null: what the best known issuer that has such a claim says.</param>
    public static PresetClaim? Reusable(string claim, IssuerPreset? preset = null) =>
        (preset is not null
            ? preset.Claims.GetValueOrDefault(claim)
            : All.Select(known => known.Claims.GetValueOrDefault(claim)).FirstOrDefault(static known => known is not null && known.Name != "sub")) is { Lasting: not null } found ? found : null;

    /// <summary>The file of a preset, with its comments.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static string TextOf(string name)
    {
        using var stream = typeof(IssuerPresets).Assembly.GetManifestResourceStream($"Lanyard.Identity.Presets.{name}") ?? throw new ArgumentException($"no preset {name}", nameof(name));
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static IssuerPreset Load(string name)
    {
        var file = PresetReader.Read(TextOf(name));
        var claims = ((IReadOnlyDictionary<string, object>)file["claims"]).Select(static claim => ClaimOf(claim.Key, (IReadOnlyDictionary<string, object>)claim.Value));
        return new IssuerPreset(
            name,
            (string)file["title"],
            Words(file, "issuers"),
            Words(file, "subjects"),
            (string)file["tenant"],
            Words(file, "place"),
            (string)file["principal"],
            file.GetValueOrDefault("untrusted") is IReadOnlyDictionary<string, object> untrusted
                ? new UntrustedWork((string)untrusted["claim"], Words(untrusted, "values"), Words(untrusted, "settled-by"))
                : null,
            claims.ToFrozenDictionary(static claim => claim.Name, StringComparer.Ordinal));
    }

    private static PresetClaim ClaimOf(string name, IReadOnlyDictionary<string, object> claim) => new(
        name,
        (string)claim["means"],
        (string)claim["reusable"] == "true",
        claim.GetValueOrDefault("lasting") as string,
        claim.GetValueOrDefault("taken") as string ?? "can be renamed and taken by somebody else",
        claim.GetValueOrDefault("lasting-form") as string,
        claim.GetValueOrDefault("tenant-segment") is string segment ? int.Parse(segment, CultureInfo.InvariantCulture) : null,
        claim.GetValueOrDefault("fact") as string);

    private static IReadOnlyList<string> Words(IReadOnlyDictionary<string, object> mapping, string name) =>
        mapping.GetValueOrDefault(name) is IReadOnlyList<string> words ? words : [];
}
