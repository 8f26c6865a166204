using System.Text.Json;
using Lanyard.Identity.Presets;

namespace Lanyard.Identity.Trust;

/// <summary>What was read of a trust policy's document, and everything that is wrong with it.</summary>
internal sealed class PolicyParts
{
    private const int MaxList = 64;
    private static readonly string[] KnownRoles = ["admin", "operator", "viewer"];
    private const int MostPerMinute = 1_000_000;
    private IReadOnlyList<ClaimCondition> _identity = [];
    private bool _auditOnly, _once, _proof, _together;
    private int? _perMinute;
    private List<string> _actors = [];
    private GitHubGrant? _github;
    private string? _runner;
    private JsonElement? _facts;
    private IssuerPreset? _preset;

    public string? Issuer { get; private set; }

    public IReadOnlyList<string> Audiences { get; private set; } = [];

    public IReadOnlyList<ClaimCondition> Claims { get; private set; } = [];

    public CelCondition? Condition { get; private set; }

    public PrincipalTemplate? Principal { get; private set; }

    public ContextMapping Context { get; private set; } = ContextMapping.None;

    public IReadOnlyList<string> Roles { get; private set; } = [];

    public IReadOnlyList<string> AllowedAudiences { get; private set; } = [];

    public IReadOnlyList<string> Introspects { get; private set; } = [];

    public PolicyTerms? Terms => _auditOnly || _once || _proof || _together || _perMinute is not null || _actors.Count > 0 || _github is not null || _runner is not null
        ? new PolicyTerms(_auditOnly, _once, _proof, _perMinute, _together, _actors, _github, _runner)
        : null;

    public List<PolicyMistake> Mistakes { get; } = [];

    public static PolicyParts Read(JsonElement document)
    {
        var parts = new PolicyParts();
        if (document.ValueKind != JsonValueKind.Object)
        {
            parts.Wrong("", "a trust policy is an object");
            return parts;
        }

        foreach (var member in document.EnumerateObject()) parts.ReadMember(member);
        parts.ApplyPreset();
        if (parts.Issuer is null && !document.TryGetProperty("issuer", out _)) parts.Wrong("issuer", "is missing");
        if (!document.TryGetProperty("claims", out _) && !document.TryGetProperty("condition", out _) && !document.TryGetProperty("identity", out _)) parts.Wrong("claims", "is missing: a policy without conditions would trust everybody whom the issuer knows");
        if (!document.TryGetProperty("allow", out _)) parts.Wrong("allow", "is missing: roles, audiences or introspect");
        return parts;
    }

    private void ReadMember(JsonProperty member)
    {
        switch (member.Name)
        {
            case "issuer":
                Issuer = Text(member.Value, "issuer");
                break;
            case "audiences":
                Audiences = List(member.Value, "audiences");
                break;
            case "claims":
                Claims = ConditionReader.Read(member.Value, "claims", Mistakes);
                if (member.Value.ValueKind == JsonValueKind.Object && !member.Value.EnumerateObject().Any()) Wrong("claims", "at least one condition");
                break;
            case "preset":
                if (Text(member.Value, "preset") is not { } name) break;
                _preset = IssuerPresets.Find(name);
                if (_preset is null) Wrong("preset", $"{name} is none of {string.Join(", ", IssuerPresets.All.Select(static known => known.Name))}");
                break;
            case "identity":
                _facts = member.Value;
                break;
            case "condition":
                Condition = CelCondition.Read(member.Value, "condition", Mistakes);
                break;
            case "principal":
                ReadPrincipal(member.Value);
                break;
            case "context":
                Context = ContextMapping.Read(member.Value, Mistakes);
                break;
            case "allow":
                ReadAllow(member.Value);
                break;
            case "mode":
                if (Text(member.Value, "mode") is not { } mode) break;
                if (mode is not ("enforce" or "audit")) Wrong("mode", "enforce or audit");
                _auditOnly = mode == "audit";
                break;
            case "once":
                _once = Flag(member.Value, "once");
                break;
            case "dpop":
                _proof = Flag(member.Value, "dpop");
                break;
            case "perMinute":
                _perMinute = member.Value.ValueKind == JsonValueKind.Number && member.Value.TryGetInt32(out var number) && number is > 0 and <= MostPerMinute ? number : null;
                if (_perMinute is null) Wrong("perMinute", $"1 to {MostPerMinute}");
                break;
            default:
                Wrong(member.Name, "no such member");
                break;
        }
    }

