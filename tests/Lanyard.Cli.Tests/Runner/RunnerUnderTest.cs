using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Server;
using Lanyard.Testing.Runs;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>A whole runner in this process, against a fake control plane, with real sandboxes in a work folder of its own.</summary>
internal sealed class RunnerUnderTest : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly HttpClient _http;
    private readonly Task<int> _running;

    public RunnerUnderTest(FakeControlPlane plane, Func<RunnerSettings, RunnerSettings>? change = null)
    {
        Folder = Directory.CreateTempSubdirectory("lanyard-runner-").FullName;
        File.SetUnixFileMode(Folder, (UnixFileMode)0b111_001_001);
        TokenFile = Path.Combine(Folder, "service-account-token");
        File.WriteAllText(TokenFile, "the-runners-own-token\n");
        File.SetUnixFileMode(TokenFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Settings = new RunnerSettings(plane.Url, Path.Combine(Folder, "work"), TokenFile: TokenFile);
        Settings = change?.Invoke(Settings) ?? Settings;
        _http = RunnerHttp.Create(plane.Url, null);
        Host = new RunnerHost(Settings, new TokenFileCredential(TokenFile, TimeProvider.System), _http, TimeProvider.System, new OutputLogger());
        _running = Host.RunAsync(_end.Token);
    }

    public string Folder { get; }

    public string TokenFile { get; }

    public RunnerSettings Settings { get; }

    public RunnerHost Host { get; }

    public Task<int> Ended => _running.WaitAsync(TimeSpan.FromSeconds(60));

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        Host.Signal();
        Host.Signal();
        try
        {
            await Ended;
        }
        finally
        {
            _http.Dispose();
            _end.Dispose();
            Directory.Delete(Folder, recursive: true);
        }
    }

    private sealed class OutputLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            TestContext.Current.TestOutputHelper?.WriteLine($"{logLevel}: {formatter(state, exception)} {exception}");
    }
}
