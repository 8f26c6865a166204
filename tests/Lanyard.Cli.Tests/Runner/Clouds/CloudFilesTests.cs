using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Clouds;

[Line("5.3")]
[Needs("bwrap")]
public sealed class CloudFilesTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private static readonly CloudPayload Cloud = new(
        [new("aws.jwt", "sts.amazonaws.com", CloudFormats.Jwt), new("kubernetes.json", "https://k8s", CloudFormats.ExecCredential)],
        [new("gcp.json", $$"""{"url":"{{CloudWords.TokenUrl}}","header":"Bearer {{CloudWords.Bearer}}"}""")],
        new Dictionary<string, string> { ["TOKEN"] = $"{CloudWords.Folder}/aws.jwt", ["FOLDER"] = CloudWords.Folder, ["ROLE"] = "arn" });

    private FakeControlPlane _plane = null!;
    private RunnerUnderTest _runner = null!;

    public async ValueTask InitializeAsync()
    {
        _plane = await FakeControlPlane.StartAsync();
        _runner = new RunnerUnderTest(_plane);
    }

    public async ValueTask DisposeAsync()
    {
        await _runner.DisposeAsync();
        await _plane.DisposeAsync();
    }

    [Fact]
    public async Task A_step_finds_its_tokens_in_files_of_its_own_that_it_can_not_write()
    {
        var attempt = Enqueue("""
            for f in aws.jwt kubernetes.json gcp.json; do stat -c "$f %a %u" $FOLDER/$f; done
            id -u | sed 's/^/uid /'
            [ "$(cut -d. -f2 "$TOKEN" | base64 -di 2>/dev/null | grep -c '"aud":"sts.amazonaws.com"')" = 1 ] && echo AUDIENCE-right
            grep -q '"kind":"ExecCredential"' $FOLDER/kubernetes.json && grep -q '"expirationTimestamp":"20' $FOLDER/kubernetes.json && echo EXEC-right
            [ "$(cat $FOLDER/gcp.json)" = "{\"url\":\"$ACTIONS_ID_TOKEN_REQUEST_URL\",\"header\":\"Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN\"}" ] && echo FILLED
            (echo x > $FOLDER/more) 2>/dev/null && echo FOUND-writable
            (echo x > $TOKEN) 2>/dev/null && echo FOUND-overwritten
            cat $TOKEN
            """);

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);

        Assert.Contains("aws.jwt 600 1000", attempt.Log, StringComparison.Ordinal);
        Assert.Contains("kubernetes.json 600 1000", attempt.Log, StringComparison.Ordinal);
        Assert.Contains("gcp.json 600 1000", attempt.Log, StringComparison.Ordinal);
        foreach (var said in (string[])["uid 1000", "AUDIENCE-right", "EXEC-right", "FILLED"]) Assert.Contains(said, attempt.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("FOUND", attempt.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(_plane.Logins.Tokens.First(), attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokens_are_in_memory_where_the_host_has_a_tmpfs_and_gone_when_the_attempt_is()
    {
        var attempt = Enqueue("grep ' /run/lanyard/cloud ' /proc/self/mounts | cut -d' ' -f3 | sed 's/^/type: /'; echo READY; sleep 0.1");
        await attempt.LogSaysAsync("READY");
        var memory = await File.ReadAllTextAsync(Path.Combine(_runner.Settings.WorkFolder, "memory"));
        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);

        if (new DriveInfo("/dev/shm").DriveFormat == "tmpfs")
        {
            Assert.Contains("type: tmpfs", attempt.Log, StringComparison.Ordinal);
            Assert.StartsWith("/dev/shm/", memory, StringComparison.Ordinal);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(memory));
    }

    [Fact]
    public async Task A_token_is_replaced_at_half_its_life_and_whoever_reads_never_finds_half_a_file()
    {
        _plane.Logins.IdentityTokenSeconds = 2;
        var attempt = Enqueue("""
            first=$(cat $TOKEN); seen=0
            while [ $seen -lt 2 ]; do
              now=$(cat $TOKEN) || { echo FOUND-nothing; exit 1; }
              case "$now" in *.*.??????????????????????????????????????*) ;; *) echo FOUND-half; exit 1;; esac
              [ "$now" = "$first" ] || { first=$now; seen=$((seen+1)); }
            done
            echo RENEWED-twice
            """);

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);

        Assert.Contains("RENEWED-twice", attempt.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("FOUND", attempt.Log, StringComparison.Ordinal);
        var asked = _plane.Logins.TokenRequests.Count;
        var next = _plane.Enqueue(Payloads.Of(Payloads.Script("true")));
        await next.Ended.WaitAsync(Deadline);
        Assert.Equal(asked, _plane.Logins.TokenRequests.Count);
    }

    [Fact]
    public async Task The_issuers_outage_at_renewal_leaves_the_old_token_and_is_made_up_for()
    {
        _plane.Logins.IdentityTokenSeconds = 4;
        var left = 3;
        var attempt = Enqueue("first=$(cat $TOKEN); while [ \"$(cat $TOKEN)\" = \"$first\" ]; do :; done; echo RENEWED");
        _plane.FaultOf = name => name == "token" && _plane.Logins.Tokens.Count >= 2 && Interlocked.Decrement(ref left) >= 0 ? Fault.Unavailable : Fault.None;

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);

        Assert.True(Volatile.Read(ref left) < 0);
        Assert.Contains("RENEWED", attempt.Log, StringComparison.Ordinal);
    }

    /// <summary>.NET says so, and not that of an I/O error, where the name is a folder's.</summary>
    [Fact]
    public async Task A_token_that_can_not_be_written_at_renewal_is_noted_and_its_attempt_goes_on()
    {
        _plane.Logins.IdentityTokenSeconds = 2;
        var attempt = Enqueue("echo READY; while [ ! -e $FOLDER/go ]; do sleep 0.05; done; echo WENT-on");
        await attempt.LogSaysAsync("READY");
        var memory = await File.ReadAllTextAsync(Path.Combine(_runner.Settings.WorkFolder, "memory"));
        var folder = Assert.Single(Directory.GetDirectories(memory));
        Directory.CreateDirectory(Path.Combine(folder, "aws.jwt.next", "in-the-way"));

        await attempt.LogSaysAsync("aws.jwt is not renewed");
        await File.WriteAllTextAsync(Path.Combine(folder, "go"), "");

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Contains("WENT-on", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_server_refuses_a_clouds_audience_no_step_begins_and_the_reason_names_it()
    {
        _plane.Logins.RefusedAudiences.Add("sts.amazonaws.com");
        var attempt = Enqueue("echo RAN");

        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal(RunStates.Failed, end.Outcome);
        Assert.Contains("aws.jwt (audience sts.amazonaws.com)", end.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("RAN", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_canceled_attempt_keeps_its_files_through_the_grace_and_gets_no_new_token()
    {
        // Renewed each second: what stays the same for three is renewed no more.
        _plane.Logins.IdentityTokenSeconds = 2;
        const string Script = "trap 'last=$(cat $TOKEN); sleep 3; [ \"$(cat $TOKEN)\" = \"$last\" ] && echo GRACE-has-its-last-token; exit 0' TERM; echo READY; while :; do sleep 0.05; done";
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(Script)) with { Cloud = Cloud, GraceSeconds = 20 });
        await attempt.LogSaysAsync("READY");

        _plane.Tell(attempt, HoldAnswers.Cancel);

        Assert.Equal(RunStates.Canceled, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Contains("GRACE-has-its-last-token", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_payload_whose_file_would_leave_its_folder_is_not_run()
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo RAN")) with { Cloud = Cloud with { Files = [new("../escape", "x")] } });

        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal("runner_error", end.Outcome);
        Assert.DoesNotContain("RAN", attempt.Log, StringComparison.Ordinal);
    }

    private FakeAttempt Enqueue(string script) => _plane.Enqueue(Payloads.Of(Payloads.Script(script)) with { Cloud = Cloud });
}
