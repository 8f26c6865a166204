using System.Net;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Clouds;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Clouds;

/// <summary>Tokens of a run of hours, when a renewal fails once.</summary>
[Line("5.3")]
public sealed class CloudRenewalTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly string _root = Directory.CreateTempSubdirectory("lanyard-clouds-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpClient _http;
    private readonly AttemptLog _log;
    private readonly CloudFolder _folder;
    private readonly CloudFiles _files;
    private Func<HttpResponseMessage>? _no;
    private int _made;

    public CloudRenewalTests()
    {
        _log = new AttemptLog(Path.Combine(_root, "log"), 1 << 20);
        _http = new HttpClient(new StubHandler(_ => Task.FromResult(_no?.Invoke() ?? Token($"token-number-{Interlocked.Increment(ref _made)}"))));
        _folder = new CloudFolder(Path.Combine(_root, "clouds"), new AttemptKey("run_1", 1), owner: null, isWhole: true);
        var payload = Payloads.Of() with { Issuer = "https://issuer" };
        var exchange = new IdentityTokenExchange(_http, payload, _log, _time);
        _files = new CloudFiles(
            new CloudPayload([new("aws.jwt", "sts.amazonaws.com", CloudFormats.Jwt)], [], new Dictionary<string, string>()), _folder, new CloudText(_folder.Path, "http://token", "http://aws", "bearer"), exchange, _log, _time);
    }

    public void Dispose()
    {
        _stop.Dispose();
        _folder.Dispose();
        _log.Dispose();
        _http.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    private string Present => File.ReadAllText(Path.Combine(_folder.Path, "aws.jwt"));

    /// <summary>An admin has taken the audience away by mistake, and puts it back: the apply that runs for hours must not find a dead token an hour later.</summary>
    [Fact]
    public async Task A_refusal_is_said_once_and_asked_about_again_until_it_is_taken_back()
    {
        _no = static () => new HttpResponseMessage(HttpStatusCode.BadRequest) { Content = new StringContent("""{"error":"invalid_target","error_description":"not allowed"}""") };
        var log = await RenewsAfterAsync(TimeSpan.FromMinutes(10), () => _no = null);

        Assert.Equal(1, Count(log, "aws.jwt is not renewed: invalid_target: not allowed"));
        Assert.Equal(1, Count(log, "aws.jwt is renewed again"));
    }

    [Fact]
    public async Task A_file_that_can_not_be_written_is_written_when_it_can()
    {
        var inTheWay = Path.Combine(_folder.Path, "aws.jwt.next");
        Directory.CreateDirectory(inTheWay);
        var log = await RenewsAfterAsync(TimeSpan.FromMinutes(6), () => Directory.Delete(inTheWay));

        Assert.Equal(1, Count(log, "aws.jwt is not renewed: "));
        Assert.Equal(1, Count(log, "aws.jwt is renewed again"));
    }

    /// <summary>Prepared while all is well; then <paramref name="repair"/> is what puts an end to the trouble that begins with the first renewal.</summary>
    private async Task<string> RenewsAfterAsync(TimeSpan trouble, Action repair)
    {
        var (no, inTheWay) = (_no, Path.Combine(_folder.Path, "aws.jwt.next"));
        _no = null;
        var isBlocked = Directory.Exists(inTheWay);
        if (isBlocked) Directory.Delete(inTheWay);
        var minted = (await _files.PrepareAsync(_stop.Token)).Value;
        _no = no;
        if (isBlocked) Directory.CreateDirectory(inTheWay);
        var running = _files.KeepFreshAsync(minted, _stop.Token);
        await _time.PassAsync(trouble);
        Assert.Equal("token-number-1", Present);

        repair();
        await _time.PassAsync(TimeSpan.FromSeconds(21));
        Assert.NotEqual("token-number-1", Present);
        await _stop.CancelAsync();
        await running;
        var buffer = new byte[64 * 1024];
        return System.Text.Encoding.UTF8.GetString(buffer, 0, await _log.ReadAsync(buffer, 0, TestContext.Current.CancellationToken));
    }

    private static int Count(string text, string words) => text.Split(words).Length - 1;

    private static HttpResponseMessage Token(string token) =>
        new(HttpStatusCode.OK) { Content = new StringContent($$"""{"access_token":"{{token}}","issued_token_type":"urn:ietf:params:oauth:token-type:id_token","token_type":"N_A","expires_in":600}""") };
}
