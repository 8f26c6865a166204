namespace Lanyard.Server.Http;

/// <summary>The name of a resource in paths: <c>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?</c>. It never changes.</summary>
internal static class Slug
{
    public const string Rule = "must be 1 to 63 of a-z, 0-9 and -, not beginning or ending with -";

    public static bool IsValid(string text)
    {
        if (text.Length is < 1 or > 63 || text[0] == '-' || text[^1] == '-')
        {
            return false;
        }

        foreach (var character in text)
        {
            if (!(char.IsAsciiLetterLower(character) || char.IsAsciiDigit(character) || character == '-'))
            {
                return false;
            }
        }

        return true;
    }
}
