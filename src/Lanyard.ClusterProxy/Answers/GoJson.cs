using System.Globalization;
using System.Text;

namespace Lanyard.ClusterProxy.Answers;

/// <summary>Strings as Go's encoding/json writes them with HTML escaping on.</summary>
internal static class GoJson
{
    public static void Append(StringBuilder json, string text)
    {
        json.Append('"');
        foreach (var letter in text)
        {
            _ = letter switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                < ' ' or '<' or '>' or '&' or '\u2028' or '\u2029' => json.Append("\\u").Append(((int)letter).ToString("x4", CultureInfo.InvariantCulture)),
                _ => json.Append(letter),
            };
        }

        json.Append('"');
    }
}
