using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Lanyard.Server.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Http;

/// <summary>What keeps <c>lanyard server</c> from starting is one line that names the option, and nothing is begun.</summary>
[Line("2.14")]
public sealed class StartFaultTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-start-").FullName;

    private string Data => Path.Combine(_folder, "data");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_port_that_is_taken_is_told_before_anything_is_made()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();

        var words = await FaultAsync(Options() with { Listen = (IPEndPoint)other.LocalEndpoint });

        Assert.Equal($"--listen {other.LocalEndpoint}: Address already in use: another process listens there (a server that still runs?); end it, or choose another port", words);
        Assert.False(Directory.Exists(Data));
    }

    [Fact]
    public void A_port_that_was_chosen_is_nobody_elses_from_then_on()
    {
        using var door = StartFault.Reserve(new IPEndPoint(IPAddress.Loopback, 0));

        Assert.Equal(AddressInUse, BindPlainly((IPEndPoint)door.LocalEndPoint!));
    }

    [Fact]
    public async Task A_server_that_could_not_start_gives_its_port_back()
    {
        using var probe = StartFault.Reserve(new IPEndPoint(IPAddress.Loopback, 0));
        var listen = (IPEndPoint)probe.LocalEndPoint!;
        probe.Dispose();

        await FaultAsync(Options() with { Listen = listen, Database = "postgres://lanyard@127.0.0.1:1/lanyard" });

        Assert.Equal(0, BindPlainly(listen));
    }

    [Fact]
    public async Task An_address_of_another_machine_is_told_too() =>
        Assert.StartsWith("--listen 192.0.2.7:0: ", await FaultAsync(Options() with { Listen = new IPEndPoint(IPAddress.Parse("192.0.2.7"), 0) }), StringComparison.Ordinal);

    [Fact]
    public async Task A_database_that_is_down_is_an_outage_in_one_line()
    {
        var words = await FaultAsync(Options() with { Database = "postgres://lanyard@127.0.0.1:1/lanyard" });

        Assert.StartsWith("the database of --database can't be used: ", words, StringComparison.Ordinal);
        Assert.Contains("Connection refused", words, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', words);
    }

    [Fact]
    public async Task A_file_in_the_place_of_the_data_directory_is_told_with_its_option()
    {
        await File.WriteAllTextAsync(Data, "", TestContext.Current.CancellationToken);

        Assert.StartsWith($"--data-dir {Data}: ", await FaultAsync(Options()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_file_of_another_installation_is_told_as_that()
    {
        await (await ServerProgram.StartAsync(Options(), TestContext.Current.CancellationToken)).DisposeAsync();
        await File.WriteAllBytesAsync(Path.Combine(Data, "key-encryption.key"), RandomNumberGenerator.GetBytes(32), TestContext.Current.CancellationToken);

        Assert.Contains("key-encryption.key", await FaultAsync(Options()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_no_other_server_and_a_held_file_is()
    {
        var file = Path.Combine(_folder, "lanyard.db");
        var missing = Assert.Throws<StorageException>(() => Database.Open(Path.Combine(_folder, "no", "lanyard.db"), TimeProvider.System, NullLoggerFactory.Instance));
        Assert.Contains("can't be opened", missing.Message, StringComparison.Ordinal);
        using var held = new FileStream(file + ".lock", FileMode.Create, FileAccess.ReadWrite, FileShare.None);

        Assert.Equal($"{file} is in use by another server", Assert.Throws<StorageException>(() => Database.Open(file, TimeProvider.System, NullLoggerFactory.Instance)).Message);
    }

    [Fact]
    public void A_database_of_an_unknown_kind_is_a_mistake_and_its_password_is_not_repeated()
    {
        var (options, mistakes) = ServerOptions.Parse(["--database", "mysql://me:hunter2@db/x"]);

        Assert.Null(options);
        Assert.Contains("--database mysql://…: only postgres://", Assert.Single(mistakes), StringComparison.Ordinal);
    }

    private ServerOptions Options() => new() { Listen = new IPEndPoint(IPAddress.Loopback, 0), DataDirectory = Data };

    private static async Task<string> FaultAsync(ServerOptions options)
    {
        var fault = await Record.ExceptionAsync(async () => await (await ServerProgram.StartAsync(options, TestContext.Current.CancellationToken)).DisposeAsync());
        Assert.NotNull(fault);
        return StartFault.Words(fault) ?? throw new InvalidOperationException("it was taken for a bug", fault);
    }

    private const int AddressInUse = 98;

    /// <summary>As the kernel does it for outgoing connections and port 0: a port that anybody has is not taken. (.NET's own way shares it with whoever shares, until one listens.)</summary>
    /// <returns>0 or errno.</returns>
    private static int BindPlainly(IPEndPoint endpoint)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var address = endpoint.Serialize();
        return bind(socket.SafeHandle, address.Buffer[..address.Size].ToArray(), address.Size) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int bind(SafeHandle socket, byte[] address, int length);
}
