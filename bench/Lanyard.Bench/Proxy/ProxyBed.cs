using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;

namespace Lanyard.Bench.Proxy;

/// <summary>What all proxies of a benchmark share: an issuer with an RS256 key, tokens shaped like a CI job's, a certificate, an nginx that plays the API server.</summary>
internal sealed class ProxyBed : IAsyncDisposable
{
    public const string Audience = "kube";
    public const string Small = "/api/v1/namespaces/shop/configmaps/small";
    public const string Large = "/api/v1/namespaces/shop/configmaps/large";
    private const string User = "repo:acme/shop:ref:refs/heads/main";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lanyard-bench-");
    private readonly List<PeerProcess> _processes = [];
    private readonly SigningKey _key;

    private ProxyBed(TestIssuer issuer) => (Issuer, _key) = (issuer, issuer.Rotate(SignatureAlgorithm.RS256));

    public TestIssuer Issuer { get; }

    public Uri Plain { get; } = new($"http://127.0.0.1:{FreePort.Take()}");

    public Uri Secured { get; } = new($"https://127.0.0.1:{FreePort.Take()}");

    public X509Certificate2 Certificate { get; } = TestCertificates.Create();

    public IReadOnlyList<int> Processes => [.. _processes.Select(static p => p.Id)];

    /// <param name="withUpstream">Whether an nginx plays the API server.</param>
    public static async Task<ProxyBed> StartAsync(bool withUpstream = true)
    {
        var bed = new ProxyBed(await TestIssuer.StartAsync());
        try
        {
            bed.WriteKeys();
            bed.Write("www" + Small, new string('s', 1024));
            bed.Write("www" + Large, new string('l', 16 * 1024));
            bed.Write("nginx.conf", bed.UpstreamConfiguration());
            if (withUpstream)
                await bed.StartAsync("/usr/sbin/nginx", ["-c", bed.At("nginx.conf"), "-e", bed.At("nginx.log")], bed.Plain.Port, core: 1);
            return bed;
        }
        catch
        {
            await bed.DisposeAsync();
            throw;
        }
    }

    public string At(string name) => Path.Combine(_folder.FullName, name);

    public string Write(string name, string text)
    {
        var file = At(name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        File.SetUnixFileMode(_folder.FullName, (UnixFileMode)0b111_101_101);
        return file;
    }

    /// <summary>Starts a program and waits until it listens.</summary>
    public async Task<PeerProcess> StartAsync(string program, IEnumerable<string> arguments, int port, int core = 0, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var process = await PeerProcess.StartAsync(program, arguments, port, core, environment);
        _processes.Add(process);
        return process;
    }

    /// <summary>Twenty claims, RS256, good for two hours; never the same twice.</summary>
    public string Token()
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject
        {
            ["iss"] = Issuer.Issuer, ["sub"] = User, ["aud"] = Audience, ["exp"] = now + 7200, ["iat"] = now, ["nbf"] = now, ["jti"] = Guid.NewGuid().ToString(),
            ["repository"] = "acme/shop", ["repository_owner"] = "acme", ["ref"] = "refs/heads/main", ["ref_type"] = "branch",
            ["sha"] = "b7f0a5e7f2d3c4b5a6978877665544332211aabb", ["workflow"] = "deploy", ["job_workflow_ref"] = "acme/shop/.ci/deploy.yml@refs/heads/main",
            ["run_id"] = "1234567890", ["run_number"] = "17", ["run_attempt"] = "1", ["actor"] = "octo", ["event_name"] = "push", ["environment"] = "production",
        };
        return Issuer.MintRaw(Issuer.Header(_key), claims.ToJsonString(), _key);
    }

    /// <summary>Writes a file of tokens, a line each.</summary>
    public string Tokens(string name, int count)
    {
        var tokens = new string[count];
        Parallel.For(0, count, i => tokens[i] = Token());
        return Write(name, string.Join('\n', tokens) + "\n");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes)
            await process.DisposeAsync();
        await Issuer.DisposeAsync();
        Certificate.Dispose();
        _folder.Delete(recursive: true);
    }

    private void WriteKeys()
    {
        var serving = Certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();
        Write("tls.crt", Certificate.ExportCertificatePem());
        Write("tls.key", serving);
        Write("tls.pem", $"{Certificate.ExportCertificatePem()}\n{serving}\n");
        using var rsa = RSA.Create();
        rsa.ImportFromPem(_key.ExportPem());
        Write("rsa.pub.pem", rsa.ExportSubjectPublicKeyInfoPem());
        var now = TimeProvider.System.GetUtcNow();
        using var signed = new CertificateRequest("CN=issuer", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(now.AddHours(-1), now.AddDays(1));
        Write("rsa.crt", signed.ExportCertificatePem());
    }

    /// <summary>Files that are held open, and the review that the API server answers when a client impersonates.</summary>
    private string UpstreamConfiguration() => $$"""
        worker_processes 1; pid {{At("nginx.pid")}}; worker_rlimit_nofile 20000; daemon off;
        events { worker_connections 8192; }
        http {
          access_log off; default_type application/json; keepalive_requests 100000000; keepalive_timeout 600s;
          client_body_temp_path {{At("nb")}}; proxy_temp_path {{At("np")}}; fastcgi_temp_path {{At("nf")}}; uwsgi_temp_path {{At("nu")}}; scgi_temp_path {{At("ns")}};
          sendfile on; tcp_nodelay on; large_client_header_buffers 4 64k; open_file_cache max=100 inactive=1h; open_file_cache_valid 1h;
          server {
            listen 127.0.0.1:{{Plain.Port}} backlog=4096; listen 127.0.0.1:{{Secured.Port}} ssl backlog=4096;
            ssl_certificate {{At("tls.crt")}}; ssl_certificate_key {{At("tls.key")}}; ssl_protocols TLSv1.2 TLSv1.3;
            root {{At("www")}};
            location = /version { return 200 '{"major":"1","minor":"33","gitVersion":"v1.33.0"}'; }
            location /apis/authorization.k8s.io/ { return 201 '{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":true} }'; }
          }
        }
        """;
}
