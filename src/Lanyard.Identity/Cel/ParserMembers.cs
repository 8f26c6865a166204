namespace Lanyard.Identity.Cel;

/// <summary>Members and primaries: what stands between operators.</summary>
internal sealed partial class Parser
{
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
