using System.Globalization;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;

namespace Lanyard.Bench.Proxy;

/// <summary>A proxy in front of the bed's API server: where it listens and whose CPU time counts.</summary>
internal sealed record ProxyTarget(string Name, int Process, Uri Url)
{
    public static string Published => Repo.At("artifacts", "publish", "Lanyard", "release_linux-x64", "lanyard");

    /// <summary>As it is deployed, unless another build is named; no audit, no access log, metrics on.</summary>
    public static async Task<ProxyTarget> OursAsync(ProxyBed bed, Uri upstream, bool tls, string? program = null)
    {
        var url = Free(tls);
        var process = await bed.StartAsync(program ?? Published, OursArguments(bed, upstream, url, FreePort.Take()), url.Port);
        return new("lanyard", process.Id, url);
    }

    public static IReadOnlyList<string> OursArguments(ProxyBed bed, Uri upstream, Uri url, int health)
    {
        var kubeconfig = bed.Write($"kubeconfig-{url.Port}", $$"""
            apiVersion: v1
            kind: Config
            current-context: bench
            contexts: [{name: bench, context: {cluster: bench, user: bench} }]
            clusters: [{name: bench, cluster: {server: "{{upstream.GetLeftPart(UriPartial.Authority)}}", certificate-authority: {{bed.At("tls.crt")}} } }]
            users: [{name: bench, user: {token: own-token-of-the-proxy} }]
            """);
        var authentication = bed.Write("authentication.yaml", $$"""
            apiVersion: apiserver.config.k8s.io/v1
            kind: AuthenticationConfiguration
            jwt:
            - issuer: {url: "{{bed.Issuer.Issuer}}", audiences: [{{ProxyBed.Audience}}]}
              claimMappings: {username: {claim: sub, prefix: ""} }
            """);
        IEnumerable<string> door = url.Scheme == Uri.UriSchemeHttps ? ["--tls-cert-file", bed.At("tls.crt"), "--tls-private-key-file", bed.At("tls.key")] : ["--plain-http"];
        return
        [
            "cluster-proxy", "--kubeconfig", kubeconfig, "--authentication-config", authentication, "--listen", url.Authority, "--health-listen", $"127.0.0.1:{health}",
            .. door,
        ];
    }

    /// <summary>haproxy 2.6 with the checks that its <c>jwt_verify</c> can make: algorithm, issuer, audience, expiry, signature.</summary>
    public static async Task<(ProxyTarget Plain, ProxyTarget Secured)> HaproxyAsync(ProxyBed bed, Uri plainUpstream, Uri securedUpstream)
    {
        var (plain, secured) = (Free(false), Free(true));
        var checks = $$"""
              http-request set-var(txn.bearer) http_auth_bearer
              http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
              http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }
              http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.iss') -m str {{bed.Issuer.Issuer}} }
              http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.aud') -m str {{ProxyBed.Audience}} }
              http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
              http-request set-var(txn.now) date()
              http-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }
              http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"{{bed.At("rsa.pub.pem")}}") -m int 1 }
              http-request set-header Impersonate-User %[var(txn.bearer),jwt_payload_query('$.sub')]
              http-request del-header Authorization
            """;
        var file = bed.Write($"haproxy-{plain.Port}.cfg", $$"""
            global
              maxconn 8000
              nbthread 1
            defaults
              mode http
              timeout client 600s
              timeout server 600s
              timeout connect 5s
              timeout tunnel 600s
              http-reuse always
            backend plain
              server s1 {{plainUpstream.Authority}} pool-max-conn 1024
            backend secured
              server s1 {{securedUpstream.Authority}} ssl verify none pool-max-conn 1024
            frontend plain-in
              bind {{plain.Authority}}
              default_backend plain
            {{checks}}
            frontend secured-in
              bind {{secured.Authority}} ssl crt {{bed.At("tls.pem")}} alpn http/1.1
              default_backend secured
            {{checks}}

            """);
        var process = await bed.StartAsync("/usr/sbin/haproxy", ["-db", "-f", file], plain.Port);
        return (new("haproxy 2.6 jwt_verify", process.Id, plain), new("haproxy 2.6 jwt_verify", process.Id, secured));
    }

    /// <summary>Apache with mod_auth_openidc as a resource server.</summary>
    public static async Task<ProxyTarget> ApacheAsync(ProxyBed bed)
    {
        var url = Free(false);
        string[] modules = ["mpm_event", "authn_core", "authz_core", "authz_user", "headers", "proxy", "proxy_http", "auth_openidc"];
        var file = bed.Write("apache.conf", $$"""
            ServerRoot {{bed.At("")}}
            PidFile {{bed.At("apache.pid")}}
            ServerName localhost
            DefaultRuntimeDir {{bed.At("")}}
            {{string.Join('\n', modules.Select(static m => $"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so"))}}
            User www-data
            Group www-data
            Listen {{url.Authority}}
            ErrorLog {{bed.At("apache.log")}}
            LogLevel warn
            KeepAlive On
            MaxKeepAliveRequests 0
            KeepAliveTimeout 60
            StartServers 2
            ServerLimit 8
            ThreadsPerChild 64
            MaxRequestWorkers 512
            OIDCCryptoPassphrase {{Guid.NewGuid():N}}
            OIDCOAuthVerifyCertFiles {{bed.Issuer.Key.KeyId}}#{{bed.At("rsa.crt")}}
            OIDCOAuthRemoteUserClaim sub
            OIDCOAuthAcceptTokenAs header
            <Location />
             AuthType oauth20
             Require claim iss:{{bed.Issuer.Issuer}}
             RequestHeader set Impersonate-User "%{OIDC_CLAIM_sub}e"
             RequestHeader unset Authorization
             ProxyPass {{bed.Plain.GetLeftPart(UriPartial.Authority)}}/ keepalive=On
            </Location>

            """);
        var process = await bed.StartAsync("/usr/sbin/apache2", ["-f", file, "-D", "FOREGROUND"], url.Port);
        return new("Apache mod_auth_openidc", process.Id, url);
    }

    /// <summary>Kestrel and HttpClient and nothing else: forwards whatever comes.</summary>
    public static async Task<ProxyTarget> ForwarderAsync(ProxyBed bed, Uri upstream, bool tls)
    {
        var url = Free(tls);
        string[] arguments = [Forwarder.Name, url.Port.ToString(CultureInfo.InvariantCulture), upstream.GetLeftPart(UriPartial.Authority), tls ? bed.At("tls.pem") : "-"];
        var process = await bed.StartAsync(Environment.ProcessPath!, arguments, url.Port);
        return new("Kestrel + HttpClient, no verification", process.Id, url);
    }

    private static Uri Free(bool tls) => new($"{(tls ? "https" : "http")}://127.0.0.1:{FreePort.Take()}");
}
