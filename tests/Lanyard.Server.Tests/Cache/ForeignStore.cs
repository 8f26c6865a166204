using System.Net.Sockets;
using Lanyard.Server.Cache.Objects;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A real object store of another maker, from npm, on loopback: s3rver for S3, Azurite for Azure Blob. Its bucket or container is <c>cache</c>.</summary>
public sealed class ForeignStore : IAsyncDisposable
{
    /// <summary>Azurite's own, the same everywhere (its documentation prints it).</summary>
    public const string AzuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lanyard-objects-");
    private readonly int _port = FreePort.Take();
    private readonly bool _isAzure;
    private ChildProcess? _process;

    private ForeignStore(string kind) => _isAzure = kind == "azure";

    public string Folder => _folder.FullName;

    public string Origin => $"http://127.0.0.1:{_port}";

    internal byte[]? Key => _isAzure ? Convert.FromBase64String(AzuriteKey) : null;

    internal CacheStoreUrl Url => CacheStoreUrl.Parse(
        _isAzure ? $"azure://devstoreaccount1/cache/a/b?endpoint={Origin}/devstoreaccount1" : $"s3://cache/a/b?endpoint={Origin}&region=eu-west-1", out _)!;

    public static async Task<ForeignStore> StartAsync(string kind)
    {
        KnowKeys();
        var store = new ForeignStore(kind);
        await store.ResumeAsync();
        if (store._isAzure) await store.MakeContainerAsync();
        return store;
    }

    /// <summary>As s3rver has them; nothing else in this process looks for AWS.</summary>
    public static void KnowKeys()
    {
        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", "S3RVER");
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", "S3RVER");
    }

    /// <summary>Azurite is asked: it writes down what it knows only now and then.</summary>
    public async Task StopAsync()
    {
        if (_isAzure) _process!.Signal(15);
        else _process!.Kill();
        await _process.WaitForExitAsync();
        await _process.DisposeAsync();
        _process = null;
    }

    public async Task ResumeAsync()
    {
        var (node, modules) = await NodeScript.LocateAsync();
        var port = _port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        string[] arguments = _isAzure
            ? [Path.Combine(modules, "azurite/dist/src/blob/main.js"), "--location", Folder, "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", port]
            : [Path.Combine(modules, "s3rver/bin/s3rver.js"), "-d", Folder, "-a", "127.0.0.1", "-p", port, "--silent", "--configure-bucket", "cache"];
        _process = ChildProcess.Start(node, arguments);
        await Eventually.HoldsAsync(IsThereAsync, () => $"{arguments[0]} listens: {_process.Output} {_process.Errors}", TimeSpan.FromSeconds(60));
    }

    /// <summary>The objects' own files, where the store keeps them as they are.</summary>
    public string[] Files => [.. Directory.GetFiles(Folder, "*", SearchOption.AllDirectories).Where(file => _isAzure
        ? file.Contains("__blobstorage__", StringComparison.Ordinal) && !file.EndsWith(".json", StringComparison.Ordinal)
        : file.EndsWith("._S3rver_object", StringComparison.Ordinal))];

    public async ValueTask DisposeAsync()
    {
        if (_process is not null) await _process.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private async Task<bool> IsThereAsync()
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", _port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task MakeContainerAsync() => (await NodeScript.RunAsync(
        """
        import { BlobServiceClient } from '@azure/storage-blob';
        import * as fs from 'node:fs';
        await BlobServiceClient.fromConnectionString(fs.readFileSync(0, 'utf8')).getContainerClient('cache').create();
        """,
        $"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AzuriteKey};BlobEndpoint={Origin}/devstoreaccount1;")).Succeeded();
}
