using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Testing.Kube;

/// <summary>A pod that a token is bound to: the token dies with it.</summary>
public sealed record PodReference(string Name, string Uid);

/// <summary>
/// A real Kubernetes of its own for the tests that share this fixture (class, collection or assembly), started by <c>eng/kube-up</c>. It ends
/// with the fixture, and by itself when the test process dies. Without a node (the default) it is etcd and the API server; requests of
/// <see cref="Client"/> are the admin's. Tests that use it carry <c>[Needs("kube")]</c>.
/// </summary>
public sealed class KubeCluster : IAsyncLifetime
{
    // A first start on a new machine may have to build Kubernetes; a start itself is bounded by the script.
    private static readonly TimeSpan UpDeadline = TimeSpan.FromMinutes(15);
    private static int _instances;
    private readonly string _name = $"t{Environment.ProcessId}-{Interlocked.Increment(ref _instances)}";
    private HttpClient? _client;

    /// <summary>Whether pods can run (about 30 s and 900 MB more).</summary>
    public bool Node { get; init; }

    /// <summary>Whether service-account tokens are signed with ES256 instead of RS256.</summary>
    public bool EllipticKeys { get; init; }

    /// <summary>More flags of the API server, such as those of its audit log.</summary>
    public IReadOnlyList<string> ApiServerFlags { get; init; } = [];

    /// <summary>The admin's kubeconfig: a file, 0600.</summary>
    public string KubeconfigPath { get; private set; } = "";

    /// <summary>The API server, which is also the issuer of service-account tokens.</summary>
    public Uri Server { get; private set; } = new("https://unstarted.invalid");

    /// <summary>The <c>iss</c> of its service-account tokens.</summary>
    public string Issuer => Server.GetLeftPart(UriPartial.Authority);

    /// <summary>A PEM file with the authority that signed the API server's certificate.</summary>
    public string CaFile { get; private set; } = "";

    /// <summary>The address at which pods and the API server reach this machine.</summary>
    public string HostAddress { get; private set; } = "";

    /// <summary>The instance's folder: logs, keys, state.</summary>
    public string StateFolder { get; private set; } = "";

    /// <summary>HTTP to the API server as admin.</summary>
    public HttpClient Client => _client ?? throw new InvalidOperationException("The cluster is not started.");

