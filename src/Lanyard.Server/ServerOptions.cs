using System.Net;
using Lanyard.Protocol.Terminal;
using Lanyard.Server.Storage;

namespace Lanyard.Server;

/// <summary>The command line of <c>lanyard server</c>, read once; every mistake is reported at once.</summary>
public sealed record ServerOptions
{
    /// <summary>URL that callers use; issuer and audience. Default: where it listens.</summary>
    public string? PublicUrl { get; init; }

    /// <summary>Address and port, default <c>127.0.0.1:7700</c>; port 0 takes a free one.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 7700);

    /// <summary>Folder for the database file, keys and logs, default <c>.lanyard</c>.</summary>
    public string DataDirectory { get; init; } = ".lanyard";

    /// <summary><c>postgres://…</c> without a password; null is SQLite in the data directory.</summary>
    public string? Database { get; init; }

    /// <summary>The installation's slug, <c>{instance}</c> in subject templates.</summary>
    public string InstanceSlug { get; init; } = "lanyard";

    public string? TlsCertificateFile { get; init; }

    public string? TlsPrivateKeyFile { get; init; }

    /// <summary>Networks whose <c>Forwarded</c> and <c>X-Forwarded-*</c> headers are believed.</summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary>Allow plain HTTP on an address that is not loopback.</summary>
    public bool AllowPlainHttp { get; init; }

    /// <summary>Where the cache's bytes lie; null: in the data directory.</summary>
    internal Cache.Objects.CacheStoreUrl? CacheStore { get; init; }

    /// <summary>A file with the store's account key in base64, for stores that know no workload identity.</summary>
    public string? CacheStoreKeyFile { get; init; }

    /// <summary>Clients read from the store's own URLs, unchecked.</summary>
    public bool CacheDirectReads { get; init; }

    /// <summary>For so long one read of a cache entry may last; null: the cache's default.</summary>
    public TimeSpan? CacheReadLife { get; init; }

    /// <summary>Audit events of decisions about tokens hold the verified claims.</summary>
    public bool AuditClaims { get; init; }

    /// <summary>Claims whose values no audit event holds, besides those that name people.</summary>
    public IReadOnlyList<string> AuditRedact { get; init; } = [];

    /// <summary>A file with the GitHub Apps whose installation tokens trust policies may allow.</summary>
    public string? GitHubAppsFile { get; init; }

    /// <summary>Every option: its name, what stands for its value in help (nothing: a switch), and what it means.</summary>
    private static readonly (string Name, string Value, string Help)[] Flags =
    [
        ("--listen", "ADDRESS:PORT", "where it listens (default 127.0.0.1:7700; port 0 takes a free one)"),
        ("--public-url", "URL", "the URL that callers use: issuer and audience of tokens (default: where it listens)"),
        ("--data-dir", "DIR", "database file, keys, logs (default .lanyard, made 0700)"),
        ("--database", "URL", "postgres://USER@HOST:PORT/NAME without a password (PGPASSFILE, client certificate or socket); default SQLite"),
        ("--instance", "SLUG", "name of this installation in subject templates (default lanyard)"),
        ("--tls-cert-file", "FILE", "PEM certificate chain, read again when it changes"),
        ("--tls-private-key-file", "FILE", "its key"),
        ("--trusted-proxy", "CIDR", "believe forwarded headers from this network (may repeat)"),
        ("--audit-claims", "", "keep the verified claims of exchanged tokens in the audit log, for lanyard policy test"),
        ("--audit-redact", "CLAIM", "write no value of this claim of a token into the audit log, as of those that name people (may repeat)"),
        ("--cache-store", "URL", "where the cache's bytes lie: s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME] or azure://ACCOUNT/CONTAINER[/PREFIX][?endpoint=URL]; by workload identity (default: the data directory)"),
        ("--cache-store-key-file", "FILE", "account key of an Azure store that knows no workload identity, in base64"),
        ("--cache-direct-reads", "", "hand out the store's own URLs for reads: faster, unchecked, and the entry is marked so"),
        ("--cache-read-minutes", "N", "a read of a cache entry that lasts longer is cut off: what is being read is not evicted (1 to 10080, default 360)"),
        ("--github-apps", "FILE", "GitHub Apps, and where their private keys are: {\"apps\": [{\"name\", \"clientId\", \"privateKeyFile\" or \"kmsKey\" (an ARN), \"apiUrl\"}]} (default none)"),
        ("--allow-plain-http", "", "serve plain HTTP on an address that is not loopback"),
    ];

    public static string Usage => $"usage: lanyard server {string.Join(' ', Flags.Select(static flag => $"[{Written(flag.Name, flag.Value)}]"))}";

    public static string Help(int width) =>
        "lanyard server: the control plane\n\n" + HelpColumns.Of([.. Flags.Select(static flag => (Written(flag.Name, flag.Value), flag.Help))], width);

    private static string Written(string name, string value) => $"{name} {value}".TrimEnd();

