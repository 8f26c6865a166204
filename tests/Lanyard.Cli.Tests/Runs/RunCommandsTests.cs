using System.Text;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Runs;

[Line("2.9")]
public sealed class RunCommandsTests() : CliApiTests("acme", "infra")
{
    private const string Run = "/v1/workspaces/acme/collections/infra/runs/run_01k";
    private readonly byte[] _log = Encoding.UTF8.GetBytes("plan: ü\napply: 🙂 done\n");

    [Theory]
    [InlineData("succeeded", 0)]
    [InlineData("failed", 1)]
    public async Task A_followed_log_comes_whole_in_pieces_of_three_bytes_with_cuts_and_ends_as_the_run_ended(string end, int exit)
    {
        var requests = 0;
        Api.OnRequest = async http =>
        {
            if (http.Request.Path == Run)
            {
                await http.Response.WriteAsync($$"""{"id":"run_01k","state":"{{(requests < 10 ? "running" : end)}}"}""");
                return true;
            }

            Assert.Equal(Run + "/logs", http.Request.Path);
            var offset = int.Parse(http.Request.Query["offset"].ToString(), System.Globalization.CultureInfo.InvariantCulture);
            var piece = _log.AsMemory(Math.Min(offset, _log.Length), Math.Min(3, _log.Length - Math.Min(offset, _log.Length)));
            if (++requests % 4 == 0)
            {
                http.Response.ContentLength = 3;
                await http.Response.Body.WriteAsync(piece[..Math.Min(1, piece.Length)]);
                await http.Response.Body.FlushAsync();
                http.Abort();
                return true;
            }

            await http.Response.Body.WriteAsync(piece);
            return true;
        };

        Assert.Equal(exit, await Cli.RunAsync("logs", "-f", "run_01k"));
        Assert.Equal(Encoding.UTF8.GetString(_log), Cli.Out.ToString());
        Assert.Equal($"run_01k {end}\n", Cli.Error.ToString());
    }

    [Fact]
    public async Task Who_stops_looking_at_a_run_is_told_that_it_goes_on_and_how_it_ends()
    {
        using var interrupt = new CancellationTokenSource();
        Cli.Interrupted = interrupt.Token;
        Api.OnRequest = async http =>
        {
            if (http.Request.Path == Run + "/logs") await interrupt.CancelAsync();
            else await http.Response.WriteAsync("""{"id":"run_01k","state":"running"}""");
            return true;
        };

        Assert.Equal(130, await Cli.RunAsync("run", "plan", "--follow"));
        Assert.Equal("run_01k\nrun_01k goes on: lanyard logs -f run_01k follows it again, lanyard cancel run_01k ends it.\n", Cli.Error.ToString());
    }

    [Fact]
    public async Task A_run_that_was_tried_twice_shows_both_logs_whole_and_says_which()
    {
        string[] logs = ["first try, lost in the middle", "second\n"];
        var state = 0;
        Api.OnRequest = async http =>
        {
            if (http.Request.Path == Run)
            {
                await http.Response.WriteAsync(state++ < 3 ? """{"id":"run_01k","state":"running","attempt":1}""" : """{"id":"run_01k","state":"succeeded","attempt":2}""");
                return true;
            }

            var attempt = http.Request.Query.TryGetValue("attempt", out var asked) ? int.Parse(asked.ToString(), System.Globalization.CultureInfo.InvariantCulture) : 1;
            var offset = int.Parse(http.Request.Query["offset"].ToString(), System.Globalization.CultureInfo.InvariantCulture);
            http.Response.Headers["Lanyard-Log-Attempt"] = $"{attempt}";
            http.Response.Headers["Lanyard-Log-Over"] = state > 2 ? "true" : "false";
            if (offset == logs[attempt - 1].Length)
            {
                http.Response.StatusCode = 204;
                return true;
            }

            await http.Response.WriteAsync(logs[attempt - 1][offset..]);
            return true;
        };

        Assert.Equal(0, await Cli.RunAsync("logs", "-f", "run_01k"));
        Assert.Equal(string.Concat(logs), Cli.Out.ToString());
        Assert.Equal("--- attempt 2\nrun_01k succeeded\n", Cli.Error.ToString());
    }

    [Fact]
    public async Task An_only_attempt_that_is_over_before_its_run_is_known_to_be_announces_no_second_one()
    {
        var asked = 0;
        Api.OnRequest = async http =>
        {
            if (http.Request.Path == Run)
            {
                await http.Response.WriteAsync($$"""{"id":"run_01k","state":"{{(asked++ < 3 ? "running" : "succeeded")}}","attempt":1}""");
                return true;
            }

            var attempt = http.Request.Query["attempt"].ToString();
            http.Response.Headers["Lanyard-Log-Attempt"] = attempt.Length == 0 ? "1" : attempt;
            http.Response.Headers["Lanyard-Log-Over"] = attempt == "2" ? "false" : "true";
            if (attempt != "2" && http.Request.Query["offset"] == "0") await http.Response.WriteAsync("only try\n");
            else http.Response.StatusCode = 204;
            return true;
        };

        Assert.Equal(0, await Cli.RunAsync("logs", "-f", "run_01k"));
        Assert.Equal("only try\n", Cli.Out.ToString());
        Assert.Equal("run_01k succeeded\n", Cli.Error.ToString());
    }

    [Fact]
    public async Task A_run_is_created_with_its_variables_and_named_on_standard_output()
    {
        string? body = null;
        Api.OnRequest = async http =>
        {
            body = await new StreamReader(http.Request.Body).ReadToEndAsync();
            Assert.Equal("once", http.Request.Headers["Idempotency-Key"]);
            http.Response.StatusCode = 201;
            await http.Response.WriteAsync("""{"id":"run_01k","state":"queued"}""");
            return true;
        };

        Assert.Equal(0, await Cli.RunAsync("run", "plan", "-v", "A=1=2", "-v", "B=", "--idempotency-key", "once"));
        Assert.Equal("""{"definition":"plan","variables":{"A":"1=2","B":""}}""", body);
        Assert.Equal("run_01k\n", Cli.Out.ToString());
    }

    [Fact]
    [Line("2.10")]
    public async Task An_admin_states_for_what_repository_ref_and_environment_a_run_is_made()
    {
        string? body = null;
        Api.OnRequest = async http =>
        {
            body = await new StreamReader(http.Request.Body).ReadToEndAsync();
            http.Response.StatusCode = 201;
            await http.Response.WriteAsync("""{"id":"run_01k","state":"queued"}""");
            return true;
        };

        Assert.Equal(0, await Cli.RunAsync("run", "plan", "--repository", "acme/app", "--ref", "refs/heads/main", "--environment", "production"));
        Assert.Equal("""{"definition":"plan","repository":"acme/app","ref":"refs/heads/main","environment":"production"}""", body);
    }

    [Theory]
    [InlineData("run", "plan", "-v", "novalue")]
    [InlineData("run", "plan", "-v", "A=1", "-v", "A=2")]
    [InlineData("run", "../plan")]
    [InlineData("cancel", "run_/../x")]
    [InlineData("logs", "col_01k")]
    public async Task What_cannot_be_meant_is_not_sent(params string[] args)
    {
        Assert.Equal(2, await Cli.RunAsync(args));
        Assert.DoesNotContain(Api.Requests, request => request.Contains("/v1", StringComparison.Ordinal));
    }
}
