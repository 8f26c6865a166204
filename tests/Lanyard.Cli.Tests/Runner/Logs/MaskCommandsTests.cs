using System.Security.Cryptography;
using System.Text;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Logs;

/// <summary>What a step says of its own secrets, and what a log of any size keeps.</summary>
[Line("5.7")]
public sealed class MaskCommandsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-log-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_value_that_a_step_declares_is_hidden_from_then_on_wherever_the_chunks_are_cut()
    {
        var text = "hunter22 is shown\n::add-mask::hunter22\r\n: not one\n ::add-mask::indented\nsay hunter22 indented aHVudGVyMjI=\n::add"u8.ToArray();
        const string wanted = "hunter22 is shown\n::add-mask::***\n: not one\n ::add-mask::indented\nsay *** indented ***I=\n::add";
        for (var cut = 0; cut <= text.Length; cut++)
            Assert.Equal(wanted, await LogOfAsync(text[..cut], text[cut..]));
        Assert.Equal(wanted, await LogOfAsync([.. text.Select(b => new[] { b })]));
    }

    [Fact]
    public async Task A_value_of_several_lines_is_written_with_percent_signs()
    {
        Assert.Equal(
            "::add-mask::***\n***\n[***] 100%\n***\n", await LogOfAsync("::add-mask::first-line%0Asecond-%25-line\nfirst-line\nsecond-%-line\n[second-%-line] 100%\nfirst-line\n"u8.ToArray()));
    }

    [Theory]
    [InlineData("::add-mask::abc\nabc\n", "::add-mask::*** [lanyard] a value shorter than 6 bytes is not masked\nabc\n")]
    [InlineData("::add-mask::\nx\n", "::add-mask::*** [lanyard] a value shorter than 6 bytes is not masked\nx\n")]
    [InlineData("::add-mas::secret-value\n", "::add-mas::secret-value\n")]
    [InlineData("::\n::add-mask::secret-value", "::\n::add-mask::***")]
    public async Task What_is_no_command_or_can_not_be_masked_says_so(string text, string log)
    {
        Assert.Equal(log, await LogOfAsync(Encoding.ASCII.GetBytes(text)));
    }

    [Fact]
    public async Task A_command_without_an_end_is_neither_shown_nor_kept_in_memory()
    {
        var endless = Encoding.ASCII.GetBytes("::add-mask::" + new string('x', 200_000));
        Assert.Equal("::add-mask::***\nafter\n", await LogOfAsync(endless, endless[20..], "\nafter\n"u8.ToArray()));
    }

    [Fact]
    public void Half_a_gigabyte_of_output_stays_within_its_limit_on_disk_and_in_memory()
    {
        const int limit = 1 << 20;
        using var log = new AttemptLog(Path.Combine(_folder, "big"), limit);
        log.TryHide("a-secret-in-the-middle");
        var chunk = new byte[64 * 1024];
        new Random(3).NextBytes(chunk);
        "a-secret-in-the-middle"u8.CopyTo(chunk.AsSpan(1000));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 8192; i++)
            log.Append(chunk);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 16 << 20, "512 MiB of output went through memory of their own");
        Assert.True(Directory.EnumerateFiles(_folder).Sum(file => new FileInfo(file).Length) <= limit);
        Assert.Equal(8192, log.Masked);
        var total = log.Complete();
        Assert.True(total.Bytes is > limit and < limit + 200);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(_folder, "big")))), total.Sha256);
    }

    private async Task<string> LogOfAsync(params byte[][] chunks)
    {
        var path = Path.Combine(_folder, Guid.NewGuid().ToString("n"));
        using var log = new AttemptLog(path, 1 << 20);
        Array.ForEach(chunks, chunk => log.Append(chunk));
        var total = log.Complete();
        var bytes = new byte[total.Bytes];
        await log.ReadAsync(bytes, 0, TestContext.Current.CancellationToken);
        return Encoding.UTF8.GetString(bytes);
    }
}

/// <summary>Through a whole runner: declared variables, and what a step adds.</summary>
[Line("5.7")]
[Needs("bwrap")]
public sealed class DeclaredSecretTests : IAsyncLifetime
{
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync() => _plane = await FakeControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

    [Fact]
    public async Task The_values_that_a_definition_names_never_reach_the_server_and_the_count_does()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var payload = Payloads.Of(Payloads.Script("echo $PASSWORD $PIN; printf %s \"$STEP\" | base64; echo ::add-mask::made-up-here; echo made-up-here", environment: ("STEP", "of the step")));
        var attempt = _plane.Enqueue(payload with { Mask = ["PASSWORD", "STEP", "PIN", "ABSENT"], Variables = new Dictionary<string, string> { ["PASSWORD"] = "hunter2-hunter2", ["PIN"] = "123" } });
        var end = await attempt.Ended.WaitAsync(TimeSpan.FromSeconds(90));

        Assert.Equal(
            "[lanyard] the value of PIN is too short to be masked, or there are too many\n[lanyard] step step\n*** 123\n***A==\n::add-mask::***\n***\n".Replace("***A==", attempt.Log.Split('\n')[3], StringComparison.Ordinal),
            attempt.Log);
        Assert.StartsWith("***", attempt.Log.Split('\n')[3], StringComparison.Ordinal);
        Assert.Equal((RunStates.Succeeded, 3L), (end.Outcome, end.Masked));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(attempt.LogBytes)), end.LogSha256);
    }
}
