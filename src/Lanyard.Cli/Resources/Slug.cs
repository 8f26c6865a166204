namespace Lanyard.Cli.Resources;

/// <summary>The name of a resource in paths and documents: <c>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?</c>.</summary>
internal static class Slug
{
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
