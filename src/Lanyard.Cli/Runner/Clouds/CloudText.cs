using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Clouds;

/// <summary>Fills in what only the runner knows.</summary>
internal sealed record CloudText(string Folder, string TokenUrl, string AwsUrl, string Bearer)
{
    public string Fill(string text) => text
        .Replace(CloudWords.Folder, Folder, StringComparison.Ordinal)
        .Replace(CloudWords.TokenUrl, TokenUrl, StringComparison.Ordinal)
        .Replace(CloudWords.AwsUrl, AwsUrl, StringComparison.Ordinal)
        .Replace(CloudWords.Bearer, Bearer, StringComparison.Ordinal);

    public Dictionary<string, string> Fill(IReadOnlyDictionary<string, string> variables) =>
        variables.ToDictionary(variable => variable.Key, variable => Fill(variable.Value), StringComparer.Ordinal);
}
