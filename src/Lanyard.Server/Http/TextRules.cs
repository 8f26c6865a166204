using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Http;

/// <summary>Rules of short texts that several resources share.</summary>
internal static class TextRules
{
    public const int MaxAudience = 512;

    public static void CheckDisplayName(string? text, string path, List<Mistake> mistakes)
    {
        if (text is not null && (text.Length is 0 or > 200 || text.Any(char.IsControl)))
        {
            mistakes.Add(new Mistake(path, "must be 1 to 200 characters on one line"));
        }
    }

    public static void CheckAudience(string? text, string path, List<Mistake> mistakes)
    {
        if (text is not null && (text.Length is 0 or > MaxAudience || text.Any(static c => c is <= ' ' or > '~')))
        {
            mistakes.Add(new Mistake(path, $"must be 1 to {MaxAudience} printable ASCII characters without blanks"));
        }
    }
}
