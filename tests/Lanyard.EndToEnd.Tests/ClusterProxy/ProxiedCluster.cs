using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>
/// A real one-node cluster behind a real <c>lanyard cluster-proxy</c>, which believes a pipeline's issuer (names prefixed with <c>ci:</c>) and the
/// cluster's own service accounts (under their own names). The proxy's service account may do nothing but impersonate and ask.
/// </summary>
public sealed class ProxiedCluster : IAsyncLifetime
{
    public const string Audience = "https://kubernetes.example";
    public const string Namespace = "pipelines";

    private const string Rbac = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: pipelines}
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: cluster-proxy, namespace: pipelines}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: cluster-proxy}
        rules:
        - {apiGroups: [""], resources: [users, groups, serviceaccounts], verbs: [impersonate]}
        - apiGroups: [authentication.k8s.io]
          resources: [userextras/authentication.kubernetes.io/credential-id, userextras/originaluser.jetstack.io-user, userextras/originaluser.jetstack.io-groups,
            userextras/originaluser.jetstack.io-uid, userextras/originaluser.jetstack.io-extra, userextras/example.org/team]
          verbs: [impersonate]
        - {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}
        - {apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: cluster-proxy}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-proxy}
        subjects: [{kind: ServiceAccount, name: cluster-proxy, namespace: pipelines}]
        ---
        # The cluster as an issuer: its keys are fetched without a login.
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: issuer-discovery}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:service-account-issuer-discovery"}
        subjects: [{kind: Group, name: "system:unauthenticated", apiGroup: rbac.authorization.k8s.io}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: deployers, namespace: pipelines}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
        subjects: [{kind: Group, name: "ci:deployers", apiGroup: rbac.authorization.k8s.io}]
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-proxy-").FullName;
    private ChildProcess? _proxy;

    public ProxiedCluster()
    {
        File.WriteAllText(Path.Combine(_folder, "audit-policy.yaml"), """
            apiVersion: audit.k8s.io/v1
            kind: Policy
            rules:
            - {level: None, nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]}
            - {level: Metadata}
            """);
        Cluster = new KubeCluster
        {
            Node = true,
            ApiServerFlags = [$"--audit-policy-file={Path.Combine(_folder, "audit-policy.yaml")}", $"--audit-log-path={ApiServerAudit}", "--audit-log-mode=blocking"],
        };
    }

    public KubeCluster Cluster { get; }

    public string ApiServerAudit => Path.Combine(_folder, "api-server-audit.log");

    public string ProxyAudit => Path.Combine(_folder, "proxy-audit.log");

    public Uri Health { get; private set; } = null!;

    public TestIssuer Issuer { get; private set; } = null!;

    public Uri Address { get; private set; } = null!;

    /// <summary>What starts another proxy before the same cluster.</summary>
    public IReadOnlyList<string> Arguments { get; private set; } = [];

    public string CertificateFile => Path.Combine(_folder, "tls.crt");

    public string ProxyErrors => _proxy!.Errors;

    public async ValueTask InitializeAsync()
    {
        await Cluster.InitializeAsync();
        Issuer = await TestIssuer.StartAsync();
        await ApplyAsync(Rbac);
        using (var certificate = TestCertificates.Create())
        {
            await File.WriteAllTextAsync(CertificateFile, certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(Path.Combine(_folder, "tls.key"), System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(certificate)!.ExportPkcs8PrivateKeyPem());
        }

        var own = await Cluster.RequestTokenAsync(Namespace, "cluster-proxy", []);
        await File.WriteAllTextAsync(Path.Combine(_folder, "token"), own + "\n");
        var kubeconfig = Write("own.kubeconfig", Kubeconfig(Cluster.Server, Cluster.CaFile, "tokenFile: token"));
        var configuration = Write("authentication.yaml", await ConfigurationAsync());
        var port = FreePort.Take();
        Health = new Uri($"http://127.0.0.1:{port}");
        Arguments =
        [
            "cluster-proxy", "--kubeconfig", kubeconfig, "--authentication-config", configuration, "--listen", "127.0.0.1:0",
            "--tls-cert-file", CertificateFile, "--tls-private-key-file", Path.Combine(_folder, "tls.key"),
        ];
        _proxy = LanyardProcess.Start(
        [
            .. Arguments, "--allow-reserved-users", "system:serviceaccount:*",
            "--token-passthrough", "--audit-policy-file", Path.Combine(_folder, "audit-policy.yaml"), "--audit-log-path", ProxyAudit,
            "--access-log-path", Path.Combine(_folder, "access.log"), "--health-listen", $"127.0.0.1:{port}",
        ]);
        var line = await _proxy.WaitForErrorLineAsync("ready on ");
        Address = new Uri(line[(line.IndexOf("ready on ", StringComparison.Ordinal) + 9)..]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_proxy is not null)
        {
            await _proxy.DisposeAsync();
        }

        if (Issuer is not null)
        {
            await Issuer.DisposeAsync();
        }

        await Cluster.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>A pipeline's token.</summary>
    public string Token(string subject, params string[] groups) =>
        Issuer.Mint(Audience, subject, claims => claims["groups"] = JsonSerializer.SerializeToNode(groups));

    public async Task ApplyAsync(string yaml) => (await Command.RunAsync("kubectl", ["--kubeconfig", Cluster.KubeconfigPath, "apply", "-f", "-"], input: yaml)).Succeeded();

    /// <summary>A kubeconfig for the proxy (or, with <paramref name="direct"/>, for the API server) with this token.</summary>
    public string KubeconfigFor(string token, bool direct = false) =>
        direct ? KubeconfigFor(token, Cluster.Server, Cluster.CaFile) : KubeconfigFor(token, Address, CertificateFile);

    /// <summary>A kubeconfig for another proxy that has this one's certificate.</summary>
    public string KubeconfigFor(string token, Uri proxy) => KubeconfigFor(token, proxy, CertificateFile);

    private string KubeconfigFor(string token, Uri server, string authority)
    {
        var name = Guid.NewGuid().ToString("N");
        Write($"{name}.token", token);
        return Write($"{name}.kubeconfig", Kubeconfig(server, authority, $"tokenFile: {name}.token"));
    }

    public Task<CommandResult> KubectlAsync(string token, params string[] arguments) =>
        Command.RunAsync("kubectl", ["--kubeconfig", KubeconfigFor(token), .. arguments], deadline: TimeSpan.FromMinutes(2));

    private async Task<string> ConfigurationAsync()
    {
        var authority = string.Join('\n', (await File.ReadAllLinesAsync(Cluster.CaFile)).Select(l => "      " + l));
        return $$"""
            apiVersion: apiserver.config.k8s.io/v1beta1
            kind: AuthenticationConfiguration
            jwt:
            - issuer:
                url: {{Issuer.Issuer}}
                audiences: ["{{Audience}}"]
              claimValidationRules:
              - {expression: "claims.exp - claims.nbf <= 3600", message: tokens of an hour at most}
              claimMappings:
                username: {expression: "'ci:' + claims.sub"}
                groups: {expression: "claims.?groups.orValue([]).map(g, 'ci:' + g)"}
              userValidationRules:
              - {expression: "user.username.startsWith('ci:') && (!has(user.groups) || user.groups.all(g, g.startsWith('ci:')))"}
            - issuer:
                url: {{Cluster.Issuer}}
                audiences: ["{{Audience}}"]
                certificateAuthority: |
            {{authority}}
              claimMappings:
                username: {claim: sub, prefix: ""}
            """;
    }

    private static string Kubeconfig(Uri server, string authority, string user) => $"""
        apiVersion: v1
        kind: Config
        clusters:
        - name: c
          cluster:
            server: "{server.GetLeftPart(UriPartial.Authority)}"
            certificate-authority: "{authority}"
        users:
        - name: u
          user:
            {user}
        contexts:
        - name: x
          context:
            cluster: c
            user: u
        current-context: x
        """;

    /// <summary>The rest of this folder's files.</summary>
    public string At(string name) => Path.Combine(_folder, name);

    private string Write(string name, string text)
    {
        var file = Path.Combine(_folder, name);
        File.WriteAllText(file, text);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return file;
    }
}
