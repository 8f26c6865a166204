using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary>
/// An HTTP client for a kubeconfig's API server: CA, client certificate, token, token file or exec plugin. What it does not know is refused
/// with the advice to go through kubectl (<see cref="KubectlProxy"/>), never half done.
/// </summary>
internal static class KubeTransport
{
    public static async Task<HttpClient> CreateAsync(KubeContext context, CancellationToken cancellationToken)
    {
        foreach (var (place, name) in new[] { (context.Cluster, "proxy-url"), (context.Cluster, "tls-server-name"), (context.User, "auth-provider"), (context.User, "username"), (context.User, "as") })
        {
            if (place.ContainsKey(name))
            {
                throw Kubeconfig.Wrong($"context {context.Name} uses {name}, which only kubectl knows; add --kubectl");
            }
        }

        var exec = context.User["exec"] is JsonObject plugin ? await ExecPlugin.RunAsync(plugin, context, cancellationToken) : null;
        var http = Transport.Create(caFile: null, tls => Configure(tls, context, exec));
        if ((exec?.Token ?? Token(context)) is { } token)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return http;
    }

    private static string? Token(KubeContext context) =>
        HttpCall.Text(context.User["token"]) is { Length: > 0 } token ? token
        : HttpCall.Text(context.User["tokenFile"]) is { Length: > 0 } file ? ReadFile(context.Resolve(file)).Trim() : null;

    private static void Configure(SslClientAuthenticationOptions tls, KubeContext context, ExecCredential? exec)
    {
        if (context.Cluster["insecure-skip-tls-verify"] is JsonValue skip && skip.TryGetValue<bool>(out var insecure) && insecure)
        {
            throw Kubeconfig.Wrong($"context {context.Name} skips TLS verification: keys read that way could be anybody's");
        }

        try
        {
            if (Pem(context, context.Cluster, "certificate-authority") is { } authority)
            {
                var roots = new X509Certificate2Collection();
                roots.ImportFromPem(authority);
                Transport.Trust(tls, roots);
            }

            var certificate = exec?.Certificate ?? Pem(context, context.User, "client-certificate");
            var key = exec?.Key ?? Pem(context, context.User, "client-key");
            if (certificate is not null && key is not null)
            {
                using var loaded = X509Certificate2.CreateFromPem(certificate, key);
                // Through PKCS#12: some TLS stacks take no key that lives in memory only.
                tls.ClientCertificates = [X509CertificateLoader.LoadPkcs12(loaded.Export(X509ContentType.Pkcs12), null)];
            }
        }
        catch (CryptographicException exception)
        {
            throw Kubeconfig.Wrong($"a certificate or key of context {context.Name} can't be read: {exception.Message}");
        }
    }

    private static string? Pem(KubeContext context, JsonObject place, string name)
    {
        if (HttpCall.Text(place[name + "-data"]) is { Length: > 0 } data)
        {
            try
            {
                return System.Text.Encoding.ASCII.GetString(Convert.FromBase64String(data));
            }
            catch (FormatException)
            {
                throw Kubeconfig.Wrong($"{name}-data of context {context.Name} is not base64");
            }
        }

        return HttpCall.Text(place[name]) is { Length: > 0 } file ? ReadFile(context.Resolve(file)) : null;
    }

    private static string ReadFile(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Kubeconfig.Wrong(exception.Message);
        }
    }
}
