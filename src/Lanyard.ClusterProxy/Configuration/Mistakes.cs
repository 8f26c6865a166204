namespace Lanyard.ClusterProxy.Configuration;

/// <summary>Everything wrong with what the operator wrote, each with its place: all at once, so that one reading mends all.</summary>
internal sealed class Mistakes
{
    private readonly List<string> _list = [];

    public IReadOnlyList<string> List => _list;

    public bool Any => _list.Count > 0;

    public void Add(string path, string text) => _list.Add($"{path}: {text}");

    public override string ToString() => string.Join(Environment.NewLine, _list);
}

/// <summary>A configuration that can't be used. The message lists every mistake.</summary>
internal sealed class ConfigurationException(string source, Mistakes mistakes)
    : Exception($"{source} has {mistakes.List.Count} mistake(s):{Environment.NewLine}{string.Join(Environment.NewLine, mistakes.List.Select(m => "  " + m))}");
