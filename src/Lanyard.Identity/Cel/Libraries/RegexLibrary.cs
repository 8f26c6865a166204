namespace Lanyard.Identity.Cel.Libraries;

/// <summary>Kubernetes' <c>find</c> and <c>findAll</c>: the texts that a pattern matches.</summary>
internal static class RegexLibrary
{
    public static CelLibrary Library { get; } = new(
        "regex",
        CelOverload.Member("find", Find, CelType.String, CelType.String, CelType.String),
        CelOverload.Member("findAll", (ref f, in a, in b) => FindAll(ref f, a, b, CelValue.Of(-1L)), CelType.List(CelType.String), CelType.String, CelType.String),
        CelOverload.Member("findAll", FindAll, CelType.List(CelType.String), CelType.String, CelType.String, CelType.Int));

    private static CelValue Find(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var fault = Prepare(ref frame, a.AsString, b.AsString, out var pattern);
        return fault ?? CelValue.Of(pattern!.Match(a.AsString) is { Success: true } match ? match.Value : "");
    }

    private static CelValue FindAll(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c)
    {
        if (Prepare(ref frame, a.AsString, b.AsString, out var pattern) is { } fault)
        {
            return fault;
        }

        var most = c.AsInt < 0 ? long.MaxValue : c.AsInt;
        var found = new List<CelValue>();
        for (var match = pattern!.Match(a.AsString); match.Success && found.Count < most; match = match.NextMatch())
        {
            // Each search may read to the end of the text again.
            if (!frame.Charge(pattern.CostOf(a.AsString.Length - match.Index)))
            {
                return Faults.Budget;
            }

            found.Add(CelValue.Of(match.Value));
        }

        return CelValue.Of(new CelArray([.. found]));
    }

    private static CelValue? Prepare(ref CelFrame frame, string text, string source, out BoundedPattern? pattern)
    {
        pattern = null;
        if (!frame.Charge(StandardLibrary.PatternCost))
        {
            return Faults.Budget;
        }

        if (!BoundedPattern.TryCreate(source, frame.Limits.MaxPatternLength, out pattern, out var problem))
        {
            return CelValue.Error(problem);
        }

        return frame.Charge(pattern.CostOf(text.Length)) ? null : Faults.Budget;
    }
}
