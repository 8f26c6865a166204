namespace Lanyard.Identity.Trust;

/// <summary>Claims that name people: what they hold is written into no trace, no audit event and no log.</summary>
public static class PersonalClaims
{
    public const string Redacted = "(redacted)";

    /// <summary>Outermost names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["email", "user_email", "name", "given_name", "family_name", "preferred_username", "phone_number"];

    public static bool Contains(string claim)
    {
        foreach (var name in Names)
            if (name == claim) return true;
        return false;
    }
}
