namespace Lanyard.Identity.Cel;

/// <summary>The syntax tree. A position is an offset into the text; a depth counts the node itself.</summary>
internal abstract record Ast(int Position)
{
    public int Depth { get; set; } = 1;
}

internal sealed record LiteralAst(int Position, CelValue Value) : Ast(Position);

/// <summary><see cref="Absolute"/>: written with a leading dot, so that neither container nor locals are looked at.</summary>
internal sealed record NameAst(int Position, string Name, bool Absolute) : Ast(Position);

internal sealed record SelectAst(int Position, Ast Operand, string Member, bool Optional, bool Test = false) : Ast(Position);

internal sealed record IndexAst(int Position, Ast Operand, Ast Index, bool Optional) : Ast(Position);

/// <summary>Operators are calls of functions with names such as <c>_+_</c>.</summary>
internal sealed record CallAst(int Position, string Function, Ast? Target, IReadOnlyList<Ast> Arguments) : Ast(Position);

internal sealed record ListAst(int Position, IReadOnlyList<(Ast Item, bool Optional)> Items) : Ast(Position);

internal sealed record MapAst(int Position, IReadOnlyList<(Ast Key, Ast Value, bool Optional)> Entries) : Ast(Position);

internal enum MacroKind
{
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    TransformMap,
    TransformMapEntry,
    OptMap,
    OptFlatMap,
}

/// <summary>A comprehension, or a macro over an optional: <see cref="Second"/> is the second variable, <see cref="Filter"/> the optional condition.</summary>
internal sealed record MacroAst(int Position, MacroKind Kind, Ast Range, string First, string? Second, Ast? Filter, Ast Body) : Ast(Position);
