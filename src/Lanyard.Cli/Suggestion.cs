namespace Lanyard.Cli;

/// <summary>What a mistyped word was probably meant to be.</summary>
internal static class Suggestion
{
    /// <summary><c>; did you mean NAME?</c> behind a mistake; empty where no name is near.</summary>
    public static string For(string typed, IEnumerable<string> names)
    {
        var most = Math.Clamp(typed.Length / 3, 1, 3);
        var nearest = names.Distinct(StringComparer.Ordinal).Select(name => (Name: name, Distance: Distance(typed.ToLowerInvariant(), name.ToLowerInvariant())))
            .Where(candidate => candidate.Distance <= most).OrderBy(static candidate => candidate.Distance).ThenBy(static candidate => candidate.Name, StringComparer.Ordinal).FirstOrDefault();
        return nearest.Name is null ? "" : $"; did you mean {nearest.Name}?";
    }

    /// <summary>Letters that were added, left out, changed, or swapped with their neighbour.</summary>
    private static int Distance(string left, string right)
    {
        var cells = new int[left.Length + 1, right.Length + 1];
        for (var row = 0; row <= left.Length; row++)
        {
            for (var column = 0; column <= right.Length; column++)
            {
                cells[row, column] = row == 0 || column == 0
                    ? row + column
                    : Math.Min(Math.Min(cells[row - 1, column], cells[row, column - 1]) + 1, cells[row - 1, column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1));
                if (row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1])
                {
                    cells[row, column] = Math.Min(cells[row, column], cells[row - 2, column - 2] + 1);
                }
            }
        }

        return cells[left.Length, right.Length];
    }
}