    /// <returns>The options, or every mistake.</returns>
    public static (ServerOptions? Options, IReadOnlyList<string> Mistakes) Parse(IReadOnlyList<string> arguments)
    {
        var options = new ServerOptions();
        var mistakes = new List<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            var (name, value) = Split(arguments[i]);
            if (!Flags.Any(flag => flag.Name == name))
            {
                mistakes.Add($"{arguments[i]}: no such option");
                continue;
            }

            if (name == "--allow-plain-http" && value is null)
            {
                options = options with { AllowPlainHttp = true };
                continue;
            }

            if (name == "--cache-direct-reads" && value is null)
            {
                options = options with { CacheDirectReads = true };
                continue;
            }

            if (name == "--audit-claims" && value is null)
            {
                options = options with { AuditClaims = true };
                continue;
            }

            value ??= i + 1 < arguments.Count ? arguments[++i] : null;
            if (value is null) mistakes.Add($"{name}: needs a value");
            else options = options.Set(name, value, mistakes);
        }

        options.Check(mistakes);
        return mistakes.Count == 0 ? (options, mistakes) : (null, mistakes);
    }

    private static (string Name, string? Value) Split(string word)
    {
        var equals = word.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? (word, null) : (word[..equals], word[(equals + 1)..]);
    }

    private ServerOptions Set(string name, string value, List<string> mistakes)
    {
        switch (name)
        {
            case "--public-url": return this with { PublicUrl = value };
            case "--data-dir": return this with { DataDirectory = value };
            case "--database": return this with { Database = value };
            case "--github-apps": return this with { GitHubAppsFile = value };
            case "--instance": return this with { InstanceSlug = value };
            case "--tls-cert-file": return this with { TlsCertificateFile = value };
            case "--tls-private-key-file": return this with { TlsPrivateKeyFile = value };
            case "--cache-store-key-file": return this with { CacheStoreKeyFile = value };
            case "--cache-store":
                if (Cache.Objects.CacheStoreUrl.Parse(value, out var mistake) is { } store) return this with { CacheStore = store };
                mistakes.Add($"--cache-store {value}: {mistake}");
                return this;
            case "--cache-read-minutes":
                if (int.TryParse(value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var minutes) && minutes is >= 1 and <= 10_080)
                    return this with { CacheReadLife = TimeSpan.FromMinutes(minutes) };
                mistakes.Add($"--cache-read-minutes {value}: must be 1 to 10080");
                return this;
            case "--listen":
                if (IPEndPoint.TryParse(value, out var endpoint)) return this with { Listen = endpoint };
                mistakes.Add($"--listen {value}: an IP address and a port are wanted, such as 127.0.0.1:7700 or [::]:7700");
                return this;
            case "--audit-redact":
                if (value.Length is > 0 and <= 100 && value.All(static c => c is > ' ' and <= '~') && value != "iss") return this with { AuditRedact = [.. AuditRedact, value] };
                mistakes.Add($"--audit-redact {value}: one claim's name, 1 to 100 printable ASCII characters without blanks; iss is whose token it was, and stays");
                return this;
            case "--trusted-proxy":
                if (IPNetwork.TryParse(value, out var network)) return this with { TrustedProxies = [.. TrustedProxies, network] };
                mistakes.Add($"--trusted-proxy {value}: not a network such as 10.0.0.0/8");
                return this;
            default:
                mistakes.Add($"{name}: takes no value");
                return this;
        }
    }

    private void Check(List<string> mistakes)
    {
        if (Database is { } database && database.Contains("://", StringComparison.Ordinal) && !PostgresLocation.IsPostgres(database))
            mistakes.Add($"--database {database[..database.IndexOf("://", StringComparison.Ordinal)]}://…: only postgres://USER@HOST:PORT/NAME is known; without the option it is SQLite in the data directory");
        if (PublicUrl is { } url) CheckPublicUrl(url, AllowPlainHttp, mistakes);
        if (CacheStore is null && (CacheDirectReads || CacheStoreKeyFile is not null)) mistakes.Add("--cache-direct-reads and --cache-store-key-file go with --cache-store");
        if (CacheStoreKeyFile is not null && CacheStore is { IsAzure: false }) mistakes.Add("--cache-store-key-file: an S3 store finds its credentials as AWS's tools do");
        if (TlsCertificateFile is null != TlsPrivateKeyFile is null) mistakes.Add("--tls-cert-file and --tls-private-key-file go together");
        if (TlsCertificateFile is null && !AllowPlainHttp && !IPAddress.IsLoopback(Listen.Address))
            mistakes.Add($"--listen {Listen}: without TLS only loopback is served; give --tls-cert-file, or --allow-plain-http behind a proxy that does TLS");
        if (!IsSlug(InstanceSlug)) mistakes.Add($"--instance {InstanceSlug}: a slug has 1 to 63 of a-z, 0-9 and -, and no - at its ends");
    }

    private static void CheckPublicUrl(string url, bool plainHttp, List<string> mistakes)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var parsed) || parsed.Scheme is not ("https" or "http"))
            mistakes.Add($"--public-url {url}: not an http or https URL");
        else if (parsed.Query.Length > 0 || parsed.Fragment.Length > 0 || parsed.UserInfo.Length > 0)
            mistakes.Add($"--public-url {url}: an issuer has no query, fragment or user");
        else if (url.EndsWith('/'))
            mistakes.Add($"--public-url {url}: without the trailing slash, because issuers are compared to the byte");
        else if (parsed.Scheme == "http" && !parsed.IsLoopback && !plainHttp)
            mistakes.Add($"--public-url {url}: plain http only on loopback (or with --allow-plain-http); clouds and clusters accept https issuers alone");
    }

    private static bool IsSlug(string text) =>
        text.Length is >= 1 and <= 63 && text[0] != '-' && text[^1] != '-' && text.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-');
}
