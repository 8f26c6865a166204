using Lanyard.ClusterProxy.Configuration;

namespace Lanyard.ClusterProxy;

/// <summary>One flag of the command line.</summary>
/// <param name="IsSwitch">Takes no value.</param>
/// <param name="Repeats">May be given several times; otherwise twice is a mistake.</param>
internal sealed record Flag(string Name, string Help, bool IsSwitch = false, bool Repeats = false);

/// <summary><c>--name value</c> and <c>--name=value</c>, as the Kubernetes components read them. Unknown flags and missing values are all reported.</summary>
internal sealed class CommandLine
{
    private readonly Dictionary<string, List<string>> _values = new(StringComparer.Ordinal);

    public Mistakes Mistakes { get; } = new();

    public static CommandLine Parse(IReadOnlyList<string> arguments, IReadOnlyList<Flag> flags)
    {
        var line = new CommandLine();
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? argument : argument[..equals];
            if (flags.FirstOrDefault(f => f.Name == name) is not { } flag)
            {
                line.Mistakes.Add(name, "unknown argument; see --help");
                continue;
            }

            var value = equals >= 0 ? argument[(equals + 1)..] : flag.IsSwitch ? "true" : i + 1 < arguments.Count ? arguments[++i] : null;
            line.Take(flag, value);
        }

        return line;
    }

    public bool Has(string name) => _values.ContainsKey(name);

    public string? Text(string name) => _values.GetValueOrDefault(name)?[0];

    public IReadOnlyList<string> Texts(string name) => _values.GetValueOrDefault(name) ?? [];

    /// <summary>Values of a flag that takes several with commas between.</summary>
    public IReadOnlyList<string> List(string name) =>
        [.. Texts(name).SelectMany(v => v.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];

    public bool Switch(string name) => Text(name) == "true";

    /// <summary>Reads a value by <paramref name="read"/>, which answers null for one that it can't read.</summary>
    public T? Read<T>(string name, Func<string, T?> read, string wanted)
        where T : class
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        var value = read(text);
        if (value is null)
        {
            Mistakes.Add(name, $"must be {wanted}");
        }

        return value;
    }

    private void Take(Flag flag, string? value)
    {
        if (value is null || (flag.IsSwitch && value is not ("true" or "false")))
        {
            Mistakes.Add(flag.Name, flag.IsSwitch ? "must be true or false" : "needs a value");
            return;
        }

        if (!_values.TryGetValue(flag.Name, out var values))
        {
            _values[flag.Name] = values = [];
        }
        else if (!flag.Repeats)
        {
            Mistakes.Add(flag.Name, "given twice");
        }

        values.Add(value);
    }
}
