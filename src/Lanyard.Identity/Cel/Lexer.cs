using System.Globalization;

namespace Lanyard.Identity.Cel;

internal enum TokenKind
{
    End,
    Word,
    Quoted,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Sign,
}

/// <summary>A piece of the text. <see cref="Text"/> of a number is its digits (a leading <c>0x</c> kept), of a literal its content.</summary>
internal readonly record struct Token(TokenKind Kind, int Start, string Text, byte[]? Bytes = null);

/// <summary>Cuts an expression into tokens, after the grammar of the language definition.</summary>
internal sealed class Lexer(string source, IssueList issues)
{
    private static readonly string[] Pairs = ["==", "!=", "<=", ">=", "&&", "||"];

    private readonly List<Token> _tokens = [];
    private int _at;

    public List<Token> Read()
    {
        while (SkipBlank())
        {
            ReadToken();
        }

        _tokens.Add(new Token(TokenKind.End, source.Length, "end of expression"));
        return _tokens;
    }

    private static bool IsWordStart(char c) => char.IsAsciiLetter(c) || c == '_';

    private static bool IsWordPart(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';

    private char Peek(int ahead = 0) => _at + ahead < source.Length ? source[_at + ahead] : '\0';

    private bool SkipBlank()
    {
        while (_at < source.Length)
        {
            if (source[_at] is ' ' or '\t' or '\n' or '\r' or '\f')
            {
                _at++;
            }
            else if (source[_at] == '/' && Peek(1) == '/')
            {
                var end = source.IndexOf('\n', _at);
                _at = end < 0 ? source.Length : end + 1;
            }
            else
            {
                return true;
            }
        }

        return false;
    }

    private void ReadToken()
    {
        var c = source[_at];
        if (IsWordStart(c))
        {
            ReadWordOrLiteral();
        }
        else if (char.IsAsciiDigit(c) || (c == '.' && char.IsAsciiDigit(Peek(1))))
        {
            ReadNumber();
        }
        else if (c is '"' or '\'')
        {
            ReadLiteral(_at, raw: false, bytes: false);
        }
        else if (c == '`')
        {
            ReadQuoted();
        }
        else
        {
            ReadSign();
        }
    }

    private void ReadWordOrLiteral()
    {
        var start = _at;
        while (IsWordPart(Peek()))
        {
            _at++;
        }

        var word = source[start.._at];
        if (Peek() is '"' or '\'' && word.ToLowerInvariant() is "r" or "b" or "rb" or "br")
        {
            ReadLiteral(start, word.Contains('r', StringComparison.OrdinalIgnoreCase), word.Contains('b', StringComparison.OrdinalIgnoreCase));
            return;
        }

        _tokens.Add(new Token(TokenKind.Word, start, word));
    }

    private void ReadQuoted()
    {
        var start = _at;
        var end = source.IndexOf('`', _at + 1);
        var name = end < 0 ? "" : source[(_at + 1)..end];
        _at = end < 0 ? source.Length : end + 1;
        if (name.Length == 0 || name.AsSpan().ContainsAnyExcept(QuotedCharacters))
        {
            issues.Add(start, "a quoted member name holds letters, digits, '_', '.', '-', '/' and blanks only");
        }

        _tokens.Add(new Token(TokenKind.Quoted, start, name));
    }

    private static readonly System.Buffers.SearchValues<char> QuotedCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/ ");

    private void ReadSign()
    {
        foreach (var pair in Pairs)
        {
            if (source.AsSpan(_at).StartsWith(pair, StringComparison.Ordinal))
            {
                _tokens.Add(new Token(TokenKind.Sign, _at, pair));
                _at += 2;
                return;
            }
        }

        if ("<>+-*/%!?:.,()[]{}".Contains(source[_at], StringComparison.Ordinal))
        {
            _tokens.Add(new Token(TokenKind.Sign, _at, source[_at].ToString()));
        }
        else
        {
            issues.Add(_at, $"unexpected character U+{(int)source[_at]:X4}");
        }

        _at++;
    }

    private void ReadNumber()
    {
        var start = _at;
        if (Peek() == '0' && Peek(1) is 'x' or 'X')
        {
            _at += 2;
            SkipWhile(char.IsAsciiHexDigit);
            FinishInteger(start);
            return;
        }

        SkipWhile(char.IsAsciiDigit);
        var isDouble = false;
        if (Peek() == '.' && char.IsAsciiDigit(Peek(1)))
        {
            isDouble = true;
            _at++;
            SkipWhile(char.IsAsciiDigit);
        }

        var sign = Peek(1) is '+' or '-' ? 1 : 0;
        if (Peek() is 'e' or 'E' && char.IsAsciiDigit(Peek(1 + sign)))
        {
            isDouble = true;
            _at += 1 + sign;
            SkipWhile(char.IsAsciiDigit);
        }

        if (isDouble)
        {
            AddNumber(TokenKind.Double, start, source[start.._at]);
        }
        else
        {
            FinishInteger(start);
        }
    }

    private void FinishInteger(int start)
    {
        var text = source[start.._at];
        var unsigned = Peek() is 'u' or 'U';
        _at += unsigned ? 1 : 0;
        AddNumber(unsigned ? TokenKind.Uint : TokenKind.Int, start, text);
    }

    private void AddNumber(TokenKind kind, int start, string text)
    {
        if (IsWordPart(Peek()))
        {
            issues.Add(start, string.Create(CultureInfo.InvariantCulture, $"'{text}{Peek()}' is not a number"));
            SkipWhile(IsWordPart);
        }

        _tokens.Add(new Token(kind, start, text));
    }

    private void SkipWhile(Func<char, bool> match)
    {
        while (_at < source.Length && match(source[_at]))
        {
            _at++;
        }
    }

    private void ReadLiteral(int start, bool raw, bool bytes)
    {
        var quote = source[_at];
        var fence = source.AsSpan(_at).StartsWith([quote, quote, quote], StringComparison.Ordinal) ? 3 : 1;
        _at += fence;
        var from = _at;
        while (_at < source.Length && !AtFence(quote, fence))
        {
            if (fence == 1 && source[_at] is '\n' or '\r')
            {
                break;
            }

            _at += source[_at] == '\\' ? 2 : 1;
        }

        if (!AtFence(quote, fence))
        {
            issues.Add(start, "the string is not closed");
            _at = Math.Min(_at, source.Length);
            return;
        }

        var reader = new LiteralReader(source.AsSpan(from, _at - from), from, raw, bytes, issues);
        _at += fence;
        _tokens.Add(bytes ? new Token(TokenKind.Bytes, start, "", reader.ReadBytes()) : new Token(TokenKind.String, start, reader.ReadText()));
    }

    private bool AtFence(char quote, int fence) =>
        _at + fence <= source.Length && source.AsSpan(_at, fence).IndexOfAnyExcept(quote) < 0;
}
