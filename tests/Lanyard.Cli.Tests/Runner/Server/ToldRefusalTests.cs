using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Server;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Server;

/// <summary>What a runner that can't come in tells whoever reads its log.</summary>
[Line("2.8")]
public sealed class ToldRefusalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-told-").FullName;
    private readonly LineLogger _log = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_refused_registration_is_told_in_the_servers_words_with_the_request_and_the_wrong_clock()
    {
        var calls = 0;
        var now = TimeProvider.System.GetUtcNow();
        using var http = Client(_ => Task.FromResult(++calls == 1
            ? Answer(HttpStatusCode.Unauthorized, """{"title":"The bearer was not accepted.","requestId":"req_7"}""", now.AddMinutes(10))
            : Answer(HttpStatusCode.OK, """{"state":"approved"}""", now)));

        await RegisterAsync(http, new Uri("https://lanyard.example"));

        var line = Assert.Single(_log.Lines);
        Assert.Contains("status 401: The bearer was not accepted. (request req_7)", line, StringComparison.Ordinal);
        Assert.Contains("s behind the server's", line, StringComparison.Ordinal);
        Assert.DoesNotContain("could not be reached", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_nobody_here_trusts_is_told_with_the_option_that_helps()
    {
        using var certificate = TestCertificates.Create();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var url = new Uri($"https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        using var over = new CancellationTokenSource();
        var serving = HandshakeAsync(listener, certificate, over.Token);
        using var http = RunnerHttp.Create(url, null);

        var registering = RegisterAsync(http, url, over.Token);
        await Eventually.HoldsAsync(() => Task.FromResult(!_log.Lines.IsEmpty), "a line in the log");
        await over.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => registering);
        await serving;

        Assert.Contains("of no authority that is trusted here; --ca-file FILE names one to be trusted", _log.Lines.First(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_that_is_refused_is_told_in_the_servers_words()
    {
        using var http = Client(_ => Task.FromResult(Answer(HttpStatusCode.Forbidden, """{"title":"Not allowed.","requestId":"req_9"}""", TimeProvider.System.GetUtcNow())));
        var file = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(file, "a.b.c", TestContext.Current.CancellationToken);

        var answer = await new ControlPlane(http, new TokenFileCredential(file, TimeProvider.System), TimeProvider.System)
            .OpenSessionAsync(new("nonce", "1", 1, [], ["process"], true), TestContext.Current.CancellationToken);

        Assert.Equal("status 403: Not allowed. (request req_9)", answer.Detail);
    }

    private async Task RegisterAsync(HttpClient http, Uri server, CancellationToken cancellationToken = default)
    {
        using var key = HostKey.Open(Path.Combine(_folder, "key.pem"), TimeProvider.System).Value;
        await new HostRegistration(key, http, new RunnerSettings(server, _folder, Name: "build-7"), TimeProvider.System, _log)
            .WaitForApprovalAsync(cancellationToken).WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken);
    }

    private static async Task HandshakeAsync(TcpListener listener, System.Security.Cryptography.X509Certificates.X509Certificate2 certificate, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            try
            {
                using var client = await listener.AcceptTcpClientAsync(over);
                await using var tls = new SslStream(client.GetStream());
                await tls.AuthenticateAsServerAsync(certificate);
            }
            catch (Exception exception) when (exception is IOException or System.Security.Authentication.AuthenticationException or OperationCanceledException)
            {
                // The client went away, as it should.
            }
        }
    }

    private static HttpClient Client(Func<HttpRequestMessage, Task<HttpResponseMessage>> answer) => new(new StubHandler(answer)) { BaseAddress = new Uri("https://lanyard.example/") };

    private static HttpResponseMessage Answer(HttpStatusCode status, string body, DateTimeOffset date) => new(status) { Content = new StringContent(body), Headers = { Date = date } };

    private sealed class LineLogger : ILogger
    {
        public System.Collections.Concurrent.ConcurrentQueue<string> Lines { get; } = new();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Enqueue(formatter(state, exception));
    }
}
