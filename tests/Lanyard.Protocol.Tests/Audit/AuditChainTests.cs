using System.Diagnostics;
using Lanyard.Protocol.Audit;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Protocol.Tests.Audit;

/// <summary>Whoever checks the chain from outside needs nothing of ours: four lines and SHA-256.</summary>
[Line("2.12")]
public sealed class AuditChainTests
{
    private const string Event = """{"action":"run.create","principal":"Zoë — 東京"}""";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_hash_of_an_event_is_what_sha256sum_says_of_its_lines()
    {
        var genesis = AuditChain.Genesis("ws_1");
        Assert.Equal(await Sha256SumAsync("lanyard audit\nws_1"), genesis);
        Assert.Equal(await Sha256SumAsync($"{genesis}\nws_1\n1\n{Event}"), AuditChain.Hash(genesis, "ws_1", 1, Event));
    }

    [Fact]
    public void An_event_that_is_changed_moved_or_taken_to_another_chain_has_another_hash()
    {
        var first = AuditChain.Hash(AuditChain.Genesis("ws_1"), "ws_1", 1, Event);
        string[] others =
        [
            AuditChain.Hash(AuditChain.Genesis("ws_1"), "ws_1", 1, Event + " "),
            AuditChain.Hash(AuditChain.Genesis("ws_1"), "ws_1", 2, Event),
            AuditChain.Hash(AuditChain.Genesis("ws_1"), "ws_2", 1, Event),
            AuditChain.Hash(AuditChain.Genesis("ws_2"), "ws_1", 1, Event),
            AuditChain.Hash(first, "ws_1", 1, Event),
        ];
        Assert.Equal(6, others.Append(first).Distinct(StringComparer.Ordinal).Count());
    }

    private static async Task<string> Sha256SumAsync(string text)
    {
        using var process = Process.Start(new ProcessStartInfo("sha256sum") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        await process.StandardInput.WriteAsync(text.AsMemory(), Cancel);
        process.StandardInput.Close();
        var said = await process.StandardOutput.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        return said.Split(' ')[0];
    }
}
