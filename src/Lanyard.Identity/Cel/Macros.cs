using System.Globalization;

namespace Lanyard.Identity.Cel;

/// <summary>Calls that the parser turns into comprehensions: their arguments are expressions, not values.</summary>
internal static class Macros
{
    /// <summary>The comprehension that a member call stands for, or null when it is an ordinary call.</summary>
    public static MacroAst? Expand(string name, Ast range, List<Ast> arguments, int position, Func<int, string, Exception> stop)
    {
        var macro = (name, arguments.Count) switch
        {
            ("all", 2 or 3) => Make(MacroKind.All, arguments.Count - 1),
            ("exists", 2 or 3) => Make(MacroKind.Exists, arguments.Count - 1),
            ("exists_one" or "existsOne", 2 or 3) => Make(MacroKind.ExistsOne, arguments.Count - 1),
            ("filter", 2) => Make(MacroKind.Filter, 1),
            ("map", 2) => Make(MacroKind.Map, 1),
            ("map", 3) => Make(MacroKind.Map, 1, filtered: true),
            ("transformList", 3) => Make(MacroKind.Map, 2),
            ("transformList", 4) => Make(MacroKind.Map, 2, filtered: true),
            ("transformMap", 3) => Make(MacroKind.TransformMap, 2),
            ("transformMap", 4) => Make(MacroKind.TransformMap, 2, filtered: true),
            ("transformMapEntry", 3) => Make(MacroKind.TransformMapEntry, 2),
            ("transformMapEntry", 4) => Make(MacroKind.TransformMapEntry, 2, filtered: true),
            ("optMap", 2) => Make(MacroKind.OptMap, 1),
            ("optFlatMap", 2) => Make(MacroKind.OptFlatMap, 1),
            _ => null,
        };

        return macro is { Second: not null } && macro.First == macro.Second
            ? throw stop(position, $"the two variables of {name} must differ")
            : macro;

        MacroAst Make(MacroKind kind, int variables, bool filtered = false) => new(
            position,
            kind,
            range,
            Variable(arguments[0], stop),
            variables == 2 ? Variable(arguments[1], stop) : null,
            filtered ? arguments[variables] : null,
            arguments[^1]);
    }

    public static SelectAst Has(List<Ast> arguments, int position, Func<int, string, Exception> stop) =>
        arguments is [SelectAst { Test: false, Optional: false } select]
            ? select with { Test = true }
            : throw stop(position, "has() takes one member selection, as in has(claims.sub)");

    private static string Variable(Ast argument, Func<int, string, Exception> stop) =>
        argument is NameAst { Absolute: false } name ? name.Name : throw stop(argument.Position, "expected the name of a variable");
}

/// <summary>Numbers of the text as values; out of range is a mistake of the text.</summary>
internal static class Literals
{
    public static CelValue Read(Token token, bool negative, IssueList issues) => token.Kind switch
    {
        TokenKind.String => CelValue.Of(token.Text),
        TokenKind.Bytes => CelValue.Of(token.Bytes!),
        TokenKind.Double => ReadDouble(token, negative, issues),
        TokenKind.Uint => TryParse(token.Text, out var unsigned) ? CelValue.Of(unsigned) : OutOfRange(token, "uint", issues),
        _ => ReadInt(token, negative, issues),
    };

    private static CelValue ReadInt(Token token, bool negative, IssueList issues)
    {
        var most = negative ? 1UL << 63 : long.MaxValue;
        return TryParse(token.Text, out var digits) && digits <= most
            ? CelValue.Of(negative ? unchecked(-(long)digits) : (long)digits)
            : OutOfRange(token, "int", issues);
    }

    private static CelValue ReadDouble(Token token, bool negative, IssueList issues)
    {
        var value = double.Parse(token.Text, NumberStyles.Float, CultureInfo.InvariantCulture);
        return double.IsFinite(value) ? CelValue.Of(negative ? -value : value) : OutOfRange(token, "double", issues);
    }

    private static CelValue OutOfRange(Token token, string type, IssueList issues)
    {
        issues.Add(token.Start, $"'{token.Text}' is out of the range of {type}");
        return CelValue.Null;
    }

    private static bool TryParse(string text, out ulong value) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
