using Lanyard.Bench.Proxy;
using Lanyard.Testing.Sockets;

namespace Lanyard.Bench.Cache;

/// <summary>nginx as its packages have it (sendfile, a worker a core) with a folder to read from and, by WebDAV's PUT, to write to.</summary>
internal sealed class NginxPeer : IAsyncDisposable
{
    public const string Name = "nginx 1.22.1";
    private readonly DirectoryInfo _folder;
    private readonly PeerProcess _process;
    private readonly int _port;

    private NginxPeer(DirectoryInfo folder, PeerProcess process, int port) => (_folder, _process, _port) = (folder, process, port);

    public int Id => _process.Id;

    /// <param name="folder">On the file system of the server's data; it is gone afterwards.</param>
    public static async Task<NginxPeer> StartAsync(string folder)
    {
        var (made, port) = (Directory.CreateDirectory(folder), FreePort.Take());
        made.CreateSubdirectory("www");
        var configuration = Path.Combine(folder, "nginx.conf");
        await File.WriteAllTextAsync(configuration, $$"""
            user root; worker_processes auto; daemon off; pid {{folder}}/nginx.pid;
            events { worker_connections 768; }
            http {
              access_log off; sendfile on; tcp_nopush on; client_max_body_size 0;
              client_body_temp_path {{folder}}/b; proxy_temp_path {{folder}}/p; fastcgi_temp_path {{folder}}/f; uwsgi_temp_path {{folder}}/u; scgi_temp_path {{folder}}/s;
              server { listen 127.0.0.1:{{port}}; root {{folder}}/www; location / { dav_methods PUT; } }
            }
            """);
        return new NginxPeer(made, await PeerProcess.StartAsync("/usr/sbin/nginx", ["-c", configuration, "-e", Path.Combine(folder, "nginx.log")], port, core: null), port);
    }

    public string UrlOf(string name) => $"http://127.0.0.1:{_port}/{name}";

    public void Add(string name, string file) => File.Copy(file, Path.Combine(_folder.FullName, "www", name));

    /// <summary>Before the disk is written to in its own time.</summary>
    public void Remove(string name) => File.Delete(Path.Combine(_folder.FullName, "www", name));

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
