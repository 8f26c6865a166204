using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Hygiene;

/// <summary>A good head with some of its bytes changed, by whoever would like to be somebody else.</summary>
[Line("3.5")]
public sealed class MutatedHeadTests
{
    private const string Head = "GET /api/v1/pods?limit=1 HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "Accept: application/json\r\nConnection: keep-alive\r\n\r\n";

    private static readonly string[] Words =
    [
        "Impersonate-User: root\r\n", "impersonate-group: system:masters\r\n", "Impersonate_User: root\r\n", "Impersonate-Extra-A%2Fb: c\r\n", "IMPERSONATE-UID: 0\r\n",
        "X-Remote-User: root\r\n", "X-Remote-Group: system:masters\r\n", "Authorization: Bearer bad\r\n", "Authorization: Basic Z29vZA==\r\n", "Connection: Authorization, Impersonate-User\r\n",
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding : chunked\r\n", "Content-Length: 0\r\n", "Content-Length: 5\r\n\r\nGET /x", "Upgrade: websocket\r\n", "Upgrade: h2c\r\n",
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.Z29vZA, a\r\n", "Expect: 100-continue\r\n", " Impersonate-User: root\r\n", "\r\n", "\n", "\r", ":", " ", "\t", "\0", "\u0080", "\u00ff", ",", "%0d%0a", "good",
    ];

    [Fact]
    public async Task Three_thousand_mutated_heads_come_to_the_API_server_as_the_tokens_user_or_not_at_all()
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        await Parallel.ForAsync(0, 3000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (seed, _) => await SendAsync(proxy, Mutated(seed), seed));

        // Some changes leave a good request: that the others are refused tells nothing if none comes through.
        Assert.Contains(upstream.Heads, head => head.StartLine.StartsWith("GET /api/v1/pods", StringComparison.Ordinal));
        Assert.All(upstream.Heads, IsOurs);
    }

    private static async Task SendAsync(ProxyDriver proxy, string request, int seed)
    {
        using var connection = await proxy.ConnectAsync();
        string answer;
        try
        {
            await connection.WriteAsync(request);
            await connection.ShutdownSendAsync();
            answer = await connection.ReadToEndAsync();
        }
        catch (IOException)
        {
            // Closed while it was still sent: as good as a refusal.
            return;
        }

        Assert.True(answer.Length == 0 || (answer.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) && !answer.StartsWith("HTTP/1.1 500", StringComparison.Ordinal)), $"{seed}: {request} -> {answer}");
    }

    /// <summary>The proxy's own reviews of a wish to impersonate bear its token and nobody's name; all else bears the name that the token became, once.</summary>
    private static void IsOurs(RawHead head)
    {
        Assert.Equal("Bearer own-token", head.Value("Authorization"));
        Assert.DoesNotContain(head.HeaderLines, static line => line.StartsWith("X-Remote", StringComparison.OrdinalIgnoreCase));
        var (users, groups) = head.StartLine is "POST /apis/authorization.k8s.io/v1/subjectaccessreviews HTTP/1.1" or "GET /version HTTP/1.1" ? ((string[])[], (string[])[]) : (["ci:1"], ["a", "b"]);
        Assert.Equal(users, head.Values("Impersonate-User"));
        Assert.Equal(groups, head.Values("Impersonate-Group"));
        Assert.Equal(users.Length + groups.Length, head.HeaderLines.Count(static line => line.StartsWith("Impersonate", StringComparison.OrdinalIgnoreCase)));
    }

    private static string Mutated(int seed)
    {
        var random = new Random(seed);
        var head = Head;
        for (var changes = random.Next(1, 4); changes > 0; changes--)
        {
            var at = random.Next(head.Length);
            head = random.Next(4) switch
            {
                0 => head.Insert(at, Words[random.Next(Words.Length)]),
                1 => head.Remove(at, Math.Min(random.Next(1, 6), head.Length - at)),
                2 => head[..at] + (char)random.Next(256) + head[(at + 1)..],
                _ => head.Insert(head.IndexOf('\n', StringComparison.Ordinal) + 1, Words[random.Next(Words.Length)]),
            };
        }

        return head;
    }
}
