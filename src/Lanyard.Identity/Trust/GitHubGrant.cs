using System.Text.Json;

namespace Lanyard.Identity.Trust;

/// <summary>For which repositories, and with which permissions, a policy's principal may have installation tokens of a GitHub App.</summary>
/// <param name="Repositories">Each as <c>owner/name</c>.</param>
/// <param name="Permissions">Permission -> <c>read</c>, <c>write</c> or <c>admin</c>.</param>
/// <param name="App">One of the server's Apps by name; null: the only one.</param>
public sealed record GitHubGrant(IReadOnlyList<string> Repositories, IReadOnlyDictionary<string, string> Permissions, string? App)
{
    private const int Most = 64;
    private static readonly string[] Levels = ["read", "write", "admin"];

    /// <summary>Whether a level is no more than the granted one.</summary>
    public bool Allows(string permission, string level) =>
        Permissions.TryGetValue(permission, out var granted) && Array.IndexOf(Levels, level) is >= 0 and var asked && asked <= Array.IndexOf(Levels, granted);

    /// <summary>GitHub compares names without case.</summary>
    public bool Allows(string repository) => Repositories.Contains(repository, StringComparer.OrdinalIgnoreCase);

    public static bool IsRepository(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split('/') is [{ Length: > 0 } owner, { Length: > 0 } name] && text.Length <= 200 && (owner + name).All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            && owner is not ("." or "..") && name is not ("." or "..");
    }

    internal static GitHubGrant? Read(JsonElement value, ICollection<PolicyMistake> mistakes)
    {
        const string path = "allow.github";
        var before = mistakes.Count;
        if (value.ValueKind != JsonValueKind.Object)
        {
            mistakes.Add(new PolicyMistake(path, "an object of repositories, permissions, app is wanted"));
            return null;
        }

        string? app = null;
        var repositories = new List<string>();
        var permissions = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var member in value.EnumerateObject())
        {
            var place = $"{path}.{member.Name}";
            switch (member.Name)
            {
                case "app" when member.Value.ValueKind == JsonValueKind.String && member.Value.GetString() is { Length: > 0 and <= 63 } name:
                    app = name;
                    break;
                case "repositories" when member.Value.ValueKind == JsonValueKind.Array && member.Value.GetArrayLength() is > 0 and <= Most:
                    foreach (var one in member.Value.EnumerateArray())
                        if (one.ValueKind == JsonValueKind.String && IsRepository(one.GetString()!)) repositories.Add(one.GetString()!);
                        else mistakes.Add(new PolicyMistake(place, $"{one}: owner/name"));
                    break;
                case "permissions" when member.Value.ValueKind == JsonValueKind.Object:
                    foreach (var one in member.Value.EnumerateObject())
                        if (one.Value.ValueKind == JsonValueKind.String && Levels.Contains(one.Value.GetString(), StringComparer.Ordinal)) permissions[one.Name] = one.Value.GetString()!;
                        else mistakes.Add(new PolicyMistake($"{place}.{one.Name}", "read, write or admin"));
                    break;
                default:
                    mistakes.Add(new PolicyMistake(place, "repositories (1 to 64 of owner/name), permissions (such as {contents: read}), app"));
                    break;
            }
        }

        // Without permissions GitHub would give all that the App has.
        if (repositories.Count == 0 || permissions.Count == 0) mistakes.Add(new PolicyMistake(path, "names repositories and permissions, at least one of each"));
        return mistakes.Count == before ? new GitHubGrant(repositories, permissions, app) : null;
    }
}
