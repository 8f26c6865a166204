namespace Lanyard.Identity.Cel;

/// <summary>
/// Reads tokens into a tree by recursive descent. Stops at the first mistake of the grammar (what follows would be guesses);
/// depth and node count are bounded while the tree grows, so that no later pass can overflow the stack.
/// </summary>
internal sealed class Parser(List<Token> tokens, CelLimits limits, IssueList issues)
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

    private Ast ReadMember(bool negative)
    {
        var operand = ReadPrimary(negative);
        while (true)
        {
            var position = Current.Start;
            if (Take("."))
            {
                operand = ReadSelection(operand, position);
            }
            else if (Take("["))
            {
                var optional = Take("?");
                var index = ReadExpression();
                Expect("]");
                operand = Grow(new IndexAst(position, operand, index, optional), operand, index);
            }
            else if (Is("{") && operand is NameAst or SelectAst)
            {
                throw Stop(position, "messages can't be made here: the environment knows no message types");
            }
            else
            {
                return operand;
            }
        }
    }

    private Ast ReadSelection(Ast operand, int position)
    {
        var optional = Take("?");
        var name = Current;
        _at++;
        if (name.Kind == TokenKind.Quoted || (name.Kind == TokenKind.Word && !IsKeyword(name.Text) && (optional || !Is("("))))
        {
            return Grow(new SelectAst(position, operand, name.Text, optional), operand);
        }

        if (name.Kind != TokenKind.Word || IsKeyword(name.Text) || optional)
        {
            throw Stop(name.Start, $"expected a member name, found '{name.Text}'");
        }

        Expect("(");
        var arguments = ReadList(")", ReadExpression);
        return Macros.Expand(name.Text, operand, arguments, name.Start, Stop) is { } macro
            ? Grow(macro, [operand, .. arguments])
            : Grow(new CallAst(name.Start, name.Text, operand, arguments), [operand, .. arguments]);
    }

    private static bool IsKeyword(string word) => word is "in" or "true" or "false" or "null";

    private Ast ReadPrimary(bool negative)
    {
        var token = Current;
        switch (token.Kind)
        {
            case TokenKind.Int or TokenKind.Uint or TokenKind.Double or TokenKind.String or TokenKind.Bytes:
                _at++;
                return Grow(new LiteralAst(token.Start, Literals.Read(token, negative, issues)));
            case TokenKind.Word:
                return ReadWord(absolute: false);
            default:
                return ReadBracketed(token);
        }
    }

    private Ast ReadBracketed(Token token)
    {
        if (Take("("))
        {
            var inner = ReadExpression();
            Expect(")");
            return inner;
        }

        if (Take("["))
        {
            var items = ReadList("]", () => (Optional: Take("?"), Item: ReadExpression()));
            return Grow(new ListAst(token.Start, [.. items.Select(i => (i.Item, i.Optional))]), [.. items.Select(i => i.Item)]);
        }

        if (Take("{"))
        {
            var entries = ReadList("}", ReadEntry);
            return Grow(new MapAst(token.Start, entries), [.. entries.Select(e => e.Key), .. entries.Select(e => e.Value)]);
        }

        return Take(".") && Current.Kind == TokenKind.Word
            ? ReadWord(absolute: true)
            : throw Stop(token.Start, $"unexpected '{token.Text}'");
    }

    private (Ast Key, Ast Value, bool Optional) ReadEntry()
    {
        var optional = Take("?");
        var key = ReadExpression();
        Expect(":");
        return (key, ReadExpression(), optional);
    }

    private Ast ReadWord(bool absolute)
    {
        var word = Current;
        _at++;
        if (!absolute && word.Text is "true" or "false" or "null")
        {
            var value = word.Text == "null" ? CelValue.Null : CelValue.Of(word.Text == "true");
            return Grow(new LiteralAst(word.Start, value));
        }

        if (word.Text == "in" || Reserved.Contains(word.Text))
        {
            throw Stop(word.Start, $"'{word.Text}' is a reserved word");
        }

        if (!Take("("))
        {
            return Grow(new NameAst(word.Start, word.Text, absolute));
        }

        var arguments = ReadList(")", ReadExpression);
        if (word.Text == "has" && !absolute)
        {
            return Grow(Macros.Has(arguments, word.Start, Stop));
        }

        return Grow(new CallAst(word.Start, word.Text, null, arguments), [.. arguments]);
    }

    private void RefuseTrailingComma(string close)
    {
        if (close == ")" && Is(close))
        {
            throw Stop(Current.Start, "expected an argument after ','");
        }
    }

    private List<T> ReadList<T>(string close, Func<T> readItem)
    {
        List<T> items = [];
        while (!Take(close))
        {
            items.Add(readItem());
            if (!Is(close))
            {
                Expect(",");
                RefuseTrailingComma(close);
            }
        }

        return items;
    }
}

/// <summary>Leaves the recursive descent at the first mistake; never leaves the parser.</summary>
internal sealed class StopException(int position, string message) : Exception(message)
{
    public int Position => position;
}
