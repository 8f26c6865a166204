namespace Lanyard.Server.Runs;

/// <summary>
/// What a run waits for, as one text: its collection, and what it asks of a runner beyond that. Runs with the same key are offered in the order
/// of priority and age; a claim reads one key, so its index is never searched past runs that the runner may not take.
/// Form: <c>col_…</c>, <c>col_…|rnr_…</c>, <c>col_…||gpu,x64</c> or <c>col_…|rnr_…|gpu,x64</c>; labels are sorted.
/// </summary>
public sealed record QueueKey(string Collection, string? Runner, IReadOnlyList<string> Labels)
{
    public static QueueKey Parse(string text)
    {
        var parts = text.Split('|');
        return new(
            parts[0],
            parts.Length > 1 && parts[1].Length > 0 ? parts[1] : null,
            parts.Length > 2 ? parts[2].Split(',') : []);
    }

    public static string Format(string collection, string? runner, IReadOnlyCollection<string> labels)
    {
        if (runner is null && labels.Count == 0)
            return collection;
        return labels.Count == 0
            ? $"{collection}|{runner}"
            : $"{collection}|{runner}|{string.Join(',', labels.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))}";
    }

    /// <summary>Whether a runner with these labels may take runs of this key; its collections are checked by the caller.</summary>
    /// <param name="onlyNamed">The runner takes nothing but what names it.</param>
    public bool Suits(string runner, IReadOnlySet<string> labels, bool onlyNamed = false) =>
        (Runner == runner || (Runner is null && !onlyNamed)) && Labels.All(labels.Contains);
}
