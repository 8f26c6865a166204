using Lanyard.ClusterProxy.AccessEntries;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>The files that make the rules. A changed one makes new rules with the other as it last was good; one with mistakes changes nothing.</summary>
internal sealed class AuthenticationFiles
{
    private readonly ClusterProxyOptions _options;
    private readonly Lock _gate = new();
    private IReadOnlyList<JwtAuthenticator> _authenticators = [];
    private IReadOnlyList<AccessEntry>? _entries;

    /// <exception cref="Configuration.ConfigurationException">A file has mistakes.</exception>
    public AuthenticationFiles(ClusterProxyOptions options)
    {
        _options = options;
        _authenticators = options.Oidc is { } oidc ? [oidc] : [];
        Texts = [.. new[] { options.AuthenticationConfig, options.AccessEntries }.OfType<string>().Select(f => (f, File.ReadAllText(f)))];
        foreach (var (file, text) in Texts)
        {
            Take(file, text);
        }
    }

    /// <summary>Files and their content at the start.</summary>
    public IReadOnlyList<(string File, string Text)> Texts { get; }

    public AuthenticationRules Rules => new(_authenticators, _entries, _options.Reserved) { Extras = _options.Extras };

    /// <param name="use">Puts the new rules in force: one change after the other, so that of two files that change together no older rules come last.</param>
    /// <exception cref="Configuration.ConfigurationException">The new content has mistakes; the old stays.</exception>
    public void Change(string file, string text, Action<AuthenticationRules> use)
    {
        lock (_gate)
        {
            Take(file, text);
            use(Rules);
        }
    }

    private void Take(string file, string text)
    {
        if (file == _options.AuthenticationConfig)
        {
            _authenticators = AuthenticationFile.Parse(text, file);
        }
        else
        {
            _entries = AccessEntryFile.Parse(text, file);
        }
    }
}
