using System.Diagnostics.CodeAnalysis;

namespace Lanyard.Identity;

/// <summary>
/// A value or a <see cref="Refusal"/>, never both and never neither. Expected failures flow as values;
/// exceptions are bugs or outages.
/// </summary>
public readonly struct Outcome<T>
    where T : notnull
{
    private readonly T? _value;
    private readonly Refusal? _refusal;

    internal Outcome(T? value, Refusal? refusal)
    {
        _value = value;
        _refusal = refusal;
    }

    public bool IsRefused => _refusal is not null;

    /// <exception cref="InvalidOperationException">The outcome is a refusal: a caller must look first.</exception>
    public T Value => _refusal is null && _value is not null ? _value : throw new InvalidOperationException($"refused: {_refusal}");

    /// <exception cref="InvalidOperationException">The outcome is a value.</exception>
    public Refusal Refusal => _refusal ?? throw new InvalidOperationException("not refused");

    public bool TryGet([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out Refusal? refusal)
    {
        value = _value;
        refusal = _refusal;
        return refusal is null;
    }

    public static implicit operator Outcome<T>(T value) => new(value, null);

    public static implicit operator Outcome<T>(Refusal refusal) => new(default, refusal);
}

public static class Outcome
{
    /// <summary>For values of interface types, from which C# has no implicit conversion.</summary>
    public static Outcome<T> Of<T>(T value)
        where T : notnull => new(value, null);
}
