namespace Lanyard.Identity.Cel.Libraries;

/// <summary>
/// Google's <c>extract</c>: <c>text.extract('before{name}after')</c> is what stands between the first <c>before</c> and the next
/// <c>after</c>; an empty part reaches to that end of the text; the empty text where the template does not match.
/// </summary>
internal static class GoogleLibrary
{
    public static CelLibrary Library { get; } = new(
        "google",
        CelOverload.Member("extract", Extract, CelType.String, CelType.String, CelType.String));

    private static CelValue Extract(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var (text, template) = (a.AsString, b.AsString);
        var open = template.IndexOf('{', StringComparison.Ordinal);
        var close = template.IndexOf('}', StringComparison.Ordinal);
        if (open < 0 || close < open + 2 || template.LastIndexOf('{') != open || template.LastIndexOf('}') != close)
        {
            return CelValue.Error("the template of extract needs exactly one {name}");
        }

        if (!frame.Charge((1 + (text.Length / 10)) * (1L + (template.Length / 10))))
        {
            return Faults.Budget;
        }

        var (before, after) = (template[..open], template[(close + 1)..]);
        var found = text.IndexOf(before, StringComparison.Ordinal);
        if (found < 0)
        {
            return CelValue.Of("");
        }

        var start = found + before.Length;
        var end = after.Length == 0 ? text.Length : text.IndexOf(after, start, StringComparison.Ordinal);
        return CelValue.Of(end < 0 ? "" : text[start..end]);
    }
}