    /// <summary>
    /// The words of <c>identity</c> become conditions on the claims that the preset's issuer calls them, once and for all: judging a token costs the same. Where one
    /// issuer serves many owners, the policy must say which of them it means, by what nobody else can get.
    /// </summary>
    private void ApplyPreset()
    {
        if (_facts is { } facts)
        {
            if (_preset is not null) _identity = ConditionReader.ReadFacts(facts, "identity", _preset, Mistakes);
            else Wrong("identity", "needs a preset, which knows how the issuer calls these");
            if (facts.ValueKind == JsonValueKind.Object && !facts.EnumerateObject().Any()) Wrong("identity", "at least one condition");
        }

        Claims = [.. _identity, .. Claims];
        if (_preset is null) return;
        Principal ??= PrincipalTemplate.Parse(_preset.Principal, out _);
        if (_preset.Tenant == IssuerPreset.TenantInIssuer || Claims.Any(condition => condition.Path.Text == _preset.Tenant && condition.IsExact)) return;
        Wrong($"identity.{IssuerPresets.TenantFact}", $"is missing: {_preset.Title} has many owners, and {_preset.Tenant} says which ({_preset.Claims[_preset.Tenant].Means})");
    }

    private void ReadPrincipal(JsonElement value)
    {
        if (Text(value, "principal") is not { } text) return;
        Principal = PrincipalTemplate.Parse(text, out var mistake);
        if (mistake is not null) Wrong("principal", mistake);
    }

    private void ReadAllow(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            Wrong("allow", "an object of roles, audiences, introspect is wanted");
            return;
        }

        foreach (var member in value.EnumerateObject())
        {
            switch (member.Name)
            {
                case "roles":
                    Roles = List(member.Value, "allow.roles");
                    foreach (var role in Roles.Except(KnownRoles)) Wrong("allow.roles", $"{role}: a role is admin, operator or viewer");
                    break;
                case "audiences":
                    AllowedAudiences = List(member.Value, "allow.audiences");
                    break;
                case "introspect":
                    Introspects = List(member.Value, "allow.introspect");
                    break;
                case "together":
                    _together = Flag(member.Value, "allow.together");
                    break;
                case "github":
                    _github = GitHubGrant.Read(member.Value, Mistakes);
                    break;
                case "runner":
                    _runner = Text(member.Value, "allow.runner");
                    break;
                case "actors":
                    _actors = List(member.Value, "allow.actors");
                    break;
                default:
                    Wrong($"allow.{member.Name}", "no such member");
                    break;
            }
        }

        if (_together && AllowedAudiences.Count < 2) Wrong("allow.together", "needs two allowed audiences at least");
        if (Roles.Count + AllowedAudiences.Count + Introspects.Count == 0 && !value.TryGetProperty("github", out _) && !value.TryGetProperty("runner", out _)) Wrong("allow", "allows nothing");
    }

    private List<string> List(JsonElement value, string path)
    {
        // An empty list where one was written would refuse everybody, or in another reading allow everybody: it is neither.
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() is 0 or > MaxList)
        {
            Wrong(path, $"a list of 1 to {MaxList} strings is wanted");
            return [];
        }

        return [.. value.EnumerateArray().Select((element, i) => Text(element, $"{path}[{i}]")).OfType<string>()];
    }

    private bool Flag(JsonElement value, string path)
    {
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) Wrong(path, "true or false");
        return value.ValueKind == JsonValueKind.True;
    }

    private string? Text(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 and <= 1024 } text) return text;
        Wrong(path, "a string of 1 to 1024 characters is wanted");
        return null;
    }

    private void Wrong(string path, string text) => Mistakes.Add(new PolicyMistake(path, text));
}
