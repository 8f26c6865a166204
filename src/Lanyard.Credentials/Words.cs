namespace Lanyard.Credentials;

/// <summary>
/// A command's options, read strictly: each at most once, <c>--name value</c> or <c>--name=value</c>; what follows <c>--</c> is kept as it is.
/// All mistakes are collected, and none repeats a value: a token that was pasted into the wrong place must not reach a log.
/// </summary>
internal sealed class Words
{
    private const int MaxValue = 4096;
    private readonly Dictionary<string, string> _values = [];

    /// <summary>What follows <c>--</c>; null when there was none.</summary>
    public string[]? Rest { get; private set; }

    public List<string> Mistakes { get; } = [];

    /// <param name="names">The options that exist; one that ends with <c>!</c> takes no value.</param>
    public static Words Parse(ReadOnlySpan<string> args, params string[] names)
    {
        var words = new Words();
        for (var index = 0; index < args.Length; index++)
        {
            if (args[index] == "--")
            {
                words.Rest = args[(index + 1)..].ToArray();
                break;
            }

            words.Take(args, ref index, names);
        }

        return words;
    }

    /// <summary>The option's value, or else the first of these variables that is set and not empty.</summary>
    public string? Text(string name, Func<string, string?> environment, params string[] variables) =>
        _values.GetValueOrDefault(name) ?? variables.Select(environment).FirstOrDefault(static value => !string.IsNullOrEmpty(value));

    public bool Has(string name) => _values.ContainsKey(name);

    /// <summary>An argument that nobody knows, by its name where it can only be one, and else by its number: it may be a token.</summary>
    public static string Unknown(string name, int number) => IsName(name) ? $"unknown option {name}" : $"unknown argument number {number}";

    private static bool IsName(string text) =>
        text.Length is > 2 and <= 32 && text.StartsWith("--", StringComparison.Ordinal) && text.All(static sign => sign is (>= 'a' and <= 'z') or '-');

    private void Take(ReadOnlySpan<string> args, ref int index, string[] names)
    {
        var equals = args[index].IndexOf('=', StringComparison.Ordinal);
        var (name, value) = equals > 0 ? (args[index][..equals], args[index][(equals + 1)..]) : (args[index], null);
        var isSwitch = names.Contains(name + "!");
        if (!isSwitch && !names.Contains(name))
        {
            Mistakes.Add(Unknown(name, index + 1));
            if (IsName(name) && value is null && index + 1 < args.Length && !args[index + 1].StartsWith('-')) index++; // its value is no second mistake
            return;
        }

        if (!isSwitch && value is null && index + 1 < args.Length)
        {
            value = args[++index];
        }

        if (isSwitch ? value is not null : string.IsNullOrEmpty(value) || value.Length > MaxValue || value.Any(char.IsControl))
        {
            Mistakes.Add(isSwitch ? $"{name} takes no value" : $"{name} needs a value of at most {MaxValue} characters on one line");
        }
        else if (!_values.TryAdd(name, value ?? ""))
        {
            Mistakes.Add($"{name} is given twice");
        }
    }
}
