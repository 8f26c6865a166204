using Lanyard.Identity.Cel.Libraries;

namespace Lanyard.Identity.Cel;

/// <summary>
/// What an expression may speak of: variables with their types, libraries, and the container that names are first looked up in.
/// Immutable; compiled programs belong to the environment they were compiled for.
/// </summary>
public sealed class CelEnvironment
{
    private readonly Dictionary<string, (int Slot, CelType Type)> _variables = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Name, bool Receiver, int Count), CelOverload[]> _functions;
    private readonly HashSet<string> _names;
    private readonly Dictionary<string, CelType> _types;
    private readonly CelValue[] _noValues;

    public CelEnvironment(IEnumerable<KeyValuePair<string, CelType>> variables, params IEnumerable<CelLibrary> libraries)
    {
        foreach (var (name, type) in variables)
        {
            _variables.Add(name, (_variables.Count, type));
        }

        _noValues = [.. _variables.OrderBy(v => v.Value.Slot).Select(v => CelValue.Error($"no such attribute: {v.Key} has no value here"))];
        CelLibrary[] all = [StandardLibrary.Core, StandardLibrary.Conversions, StandardLibrary.Times, .. libraries];
        var overloads = all.SelectMany(l => l.Overloads).ToArray();
        _functions = overloads.GroupBy(o => (o.Name, o.IsReceiver, o.Parameters.Count)).ToDictionary(g => g.Key, g => g.ToArray());
        _names = overloads.Select(o => o.Name).ToHashSet(StringComparer.Ordinal);
        _types = all.SelectMany(l => l.Types).ToDictionary(t => t.Name, StringComparer.Ordinal);
    }

    /// <summary>Limits of programs compiled here; an evaluation may be given tighter ones.</summary>
    public CelLimits Limits { get; init; } = CelLimits.Default;

    /// <summary>Refuses lists and maps of mixed types, as Kubernetes does.</summary>
    public bool HomogeneousLiterals { get; init; }

    /// <summary>A dotted name whose members can be written without it.</summary>
    public string Container { get; init; } = "";

    /// <summary>Types are left to the run time; for conformance tests only.</summary>
    internal bool Unchecked { get; init; }

    internal int VariableCount => _variables.Count;

    /// <summary>Parses, checks and compiles. Every mistake that can be told apart is listed, with line and column.</summary>
    public CelCompilation Compile(string expression) => Compiler.Compile(expression, this);

    /// <summary>The slot of a variable in activations.</summary>
    /// <exception cref="ArgumentException">The environment has no such variable.</exception>
    internal int SlotOf(string name) =>
        _variables.TryGetValue(name, out var variable) ? variable.Slot : throw new ArgumentException($"no variable '{name}' is declared", nameof(name));

    /// <summary>For each variable the error that stands for it until it has a value.</summary>
    internal CelValue[] NoValues() => (CelValue[])_noValues.Clone();

    internal bool TryFindVariable(string name, out int slot, out CelType type)
    {
        var found = _variables.TryGetValue(name, out var variable);
        (slot, type) = found ? variable : (-1, CelType.Dyn);
        return found;
    }

    internal CelType? FindType(string name) => _types.GetValueOrDefault(name);

    internal bool HasFunction(string name) => _names.Contains(name);

    internal IReadOnlyList<CelOverload> FindFunctions(string name, bool receiver, int count) =>
        _functions.TryGetValue((name, receiver, count), out var found) ? found : [];

    /// <summary>The full names that a name may stand for, the innermost first.</summary>
    internal IEnumerable<string> Candidates(string name)
    {
        for (var scope = Container; scope.Length > 0; scope = scope.LastIndexOf('.') is var dot and >= 0 ? scope[..dot] : "")
        {
            yield return $"{scope}.{name}";
        }

        yield return name;
    }
}

/// <summary>The values of an environment's variables for evaluations. Set before use; then any number of threads may evaluate with it.</summary>
public sealed class CelActivation
{
    private readonly CelEnvironment _environment;

    public CelActivation(CelEnvironment environment)
    {
        _environment = environment;
        Values = environment.NoValues();
    }

    internal CelValue[] Values { get; }

    /// <exception cref="ArgumentException">The environment has no such variable.</exception>
    public CelActivation Set(string variable, CelValue value)
    {
        Values[_environment.SlotOf(variable)] = value;
        return this;
    }
}
