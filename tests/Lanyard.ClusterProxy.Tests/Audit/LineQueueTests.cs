using System.Collections.Concurrent;
using System.Text;
using Lanyard.ClusterProxy.Audit;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Audit;

[Line("3.8")]
public sealed class LineQueueTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-lines-").FullName;
    private readonly ConcurrentQueue<string> _written = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_stop_writes_everything_that_was_taken()
    {
        var gate = new TaskCompletionSource();
        var queue = Queue(async (lines, _) =>
        {
            await gate.Task;
            Note(lines);
        });
        for (var i = 0; i < 500; i++)
        {
            await queue.AddAsync(Line(i));
        }

        var stopping = queue.DisposeAsync();
        gate.SetResult();
        await stopping;

        Assert.Equal(Enumerable.Range(0, 500).Select(i => $"{i}"), _written);
        Assert.Equal((500, 0), (queue.Written, queue.Lost));
    }

    [Fact]
    public async Task A_batch_that_failed_is_tried_again_and_nothing_is_lost_or_reordered()
    {
        var faults = 2;
        var failed = new SemaphoreSlim(0);
        var time = new ManualTime();
        var queue = Queue(
            (lines, _) =>
            {
                if (faults-- > 0)
                {
                    failed.Release();
                    throw new IOException("down");
                }

                Note(lines);
                return ValueTask.CompletedTask;
            },
            time: time);
        await queue.AddAsync(Line(1));
        await queue.AddAsync(Line(2));
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(_written.Count == 2);
            },
            "both lines written");
        await queue.DisposeAsync();

        Assert.Equal(["1", "2"], _written);
        Assert.Equal((2, 0), (failed.CurrentCount, queue.Lost));
    }

    [Fact]
    public async Task A_receiver_that_never_answers_loses_lines_in_the_end_and_they_are_counted()
    {
        var time = new ManualTime();
        var queue = Queue((_, _) => throw new IOException("down"), drops: true, capacity: 4, time: time);
        for (var i = 0; i < 20; i++)
        {
            await queue.AddAsync(Line(i));
        }

        var stopping = queue.DisposeAsync().AsTask();
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(31));
                return Task.FromResult(stopping.IsCompleted);
            },
            "the stop gives up");
        await stopping;

        Assert.Equal((0, 20), (queue.Written, queue.Lost));
    }

    [Fact]
    public async Task Where_nothing_may_be_lost_the_sender_waits_for_room()
    {
        var gate = new TaskCompletionSource();
        var queue = Queue(
            async (lines, _) =>
            {
                await gate.Task;
                Note(lines);
            },
            capacity: 1);
        var adding = Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++)
            {
                await queue.AddAsync(Line(i));
            }
        });

        gate.SetResult();
        await adding;
        await queue.DisposeAsync();

        Assert.Equal((50, 0), (_written.Count, queue.Lost));
    }

    [Fact]
    public async Task A_file_is_its_owners_only_and_is_put_aside_when_it_is_large()
    {
        var path = Path.Combine(_folder, "audit.log");
        var time = new ManualTime();
        using var file = new LineFile(new LineFileOptions(path, MaxSize: 10, MaxBackups: 2, MaxAge: TimeSpan.Zero), time);
        for (var i = 0; i < 5; i++)
        {
            await file.WriteAsync([Encoding.UTF8.GetBytes($"line-{i}")], default);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal("line-4\n", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(["line-2\n", "line-3\n"], Directory.GetFiles(_folder, "audit-*.log").Order(StringComparer.Ordinal).Select(File.ReadAllText));
    }

    private static byte[] Line(int i) => Encoding.UTF8.GetBytes($"{i}");

    private void Note(IReadOnlyList<byte[]> lines)
    {
        foreach (var line in lines)
        {
            _written.Enqueue(Encoding.UTF8.GetString(line));
        }
    }

    private static LineQueue Queue(WriteBatch write, bool drops = false, int capacity = 1000, TimeProvider? time = null) =>
        new(new LineQueueOptions("test", MaxBatch: 100, TimeSpan.Zero, capacity, drops), write, time ?? TimeProvider.System, NullLogger.Instance);
}
