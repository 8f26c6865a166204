using System.Security.Cryptography;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Exchange;

/// <summary>
/// The GitHub Apps whose installation tokens this server may make: the one case in which it uses a key of somebody else's, off unless a file names them. Keys are read
/// at the start and never leave the process, or stay in a KMS.
/// </summary>
internal sealed class GitHubApps
{
    private readonly IReadOnlyList<GitHubApp> _apps;

    private GitHubApps(IReadOnlyList<GitHubApp> apps) => _apps = apps;

    public static GitHubApps None { get; } = new([]);

    /// <summary>By name; without one, the only one there is.</summary>
    public GitHubApp? Find(string? name) => name is null ? _apps.Count == 1 ? _apps[0] : null : _apps.FirstOrDefault(app => app.Name == name);

    /// <exception cref="InvalidOperationException">The file, or a key that it names, can't be used; every mistake is told.</exception>
    public static GitHubApps Load(string path, AwsKms kms)
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
            else if (SignatureOf(entry, kms, out var mistake) is { } sign) apps.Add(new GitHubApp(entry.Name, entry.ClientId, sign, api.ToString().TrimEnd('/')));
            else mistakes.Add($"{entry.Name}: {mistake}");
        }

        return mistakes.Count == 0 ? new GitHubApps(apps) : throw new InvalidOperationException($"--github-apps {path}: {string.Join("; ", mistakes)}");
    }

    private static AppSignature? SignatureOf(GitHubAppEntry entry, AwsKms kms, out string? mistake)
    {
        mistake = null;
        if (entry is { PrivateKeyFile: null, KmsKey: { } arn } && AwsKms.RegionOf(arn) is not null) return (input, cancellation) => kms.SignAsync(arn, input, cancellation);
        if (entry is { PrivateKeyFile: { } file, KmsKey: null })
        {
            if (KeyOf(file, out mistake) is not { } key) return null;
            return (input, _) =>
            {
                var signature = new byte[key.SignatureLength];
                key.Sign(input.Span, signature);
                return Task.FromResult<Outcome<byte[]>>(signature);
            };
        }

        mistake = entry.KmsKey is null == entry.PrivateKeyFile is null ? "either privateKeyFile or kmsKey" : "kmsKey must be the ARN of a key of AWS KMS";
        return null;
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

/// <summary>RS256 over an input, by a key in this process or in a KMS.</summary>
internal delegate Task<Outcome<byte[]>> AppSignature(ReadOnlyMemory<byte> input, CancellationToken cancellation);

/// <param name="Api">Without a slash at the end.</param>
internal sealed record GitHubApp(string Name, string ClientId, AppSignature Sign, string Api)
{
    /// <summary>No part of the key belongs in a log.</summary>
    public override string ToString() => Name;
}
