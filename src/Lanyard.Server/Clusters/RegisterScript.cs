using System.Text;

namespace Lanyard.Server.Clusters;

/// <summary>The wizard for someone who has nothing of ours but a URL: <c>GET /register.sh</c>, with that URL baked in.</summary>
internal static class RegisterScript
{
    private const string Placeholder = "@INSTANCE_URL@";

    private static readonly string Template = Read();

    public static string For(string instanceUrl) => Template.Replace(Placeholder, Quoted(instanceUrl), StringComparison.Ordinal);

    /// <summary>One word for the shell, whatever is in it: a single quote ends the quotes, stands escaped, and opens them again.</summary>
    internal static string Quoted(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static string Read()
    {
        using var stream = typeof(RegisterScript).Assembly.GetManifestResourceStream("Lanyard.Server.Clusters.register.sh")!;
        return new StreamReader(stream, Encoding.UTF8).ReadToEnd();
    }
}
