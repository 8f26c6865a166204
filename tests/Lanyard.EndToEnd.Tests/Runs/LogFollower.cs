using System.Text.Json.Nodes;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>Reads a log's server-sent events one by one, as they come.</summary>
internal sealed class LogFollower(HttpClient client, StreamReader events) : IDisposable
{
    /// <returns>The next event; null when the server has closed the stream.</returns>
    public async Task<(string Event, JsonNode Data)?> NextAsync(TimeSpan patience)
    {
        var name = "";
        while (await events.ReadLineAsync().WaitAsync(patience) is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal))
                name = line["event: ".Length..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
                return (name, JsonNode.Parse(line["data: ".Length..])!);
        }
        return null;
    }

    public void Dispose()
    {
        events.Dispose();
        client.Dispose();
    }
}
