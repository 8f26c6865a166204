using System.Net.Sockets;
using Lanyard.Bench.Dispatch;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Protocol.Runs;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;

namespace Lanyard.Bench.Runs;

/// <summary>The logs of 50 runs at once, in pieces as runners send them, against nginx that takes the same bytes in the same pieces by PUT (its dav module).</summary>
internal static class LogBench
{
    private const int Attempts = 50;
    private const int PiecesARound = 16;
    private const int Piece = 256 * 1024;
    private const string Unit = "MB / s";

    public static async Task MeasureAsync(List<BenchRow> rows, List<string> notes)
    {
        await using var installation = await BenchInstallation.StartAsync();
        await using var nginx = await DavPeer.StartAsync();
        var text = new byte[Piece];
        new Random(3).NextBytes(text);
        for (var i = 0; i < text.Length; i++)
            text[i] = (byte)(i % 80 == 79 ? '\n' : 'a' + (text[i] % 26));
        var ours = new List<(BenchRunner Runner, Offer Offer)>();
        using var runner = await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(0), Attempts);
        for (var i = 0; i < Attempts; i++)
            await installation.CreateRunAsync("main");
        while (ours.Count < Attempts)
        {
            foreach (var offer in await runner.PollManyAsync(Attempts - ours.Count, 5))
            {
                var own = await runner.AgainAsync();
                await own.AcceptAsync(offer);
                await own.StartAsync(offer);
                ours.Add((own, offer));
            }
        }

        var sent = 0L;
        async Task<double> OursAsync()
        {
            var from = sent;
            sent += (long)PiecesARound * Piece;
            return await TimedAsync(() => Task.WhenAll(ours.Select(async one =>
            {
                for (var i = 0; i < PiecesARound; i++)
                    await one.Runner.AppendAsync(one.Offer, from + ((long)i * Piece), text);
            })));
        }

        Task<double> TheirsAsync() => TimedAsync(() => nginx.PutAsync(Attempts, PiecesARound, text));
        await WarmUp.RunAsync(OursAsync);
        await WarmUp.RunAsync(TheirsAsync);
        var medians = await new RoundLoop("logs", [installation.ServerId, nginx.Id], TimeSpan.FromSeconds(60)).RunAsync(async () => new()
        {
            ["ours"] = await OursAsync(),
            ["nginx"] = await TheirsAsync(),
        });
        ours.ForEach(static one => one.Runner.Dispose());
        rows.Add(BenchRow.Rate("logs of 50 runs", medians["ours"], medians["nginx"], "nginx, dav PUT", Unit, 0.5));
        notes.Add($"logs: {medians.Note}");
    }

    private static async Task<double> TimedAsync(Func<Task> work)
    {
        var began = TimeProvider.System.GetTimestamp();
        await work();
        return (double)Attempts * PiecesARound * Piece / 1e6 / TimeProvider.System.GetElapsedTime(began).TotalSeconds;
    }

    /// <summary>nginx with one worker, as it comes, that stores what it is given below a folder.</summary>
    private sealed class DavPeer : IAsyncDisposable
    {
        private readonly DirectoryInfo _folder;
        private readonly ChildProcess _process;
        private readonly Uri _url;
        private int _round;

        private DavPeer(DirectoryInfo folder, ChildProcess process, Uri url) => (_folder, _process, _url) = (folder, process, url);

        public int Id => _process.Id;

        public static async Task<DavPeer> StartAsync()
        {
            var folder = Directory.CreateDirectory($"/var/tmp/lanyard-dav-{Guid.NewGuid():N}");
            var port = FreePort.Take();
            File.SetUnixFileMode(folder.FullName, (UnixFileMode)0b111_111_111);
            File.SetUnixFileMode(folder.CreateSubdirectory("files").FullName, (UnixFileMode)0b111_111_111);
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "nginx.conf"), $$"""
                worker_processes 1; pid {{folder.FullName}}/nginx.pid; worker_rlimit_nofile 4096; daemon off;
                events { worker_connections 2048; }
                http {
                  access_log off; client_max_body_size 16m; client_body_temp_path {{folder.FullName}}/files; client_body_buffer_size 512k;
                  server { listen 127.0.0.1:{{port}} backlog=512; location / { root {{folder.FullName}}/files; dav_methods PUT; create_full_put_path on; } }
                }
                """);
            var process = ChildProcess.Start("/usr/sbin/nginx", ["-c", Path.Combine(folder.FullName, "nginx.conf"), "-e", Path.Combine(folder.FullName, "nginx.log")]);
            var peer = new DavPeer(folder, process, new Uri($"http://127.0.0.1:{port}"));
            while (true)
            {
                try
                {
                    using var probe = await LeanHttp.ConnectAsync(peer._url);
                    return peer;
                }
                catch (SocketException) when (!process.HasExited)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
                }
            }
        }

        public async Task PutAsync(int writers, int pieces, byte[] text)
        {
            var round = ++_round;
            await Task.WhenAll(Enumerable.Range(0, writers).Select(async writer =>
            {
                using var connection = await LeanHttp.ConnectAsync(_url);
                for (var i = 0; i < pieces; i++)
                    await connection.SendAsync(LeanHttp.Request(_url, "PUT", $"/{round}/{writer}-{i}", null, "application/octet-stream", text));
            }));
        }

        public async ValueTask DisposeAsync()
        {
            await _process.DisposeAsync();
            _folder.Delete(recursive: true);
        }
    }
}
