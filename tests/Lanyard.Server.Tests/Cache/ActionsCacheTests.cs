using System.Globalization;
using System.Text.Json;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>The unmodified client of actions/cache, from npm, against this server.</summary>
[Line("4.3")]
[Needs("npm")]
public sealed class ActionsCacheTests : IAsyncLifetime
{
    private const int MiB = 1 << 20;

    /// <summary>Blocks of 64 MiB repeat themselves too far apart for the client's compression to see it.</summary>
    private const string SaveAndRestore =
        """
        const size = Number(process.env.SIZE);
        const hash = async () => {
          const sum = crypto.createHash('sha256');
          for await (const part of fs.createReadStream('d/content')) sum.update(part);
          return sum.digest('hex');
        };
        fs.mkdirSync('d');
        const block = crypto.randomBytes(Math.min(size, 64 << 20));
        fs.writeFileSync('d/content', '');
        for (let left = size; left > 0; left -= block.length) fs.appendFileSync('d/content', block.subarray(0, left));
        const before = await hash();
        const miss = await cache.restoreCache(['d'], 'linux-abc', ['linux-']);
        const saved = await cache.saveCache(['d'], 'linux-abc');
        const again = size > (64 << 20) ? -1 : await cache.saveCache(['d'], 'linux-abc');
        fs.rmSync('d', { recursive: true });
        const lookedUp = await cache.restoreCache(['d'], 'linux-abc', [], { lookupOnly: true });
        const untouched = !fs.existsSync('d');
        const exact = await cache.restoreCache(['d'], 'linux-abc');
        const after = await hash();
        fs.rmSync('d', { recursive: true });
        const prefix = await cache.restoreCache(['d'], 'linux-xyz', ['mac-', 'linux-'], { lookupOnly: size > (64 << 20) });
        const crossOs = await cache.restoreCache(['d'], 'linux-abc', [], { lookupOnly: true }, true);
        const other = await cache.restoreCache(['elsewhere'], 'linux-abc');
        console.log('RESULT ' + JSON.stringify({ miss: miss ?? null, saved, again, lookedUp, untouched, exact, same: before === after, prefix, crossOs, other: other ?? null }));
        """;

    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    public static TheoryData<string, string, int> Matrix()
    {
        var matrix = new TheoryData<string, string, int>();
        foreach (var (client, protocol) in ((string, string)[])[("actions-cache-3", "v1"), ("actions-cache-4", "v2"), ("actions-cache-5", "v2"), ("actions-cache-6", "v2")])
        {
            foreach (var size in (int[])[0, 1024, 33 * MiB, 129 * MiB, 1024 * MiB]) matrix.Add(client, protocol, size);
        }

        matrix.Add("actions-cache-4", "v1", 70 * MiB);
        return matrix;
    }

    [Theory]
    [MemberData(nameof(Matrix))]
    public async Task What_the_client_saves_it_restores_byte_for_byte(string client, string protocol, int size)
    {
        var (said, output) = await ActionsClient.RunAsync(
            _server, await _server.MachineAsync(), SaveAndRestore, client, protocol == "v2", new Dictionary<string, string?> { ["SIZE"] = size.ToString(CultureInfo.InvariantCulture) });

        Assert.Equal(JsonValueKind.Null, said.GetProperty("miss").ValueKind);
        Assert.True(said.GetProperty("saved").GetInt64() > 0, output);
        Assert.Equal(-1, said.GetProperty("again").GetInt64());
        if (size <= 64 * MiB) Assert.Contains("already exists", output, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("linux-abc", said.GetProperty("lookedUp").GetString());
        Assert.True(said.GetProperty("untouched").GetBoolean());
        Assert.Equal("linux-abc", said.GetProperty("exact").GetString());
        Assert.True(said.GetProperty("same").GetBoolean());
        Assert.Equal("linux-abc", said.GetProperty("prefix").GetString());
        Assert.Equal("linux-abc", said.GetProperty("crossOs").GetString());
        Assert.Equal(JsonValueKind.Null, said.GetProperty("other").ValueKind);
    }
}
