using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Logs;

[Line("2.9")]
public sealed class AttemptLogTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-log-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Over_the_limit_head_and_tail_are_kept_and_the_log_says_what_was_dropped()
    {
        using var log = new AttemptLog(Path.Combine(_folder, "log"), limit: 1000);
        for (var line = 0; line < 1000; line++)
        {
            log.Append(Encoding.ASCII.GetBytes($"line {line:d4}\n"));
        }

        var total = log.Complete();
        var text = await ReadAsync(log, total.Bytes);

        Assert.StartsWith("line 0000\nline 0001\n", text, StringComparison.Ordinal);
        Assert.Contains("[lanyard] 9000 bytes of output were dropped here: the log is limited to 1000 bytes\n", text, StringComparison.Ordinal);
        Assert.EndsWith("line 0998\nline 0999\n", text, StringComparison.Ordinal);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text))), total.Sha256);
        Assert.True(total.Bytes is > 1000 and < 1200);
    }

    /// <summary>A step whose output nobody reads stands still, in the midst of an apply if it must.</summary>
    [Fact]
    public void A_full_disk_costs_the_output_and_never_the_step_that_writes_it()
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "log"), "/dev/full");
        using var log = new AttemptLog(Path.Combine(_folder, "log"), limit: 1000);
        for (var line = 0; line < 1000; line++)
        {
            log.Append(Encoding.ASCII.GetBytes($"line {line:d4}\n"));
        }

        log.AppendNote("the step exited with code 1");

        Assert.Equal(new LogTotal(0, Convert.ToHexStringLower(SHA256.HashData([]))), log.Complete());
    }

    [Fact]
    public async Task What_a_full_disk_has_cost_is_said_where_it_is_missing()
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "log.tail"), "/dev/full");
        using var log = new AttemptLog(Path.Combine(_folder, "log"), limit: 1000);
        for (var line = 0; line < 100; line++)
        {
            log.Append(Encoding.ASCII.GetBytes($"line {line:d4}\n"));
        }

        var total = log.Complete();
        var text = await ReadAsync(log, total.Bytes);

        Assert.EndsWith("line 0049\n\n[lanyard] 500 bytes of output were lost here: the runner could not write them to its disk\n", text, StringComparison.Ordinal);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text))), total.Sha256);
    }

    [Fact]
    [Line("5.7")]
    public async Task Of_a_gigabyte_the_head_and_the_tail_are_kept_in_memory_that_does_not_grow_with_it()
    {
        const int Limit = 4 << 20;
        using var log = new AttemptLog(Path.Combine(_folder, "log"), Limit);
        log.TryHide("a-secret-of-this-run");
        var chunk = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("some output, then a-secret-of-this-run, and more of it\n", 600)));
        log.Append("THE-BEGINNING\n"u8);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var written = 14L;
        for (; written < 1L << 30; written += chunk.Length) log.Append(chunk);
        log.Append("THE-END\n"u8);
        var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        var total = log.Complete();
        var text = await ReadAsync(log, total.Bytes);

        Assert.InRange(grown, long.MinValue, 64 << 20);
        Assert.InRange(total.Bytes, Limit, Limit + 200);
        Assert.StartsWith("THE-BEGINNING\n", text, StringComparison.Ordinal);
        Assert.EndsWith("THE-END\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("a-secret-of-this-run", text, StringComparison.Ordinal);
        Assert.Contains("bytes of output were dropped here: the log is limited to", text, StringComparison.Ordinal);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text))), total.Sha256);
    }

    [Fact]
    public async Task A_log_just_at_its_limit_loses_nothing()
    {
        using var log = new AttemptLog(Path.Combine(_folder, "log"), limit: 1000);
        log.Append(Encoding.ASCII.GetBytes(new string('a', 400)));
        log.Append(Encoding.ASCII.GetBytes(new string('b', 600)));

        Assert.Equal(new string('a', 400) + new string('b', 600), await ReadAsync(log, log.Complete().Bytes));
    }

    /// <summary>Such a note comes whenever a cancel does, or a renewal fails: between two writes of the step, or two reads of what it wrote.</summary>
    [Theory]
    [Line("5.7")]
    [InlineData("token: a-secret-of", "-this-run, printed\n", "token: ***, printed\n")]
    [InlineData("::add-mask::another-one-of", "-the-steps\nanother-one-of-the-steps\n", "::add-mask::***\n***\n")]
    [InlineData("::add-", "mask::another-one-of-the-steps\nanother-one-of-the-steps\n", "::add-mask::***\n***\n")]
    public async Task A_note_that_comes_while_a_step_writes_does_not_show_the_two_halves_of_a_secret(string before, string after, string shown)
    {
        using var log = new AttemptLog(Path.Combine(_folder, "log"), limit: 1 << 20);
        log.TryHide("a-secret-of-this-run");
        log.Append(Encoding.ASCII.GetBytes(before));
        log.AppendNoteMeanwhile("the step is asked to end");
        log.Append(Encoding.ASCII.GetBytes(after));
        var text = await ReadAsync(log, log.Complete().Bytes);

        Assert.Equal($"{shown}[lanyard] the step is asked to end\n", text);
    }

    [Fact]
    [Line("5.7")]
    public async Task A_note_that_waits_for_a_steps_last_word_is_said_when_there_is_none()
    {
        using var log = new AttemptLog(Path.Combine(_folder, "log"), limit: 1 << 20);
        log.TryHide("a-secret-of-this-run");
        log.Append("a-secret-"u8);
        log.AppendNoteMeanwhile("the step is asked to end");
        log.AppendNote("the step exited with code 1");
        var text = await ReadAsync(log, log.Complete().Bytes);

        Assert.Equal("a-secret-[lanyard] the step is asked to end\n[lanyard] the step exited with code 1\n", text);
    }

    [Fact]
    public void Its_files_are_the_runners_alone()
    {
        using var log = new AttemptLog(Path.Combine(_folder, "log"), limit: 10);
        log.Append("more than ten bytes"u8);

        Assert.Equal(2, Directory.EnumerateFiles(_folder).Count());
        Assert.All(Directory.EnumerateFiles(_folder), file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    private static async Task<string> ReadAsync(AttemptLog log, long length)
    {
        var bytes = new byte[length + 1];
        var read = await log.ReadAsync(bytes, 0, TestContext.Current.CancellationToken);
        return Encoding.ASCII.GetString(bytes, 0, read);
    }
}
