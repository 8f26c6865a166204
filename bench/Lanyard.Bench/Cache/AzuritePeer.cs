using System.Security.Cryptography;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Proxy;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;

namespace Lanyard.Bench.Cache;

/// <summary>Azurite, the emulator of Azure Blob by its maker: with its bytes on the same disk as ours, as it is started by default, or in memory, where no disk slows it down.</summary>
internal sealed class AzuritePeer : IAsyncDisposable
{
    public const string Name = "azurite 3.35.0";
    public const string Account = "bench";
    private readonly PeerProcess _process;

    private readonly DirectoryInfo _folder;

    private AzuritePeer(PeerProcess process, DirectoryInfo folder, string url, string key) => (_process, _folder, Url, Key) = (process, folder, url, key);

    public string Url { get; }

    /// <summary>The account's, made for this run.</summary>
    public string Key { get; }

    public int Id => _process.Id;

    /// <param name="folder">Made, and deleted at the end; of bytes in memory nothing comes to lie there.</param>
    public static async Task<AzuritePeer> StartAsync(string folder, bool isInMemory)
    {
        var made = Directory.CreateDirectory(folder);
        var (node, modules) = await NodePeer.LocateAsync(Repo.At("eng", "npm"));
        var (port, key) = (FreePort.Take(), Convert.ToBase64String(RandomNumberGenerator.GetBytes(64)));
        string[] arguments =
        [
            Path.Combine(modules, "azurite/dist/src/blob/main.js"), .. isInMemory ? ["--inMemoryPersistence"] : (string[])["--location", made.FullName], "--silent", "--disableTelemetry", "--skipApiVersionCheck",
            "--blobHost", "127.0.0.1", "--blobPort", $"{port}",
        ];
        var process = await PeerProcess.StartAsync(node, arguments, port, core: null, new Dictionary<string, string?> { ["AZURITE_ACCOUNTS"] = $"{Account}:{key}" });
        return new AzuritePeer(process, made, $"http://127.0.0.1:{port}", key);
    }

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
