using System.Text;

namespace Lanyard.Protocol.Resources;

/// <summary>The verification report of a trial for people: a line for each thing that was looked at.</summary>
public static class TrialText
{
    public static string Of(TrialReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var text = new StringBuilder();
        foreach (var line in report.Lines)
        {
            text.Append(line.Ok ? "  ok     " : "  WRONG  ").Append(line.Name.PadRight(9)).Append(Plain(line.Seen));
            if (line.Wanted is not null)
            {
                text.Append("   (wanted: ").Append(Plain(line.Wanted)).Append(')');
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    /// <summary>What a token said must not steer a terminal.</summary>
    private static string Plain(string text) => string.Concat(text.Select(character => char.IsControl(character) ? '·' : character));
}
