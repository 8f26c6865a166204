using System.Text;

namespace Lanyard.Identity;

/// <summary>Text from outside, made fit for a line of a log: short, and without control characters.</summary>
internal static class Printable
{
    private const int MaxLength = 200;

    public static string Of(string text)
    {
        var builder = new StringBuilder(Math.Min(text.Length, MaxLength) + 1);
        foreach (var rune in text.EnumerateRunes())
        {
            if (builder.Length >= MaxLength)
            {
                return builder.Append('…').ToString();
            }

            if (Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029 || Rune.GetUnicodeCategory(rune) == System.Globalization.UnicodeCategory.Format)
            {
                builder.Append('\uFFFD');
            }
            else
            {
                builder.Append(rune);
            }
        }

        return builder.ToString();
    }

    public static string Of(ReadOnlySpan<byte> utf8) => Of(Encoding.UTF8.GetString(utf8));
}
