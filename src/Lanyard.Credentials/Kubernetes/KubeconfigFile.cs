using System.Text;
using System.Text.Json;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>
/// A kubeconfig whose user is an exec plugin: this program. It holds no token, so it may outlive the job; it is still 0600.
/// JSON is YAML, so kubectl and every client read it.
/// </summary>
internal static class KubeconfigFile
{
    /// <summary>Appears whole or not at all, and never with wider rights than 0600.</summary>
    public static void Write(string path, ClusterTarget cluster, string execApi, IReadOnlyList<string> plugin)
    {
        var target = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var draft = $"{target}.{Guid.NewGuid():N}";
        try
        {
            using (var file = new FileStream(draft, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                WriteTo(file, cluster, execApi, plugin);
            }

            File.Move(draft, target, overwrite: true);
        }
        finally
        {
            File.Delete(draft);
        }
    }

    private static void WriteTo(Stream stream, ClusterTarget cluster, string execApi, IReadOnlyList<string> plugin)
    {
        using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        writer.WriteStartObject();
        writer.WriteString("apiVersion", "v1");
        writer.WriteString("kind", "Config");
        WriteCluster(writer, cluster);
        WriteUser(writer, cluster.Name, execApi, plugin);
        writer.WriteStartArray("contexts");
        writer.WriteStartObject();
        writer.WriteString("name", cluster.Name);
        writer.WriteStartObject("context");
        writer.WriteString("cluster", cluster.Name);
        writer.WriteString("user", cluster.Name);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndArray();
        writer.WriteString("current-context", cluster.Name);
        writer.WriteEndObject();
    }

    private static void WriteCluster(Utf8JsonWriter writer, ClusterTarget cluster)
    {
        writer.WriteStartArray("clusters");
        writer.WriteStartObject();
        writer.WriteString("name", cluster.Name);
        writer.WriteStartObject("cluster");
        writer.WriteString("server", cluster.Server!.AbsoluteUri.TrimEnd('/'));
        if (cluster.Authority is { } authority)
        {
            writer.WriteString("certificate-authority-data", Convert.ToBase64String(Encoding.ASCII.GetBytes(authority)));
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private static void WriteUser(Utf8JsonWriter writer, string name, string execApi, IReadOnlyList<string> plugin)
    {
        writer.WriteStartArray("users");
        writer.WriteStartObject();
        writer.WriteString("name", name);
        writer.WriteStartObject("user");
        writer.WriteStartObject("exec");
        writer.WriteString("apiVersion", execApi);
        writer.WriteString("command", plugin[0]);
        writer.WriteStartArray("args");
        foreach (var argument in plugin.Skip(1))
        {
            writer.WriteStringValue(argument);
        }

        writer.WriteEndArray();
        if (execApi == ExecCredential.V1)
        {
            writer.WriteString("interactiveMode", "Never");
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndArray();
    }
}
