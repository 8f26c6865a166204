namespace Lanyard.Identity.Cel;

/// <summary>
/// The most that an expression could cost with the largest input there is (<see cref="CelLimits.MaxInput"/>): for a linter that warns of
/// conditions which a hostile token could drive over the budget. The budget itself is kept at run time.
/// </summary>
internal sealed class CostEstimator(CelLimits limits)
{
    private readonly record struct Bound(double Cost, double Size);

    /// <summary>Cost units, rounded up; <see cref="long.MaxValue"/> where the number would not fit.</summary>
    public static long WorstCost(Ast tree, CelLimits limits)
    {
        var cost = Math.Ceiling(new CostEstimator(limits).Estimate(tree).Cost);
        return cost < long.MaxValue ? (long)cost : long.MaxValue;
    }

    private Bound Unknown(double cost) => new(cost, limits.MaxInput);

    private Bound Estimate(Ast tree) => tree switch
    {
        LiteralAst literal => new Bound(0, SizeOf(literal.Value)),
        NameAst => Unknown(1),
        SelectAst select => Unknown(1 + Estimate(select.Operand).Cost),
        IndexAst index => Unknown(1 + Estimate(index.Operand).Cost + Estimate(index.Index).Cost),
        ListAst list => new Bound(10 + list.Items.Sum(i => Estimate(i.Item).Cost), list.Items.Count),
        MapAst map => new Bound(30 + map.Entries.Sum(e => Estimate(e.Key).Cost + Estimate(e.Value).Cost), map.Entries.Count),
        MacroAst macro => EstimateMacro(macro),
        CallAst call => EstimateCall(call),
        _ => throw new InvalidOperationException($"unknown node {tree.GetType().Name}"),
    };

    private static double SizeOf(in CelValue value) => value.Kind switch
    {
        CelKind.String => value.AsString.Length,
        CelKind.Bytes => value.RawBytes.Length,
        _ => 1,
    };

    private Bound EstimateMacro(MacroAst macro)
    {
        var range = Estimate(macro.Range);
        var step = 2 + Estimate(macro.Body).Cost + (macro.Filter is null ? 0 : Estimate(macro.Filter).Cost);

        // An element of JSON and its comma are two characters.
        var count = macro.Kind is MacroKind.OptMap or MacroKind.OptFlatMap ? 1 : macro.Range is ListAst or MapAst ? range.Size : range.Size / 2;
        var isOne = macro.Kind is MacroKind.All or MacroKind.Exists or MacroKind.ExistsOne;
        return new Bound(range.Cost + (count * step), isOne ? 1 : macro.Kind is MacroKind.OptMap or MacroKind.OptFlatMap ? limits.MaxInput : count);
    }

    private Bound EstimateCall(CallAst call)
    {
        if (call.Target is NameAst { Name: "sets" })
        {
            var (left, right) = (Estimate(call.Arguments[0]), Estimate(call.Arguments[^1]));
            return new Bound(1 + left.Cost + right.Cost + (2 * left.Size * right.Size), 1);
        }

        var parts = (call.Target is null ? call.Arguments : [call.Target, .. call.Arguments]).Select(Estimate).ToArray();
        var cost = 1 + parts.Sum(p => p.Cost);
        var first = parts.Length > 0 ? parts[0].Size : 0;
        var second = parts.Length > 1 ? parts[1].Size : 0;
        return call.Function switch
        {
            "_&&_" or "_||_" or "!_" or "-_" => new Bound(cost, 1),
            "_?_:_" => new Bound(cost, Math.Max(second, parts[2].Size)),
            "_==_" or "_!=_" => new Bound(cost + Math.Min(first, second), 1),
            "_+_" => new Bound(cost + first + second, first + second),
            "@in" => new Bound(cost + second, 1),
            "startsWith" or "endsWith" => new Bound(cost + (second / 10), 1),
            "contains" or "indexOf" or "lastIndexOf" or "extract" => new Bound(cost + first + Product(first, second), first),
            "matches" => new Bound(cost + Product(first, second * 4) + (IsLiteral(call) ? 0 : Libraries.StandardLibrary.PatternCost), 1),
            "find" or "findAll" => new Bound(cost + (first * Product(first, second * 4)) + Libraries.StandardLibrary.PatternCost, first),
            "replace" => new Bound(cost + (first * (1 + (parts[2].Size / 10))), Math.Min(CelFrame.MaxSize, first * (1 + parts[2].Size))),
            "join" => new Bound(cost + (limits.MaxInput * (2 + (second / 10))), CelFrame.MaxSize),
            "format" => new Bound(cost + first + (limits.MaxInput * 3.0 * Math.Max(1, second)), CelFrame.MaxSize),
            _ => new Bound(cost + parts.Sum(p => p.Size), Math.Max(first, limits.MaxInput)),
        };
    }

    private static double Product(double text, double part) => (1 + (text / 10)) * (1 + (part / 10));

    private static bool IsLiteral(CallAst call) => call.Arguments[^1] is LiteralAst;
}
