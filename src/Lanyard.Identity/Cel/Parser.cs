namespace Lanyard.Identity.Cel;

/// <summary>
/// Reads tokens into a tree by recursive descent. Stops at the first mistake of the grammar (what follows would be guesses);
/// depth and node count are bounded while the tree grows, so that no later pass can overflow the stack.
/// </summary>
internal sealed partial class Parser(List<Token> tokens, CelLimits limits, IssueList issues)
{
    private static readonly HashSet<string> Reserved =
    [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return",
        "var", "void", "while",
    ];

    private static readonly string[][] Levels = [["==", "!=", "<", "<=", ">", ">=", "in"], ["+", "-"], ["*", "/", "%"]];

    private int _at;
    private int _nesting;
    private int _nodes;

    private Token Current => tokens[_at];

    /// <summary>The tree, or null with at least one issue.</summary>
    public Ast? Read()
    {
        try
        {
            var tree = ReadExpression();
            if (Current.Kind != TokenKind.End)
            {
                throw Stop(Current.Start, $"unexpected '{Current.Text}'");
            }

            return tree;
        }
        catch (StopException stop)
        {
            issues.Add(stop.Position, stop.Message);
            return null;
        }
    }

    private static StopException Stop(int position, string text) => new(position, text);

    private bool Is(string sign) => Current.Kind == TokenKind.Sign && Current.Text == sign;

    private bool IsWord(string word) => Current.Kind == TokenKind.Word && Current.Text == word;

    private bool Take(string sign)
    {
        if (!Is(sign))
        {
            return false;
        }

        _at++;
        return true;
    }

    private void Expect(string sign)
    {
        if (!Take(sign))
        {
            throw Stop(Current.Start, $"expected '{sign}', found '{Current.Text}'");
        }
    }

    private T Grow<T>(T node, params ReadOnlySpan<Ast?> children)
        where T : Ast
    {
        var depth = 0;
        foreach (var child in children)
        {
            depth = Math.Max(depth, child?.Depth ?? 0);
        }

        if (depth + 1 > limits.MaxDepth)
        {
            throw Stop(node.Position, $"the expression nests deeper than {limits.MaxDepth}");
        }

        node.Depth = depth + 1;
        return ++_nodes <= limits.MaxNodes ? node : throw Stop(node.Position, $"the expression has more than {limits.MaxNodes} nodes");
    }

    private Ast ReadExpression()
    {
        if (++_nesting > limits.MaxDepth)
        {
            throw Stop(Current.Start, $"the expression nests deeper than {limits.MaxDepth}");
        }

        var condition = ReadChain("||", "_||_", () => ReadChain("&&", "_&&_", () => ReadBinary(0)));
        var position = Current.Start;
        if (Take("?"))
        {
            var then = ReadChain("||", "_||_", () => ReadChain("&&", "_&&_", () => ReadBinary(0)));
            Expect(":");
            var otherwise = ReadExpression();
            condition = Grow(new CallAst(position, "_?_:_", null, [condition, then, otherwise]), condition, then, otherwise);
        }

        _nesting--;
        return condition;
    }

    // One flat node for a chain: a policy with two hundred alternatives is not two hundred levels deep.
    private Ast ReadChain(string sign, string function, Func<Ast> readNext)
    {
        var first = readNext();
        var position = Current.Start;
        if (!Is(sign))
        {
            return first;
        }

        List<Ast> parts = [first];
        while (Take(sign))
        {
            parts.Add(readNext());
        }

        return Grow(new CallAst(position, function, null, parts), [.. parts]);
    }

    private Ast ReadBinary(int level)
    {
        if (level == Levels.Length)
        {
            return ReadUnary();
        }

        var left = ReadBinary(level + 1);
        while (Current.Kind is TokenKind.Sign or TokenKind.Word && Array.IndexOf(Levels[level], Current.Text) >= 0)
        {
            var sign = Current;
            _at++;
            var right = ReadBinary(level + 1);
            left = Grow(new CallAst(sign.Start, sign.Text == "in" ? "@in" : $"_{sign.Text}_", null, [left, right]), left, right);
        }

        return left;
    }

    private Ast ReadUnary()
    {
        var position = Current.Start;
        var sign = Is("!") ? "!" : Is("-") ? "-" : "";
        var count = 0;
        while (sign.Length > 0 && Take(sign))
        {
            count++;
        }

        // The sign belongs to the number: the smallest int has no positive twin.
        var negative = sign == "-" && Current.Kind is TokenKind.Int or TokenKind.Double;
        var operand = ReadMember(negative);
        count -= negative ? 1 : 0;
        return count % 2 == 0 && (count == 0 || sign == "-")
            ? operand
            : Negate(position, sign, count, operand);
    }

    private Ast Negate(int position, string sign, int count, Ast operand)
    {
        var function = sign == "!" ? "!_" : "-_";
        for (var n = sign == "!" && count % 2 == 0 ? 2 : 1; n > 0; n--)
        {
            operand = Grow(new CallAst(position, function, null, [operand]), operand);
        }

        return operand;
    }
}

/// <summary>Leaves the recursive descent at the first mistake; never leaves the parser.</summary>
internal sealed class StopException(int position, string message) : Exception(message)
{
    public int Position => position;
}
