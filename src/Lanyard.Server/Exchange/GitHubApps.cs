using System.Security.Cryptography;
using System.Text.Json;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Exchange;

/// <summary>
/// The GitHub Apps whose installation tokens this server may make: the one case in which it holds a key of somebody else's, off unless a file names them. Keys are read
/// at the start and never leave the process.
/// </summary>
internal sealed class GitHubApps
{
    private readonly IReadOnlyList<GitHubApp> _apps;

    private GitHubApps(IReadOnlyList<GitHubApp> apps) => _apps = apps;

    public static GitHubApps None { get; } = new([]);

    /// <summary>By name; without one, the only one there is.</summary>
    public GitHubApp? Find(string? name) => name is null ? _apps.Count == 1 ? _apps[0] : null : _apps.FirstOrDefault(app => app.Name == name);

    /// <exception cref="InvalidOperationException">The file, or a key that it names, can't be used; every mistake is told.</exception>
    public static GitHubApps Load(string path)
    {
        GitHubAppsFile file;
        try
        {
            file = JsonSerializer.Deserialize(File.ReadAllText(path), GitHubJson.Default.GitHubAppsFile) ?? throw new JsonException("it is null");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"--github-apps {path}: {e.Message}", e);
        }

        var (apps, mistakes) = (new List<GitHubApp>(), new List<string>());
        foreach (var entry in file.Apps)
        {
            if (apps.Exists(app => app.Name == entry.Name)) mistakes.Add($"{entry.Name} stands there twice");
            if (!Uri.TryCreate(entry.ApiUrl ?? "https://api.github.com", UriKind.Absolute, out var api) || !(api.Scheme == "https" || (api.Scheme == "http" && api.IsLoopback)))
                mistakes.Add($"{entry.Name}: apiUrl must be https");
            else if (KeyOf(entry.PrivateKeyFile, out var mistake) is { } key) apps.Add(new GitHubApp(entry.Name, entry.ClientId, key, api.ToString().TrimEnd('/')));
            else mistakes.Add($"{entry.Name}: {mistake}");
        }

        return mistakes.Count == 0 ? new GitHubApps(apps) : throw new InvalidOperationException($"--github-apps {path}: {string.Join("; ", mistakes)}");
    }

    /// <summary>GitHub gives PKCS #1; both forms are taken.</summary>
    private static SigningKey? KeyOf(string path, out string? mistake)
    {
        mistake = null;
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(File.ReadAllText(path));
            var key = SigningKey.FromPem(rsa.ExportPkcs8PrivateKeyPem());
            mistake = key.IsRefused ? key.Refusal.Detail : null;
            return key.IsRefused ? null : key.Value;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            mistake = $"its private key can't be read ({e.GetType().Name})";
            return null;
        }
    }
}

/// <param name="Api">Without a slash at the end.</param>
internal sealed record GitHubApp(string Name, string ClientId, SigningKey Key, string Api)
{
    /// <summary>No part of the key belongs in a log.</summary>
    public override string ToString() => Name;
}