    public async ValueTask InitializeAsync()
    {
        var said = (await Script("kube-up", UpDeadline, _name)).Succeeded();
        var values = said.Split('\n').Select(static line => line.Split('=', 2)).ToDictionary(static pair => pair[0], static pair => pair[1]);
        (KubeconfigPath, CaFile, StateFolder, HostAddress) = (values["KUBECONFIG"], values["CA"], values["STATE"], values["HOST"]);
        Server = new Uri(values["SERVER"]);
        _client = CreateClient((await File.ReadAllTextAsync(Path.Combine(StateFolder, "tokens.csv"))).Split(',')[0]);
    }

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        (await Script("kube-down", TimeSpan.FromMinutes(1), _name)).Succeeded();
    }

    /// <summary>HTTP to the API server with this bearer token, or with none: trusts exactly this cluster's authority.</summary>
    public HttpClient CreateClient(string? bearer = null)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(CaFile);
        var handler = new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } };
        var client = new HttpClient(handler) { BaseAddress = Server };
        client.DefaultRequestHeaders.Authorization = bearer is null ? null : new AuthenticationHeaderValue("Bearer", bearer);
        return client;
    }

    /// <summary>Makes an image known to the node, from a file of <c>eng/kube-image</c>.</summary>
    public async Task ImportImageAsync(string file) => (await Script("kube-image", TimeSpan.FromMinutes(5), "--import", _name, file)).Succeeded();

    /// <summary>The JWKS that the API server publishes.</summary>
    public Task<string> GetJwksAsync() => Client.GetStringAsync(new Uri("/openid/v1/jwks", UriKind.Relative));

    /// <returns>The namespace's uid.</returns>
    public Task<string> CreateNamespaceAsync(string name) =>
        CreateAsync("/api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } });

    /// <returns>The service account's uid.</returns>
    public Task<string> CreateServiceAccountAsync(string @namespace, string name) =>
        CreateAsync($"/api/v1/namespaces/{@namespace}/serviceaccounts", new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } });

    /// <summary>A pod for tokens to be bound to; it runs only where the cluster has a node and the image is known there.</summary>
    public async Task<PodReference> CreatePodAsync(string @namespace, string name, string serviceAccount, string image = "docker.io/test/busybox:1")
    {
        var uid = await CreateAsync($"/api/v1/namespaces/{@namespace}/pods", new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject
            {
                ["serviceAccountName"] = serviceAccount,
                ["automountServiceAccountToken"] = false,
                ["containers"] = new JsonArray(new JsonObject { ["name"] = "main", ["image"] = image, ["imagePullPolicy"] = "Never" }),
            },
        });
        return new PodReference(name, uid);
    }

    /// <summary>A service-account token by the TokenRequest API; without audiences it is one for the API server itself. Kubernetes gives at least 600 s.</summary>
    public async Task<string> RequestTokenAsync(
        string @namespace, string serviceAccount, IEnumerable<string> audiences, int seconds = 3600, PodReference? boundPod = null)
    {
        var spec = new JsonObject { ["audiences"] = new JsonArray([.. audiences.Select(static audience => JsonValue.Create(audience))]), ["expirationSeconds"] = seconds };
        if (boundPod is not null)
        {
            spec["boundObjectRef"] = new JsonObject { ["kind"] = "Pod", ["apiVersion"] = "v1", ["name"] = boundPod.Name, ["uid"] = boundPod.Uid };
        }

        var request = new JsonObject { ["apiVersion"] = "authentication.k8s.io/v1", ["kind"] = "TokenRequest", ["spec"] = spec };
        var answer = await PostAsync($"/api/v1/namespaces/{@namespace}/serviceaccounts/{serviceAccount}/token", request);
        return answer["status"]!["token"]!.GetValue<string>();
    }

    /// <summary>New tokens are signed by a new key from now on. The API server restarts; old tokens stay valid unless <paramref name="dropOld"/>.</summary>
    public async Task RotateSigningKeyAsync(bool dropOld = false) =>
        (await Script("kube-rotate", TimeSpan.FromMinutes(3), dropOld ? [_name, "--drop-old"] : [_name])).Succeeded();

    /// <summary>The API server alone stops and starts; what it held stays.</summary>
    public async Task RestartAsync() => (await Script("kube-apiserver", TimeSpan.FromMinutes(3), _name, "restart")).Succeeded();

    public async Task StopApiServerAsync() => (await Script("kube-apiserver", TimeSpan.FromMinutes(1), _name, "stop")).Succeeded();

    public async Task StartApiServerAsync() => (await Script("kube-apiserver", TimeSpan.FromMinutes(3), _name, "start")).Succeeded();

    /// <summary>Runs <c>kubectl</c> as admin.</summary>
    public Task<CommandResult> KubectlAsync(params string[] arguments) => Command.RunAsync("kubectl", ["--kubeconfig", KubeconfigPath, .. arguments]);

    private async Task<string> CreateAsync(string path, JsonObject body) => (await PostAsync(path, body))["metadata"]!["uid"]!.GetValue<string>();

    private async Task<JsonNode> PostAsync(string path, JsonObject body)
    {
        using var content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json"));
        using var response = await Client.PostAsync(new Uri(path, UriKind.Relative), content);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? JsonNode.Parse(text)! : throw new HttpRequestException($"{path}: {text}", null, response.StatusCode);
    }

    private Task<CommandResult> Script(string script, TimeSpan deadline, params string[] arguments) =>
        Command.RunAsync(Repo.At("eng", script), arguments, new Dictionary<string, string?>
        {
            ["KUBE_NODE"] = Node ? "1" : "0",
            ["KUBE_OWNER"] = $"{Environment.ProcessId}",
            ["KUBE_SERVICE_ACCOUNT_KEY"] = EllipticKeys ? "ec" : "rsa",
            ["KUBE_APISERVER_FLAGS"] = string.Join(' ', ApiServerFlags),
        }, deadline: deadline);
}
