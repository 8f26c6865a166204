using System.Runtime.CompilerServices;
using System.Text;

namespace Lanyard.Server.Storage;

/// <summary>
/// A statement written as an interpolated string: <c>$"select … where id = {id}"</c>. Every hole becomes a parameter, so that no value
/// can turn into SQL; raw text enters only as a <see cref="SqlFragment"/> of the dialect, and a hole of type <see cref="SqlPart"/> is a
/// part of the statement. There is no conversion from string.
/// </summary>
/// <remarks>
/// Parameters are <c>$1, $2 …</c>, which PostgreSQL takes as positions and SQLite as names. Times become Unix milliseconds.
/// </remarks>
[InterpolatedStringHandler]
internal sealed class Sql
{
    private readonly List<Piece> _pieces;

    public Sql(int literalLength, int formattedCount)
    {
        _ = literalLength;
        _pieces = new List<Piece>((formattedCount * 2) + 1);
    }

    /// <summary>An empty part, for a condition that is absent.</summary>
    public static SqlPart Empty => new(new Sql(0, 0));

    /// <summary>It changes one row; that it does not is rare, and costs another try.</summary>
    public bool ChangesOne { get; private set; }

    /// <summary>It may be one statement with others of its text.</summary>
    public bool IsOneOfMany { get; private set; }

    /// <summary>
    /// This as a part of another statement. A type of its own, because the compiler would take an interpolated string in a hole
    /// for a statement rather than for a value.
    /// </summary>
    public SqlPart Part => new(this);

    public void AppendLiteral(string value) => _pieces.Add(new Piece(value, default));

    public void AppendFormatted(SqlFragment value) => _pieces.Add(new Piece(value.Text ?? "", default));

    public void AppendFormatted(SqlPart value) => _pieces.AddRange(value.Sql._pieces);

    public void AppendFormatted(string? value) => Add(SqlType.Text, value);

    public void AppendFormatted(long value) => Add(SqlType.Bigint, value);

    public void AppendFormatted(long? value) => Add(SqlType.Bigint, value);

    public void AppendFormatted(int value) => Add(SqlType.Bigint, (long)value);

    public void AppendFormatted(int? value) => Add(SqlType.Bigint, (long?)value);

    public void AppendFormatted(bool value) => Add(SqlType.Boolean, value);

    public void AppendFormatted(bool? value) => Add(SqlType.Boolean, value);

    public void AppendFormatted(byte[]? value) => Add(SqlType.Bytes, value);

    public void AppendFormatted(DateTimeOffset value) => Add(SqlType.Bigint, value.ToUnixTimeMilliseconds());

    public void AppendFormatted(DateTimeOffset? value) => Add(SqlType.Bigint, value?.ToUnixTimeMilliseconds());

    /// <summary>For <c>in ({values})</c>. The text differs with the count, so keep lists short; an empty list matches nothing.</summary>
    public void AppendFormatted(IReadOnlyList<string> values)
    {
        if (values.Count == 0)
        {
            AppendLiteral("null");
        }

        for (var i = 0; i < values.Count; i++)
        {
            if (i > 0)
            {
                AppendLiteral(", ");
            }

            Add(SqlType.Text, values[i]);
        }
    }

    /// <summary>This, said to change one row (an <c>update</c>, or an <c>insert</c> without <c>on conflict</c>): others need not wait for its count.</summary>
    public Sql ChangingOne()
    {
        ChangesOne = true;
        return this;
    }

    /// <summary>
    /// As <see cref="ChangingOne"/>, for a plain <c>update … set … where</c> or <c>insert … values</c> whose order among others of its text does not matter: PostgreSQL is told many of
    /// them as one statement.
    /// </summary>
    public Sql OneOfMany()
    {
        (ChangesOne, IsOneOfMany) = (true, true);
        return this;
    }

    /// <summary>The same words, of whatever values.</summary>
    internal bool HasTextOf(Sql other)
    {
        if (_pieces.Count != other._pieces.Count)
        {
            return false;
        }

        for (var i = 0; i < _pieces.Count; i++)
        {
            if (!string.Equals(_pieces[i].Text, other._pieces[i].Text, StringComparison.Ordinal) || _pieces[i].Value.Type != other._pieces[i].Value.Type)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The statement with something of the caller's in the place of each value, and the values.</summary>
    internal (string Text, List<SqlValue> Values) Build(Func<int, string> place)
    {
        var text = new StringBuilder(512);
        var values = Values().ToList();
        var at = 0;
        foreach (var piece in _pieces)
        {
            text.Append(piece.Text ?? place(at++));
        }

        return (text.ToString(), values);
    }

    internal IEnumerable<SqlValue> Values() => _pieces.Where(static piece => piece.Text is null).Select(static piece => piece.Value);

    /// <summary>The statement's text and its parameters in order.</summary>
    public SqlText Build()
    {
        var text = new StringBuilder(256);
        var values = new List<SqlValue>(_pieces.Count / 2);
        foreach (var piece in _pieces)
        {
            if (piece.Text is not null)
            {
                text.Append(piece.Text);
                continue;
            }

            values.Add(piece.Value);
            text.Append('$').Append(values.Count);
        }

        return new SqlText(text.ToString(), values);
    }

    private void Add(SqlType type, object? value) => _pieces.Add(new Piece(null, new SqlValue(type, value)));

    private readonly record struct Piece(string? Text, SqlValue Value);
}

/// <summary>Raw text that belongs to a dialect. Only <see cref="Database"/> makes one.</summary>
internal readonly record struct SqlFragment
{
    internal SqlFragment(string text) => Text = text;

    public string Text { get; }
}

/// <summary>A part of a statement, such as a condition that may be absent, with parameters of its own.</summary>
internal readonly record struct SqlPart
{
    internal SqlPart(Sql sql) => Sql = sql;

    internal Sql Sql { get; }
}

internal enum SqlType
{
    Text,
    Bigint,
    Boolean,
    Bytes,
}

internal readonly record struct SqlValue(SqlType Type, object? Value);

internal readonly record struct SqlText(string Text, List<SqlValue> Values)
{
    /// <summary>A statement that must go to SQLite's one writer. A <c>with … update</c> is not seen: run it in a transaction.</summary>
    public bool IsWrite
    {
        get
        {
            var text = Text.AsSpan().TrimStart();
            return text.StartsWith("insert", StringComparison.OrdinalIgnoreCase)
                || text.StartsWith("update", StringComparison.OrdinalIgnoreCase)
                || text.StartsWith("delete", StringComparison.OrdinalIgnoreCase);
        }
    }
}
