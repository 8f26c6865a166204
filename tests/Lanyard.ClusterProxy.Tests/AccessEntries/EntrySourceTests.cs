using System.Collections.Concurrent;
using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.AccessEntries;

/// <summary>Entries that a server keeps: the proxy decides by its copy, and a bad server changes nothing.</summary>
[Line("3.2")]
public sealed class EntrySourceTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-entries-").FullName;
    private readonly ManualTime _time = new();
    private readonly ConcurrentQueue<string> _bearers = [];
    private readonly ConcurrentQueue<string> _said = [];
    private WebApplication _server = null!;
    private Func<HttpContext, Task> _answer = null!;
    private Uri _url = null!;

    private string Copy => Path.Combine(_folder, "entries.json");

    private string Token => Path.Combine(_folder, "token");

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        _server = builder.Build();
        _server.Run(async context =>
        {
            _bearers.Enqueue(context.Request.Headers.Authorization.ToString());
            await _answer(context);
        });
        await _server.StartAsync();
        _url = new Uri(((IApplicationBuilder)_server).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.First() + "/v1/workspaces/acme/access-entries/prod");
        await File.WriteAllTextAsync(Token, "first\n");
        _answer = context => context.Response.WriteAsync(Document("a"));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task The_copy_is_made_at_the_start_and_follows_every_change_with_the_token_of_that_moment()
    {
        using var source = Source();
        await source.StartAsync();
        Assert.Equal(["a"], Names());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Copy));

        await File.WriteAllTextAsync(Token, "second\n");
        _answer = context => context.Response.WriteAsync(Document("b"));
        await TickUntilAsync("b");

        Assert.Equal(["Bearer first", "Bearer second"], _bearers);
    }

    [Theory]
    [InlineData(404, "{}")]
    [InlineData(401, "{}")]
    [InlineData(500, "")]
    [InlineData(302, "")]
    [InlineData(200, "<html>")]
    [InlineData(200, """{"kind":"AccessEntries","spec":{}}""")]
    [InlineData(200, """{"kind":"AccessEntries","spec":{"entries":[{"name":"c","issuer":"https://i.example","claims":{},"username":"root"}]}}""")]
    public async Task An_answer_that_can_not_be_used_leaves_the_copy_as_it_is(int status, string body)
    {
        using var source = Source();
        await source.StartAsync();
        _answer = context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = _url.AbsoluteUri + "/elsewhere";
            return context.Response.WriteAsync(body);
        };
        _time.Advance(EntrySource.Period);
        await Eventually.HoldsAsync(() => Task.FromResult(_said.Any(static line => line.Contains("the last copy stays", StringComparison.Ordinal))), "the fault is told");
        Assert.Equal(["a"], Names());

        _answer = context => context.Response.WriteAsync(Document("b"));
        await TickUntilAsync("b");
        Assert.Equal(3, _bearers.Count);
    }

    [Fact]
    public async Task An_empty_list_takes_everything_from_everybody()
    {
        using var source = Source();
        await source.StartAsync();
        _answer = context => context.Response.WriteAsync("""{"kind":"AccessEntries","spec":{"entries":[]}}""");
        await TickUntilAsync();
    }

    [Fact]
    public async Task With_the_server_away_a_proxy_starts_with_the_last_copy_and_without_one_not_at_all()
    {
        using (var first = Source())
        {
            await first.StartAsync();
        }

        await _server.StopAsync();
        using var second = Source();
        await second.StartAsync();
        Assert.Equal(["a"], Names());

        File.Delete(Copy);
        using var third = Source();
        Assert.Contains("no copy of earlier", (await Assert.ThrowsAsync<ConfigurationException>(third.StartAsync)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--access-entries-url", "http://lanyard.example/v1/x", "must be an https URL")]
    [InlineData("--access-entries-url", "https://name@lanyard.example/v1/x", "must be an https URL")]
    [InlineData("--access-entries-url", "https://lanyard.example/v1/x", "--access-entries-token-file: needed")]
    [InlineData("--access-entries-token-file", "token", "only with --access-entries-url")]
    [InlineData("--access-entries-ca-file", "ca", "only with --access-entries-url")]
    public void Flags_that_do_not_fit_together_are_told(string flag, string value, string expected)
    {
        var mistake = Assert.Throws<ConfigurationException>(() => ClusterProxyOptions.Parse(["--plain-http", "--listen", "127.0.0.1:0", "--authentication-config", "a", flag, value]));

        Assert.Contains(expected, mistake.Message, StringComparison.Ordinal);
    }

    private static string Document(string name) => $$$"""
        {"kind":"AccessEntries","id":"ace_1","slug":"prod","workspace":"acme","etag":"ace_1.1","createdAt":"2026-11-20T12:00:00+00:00","updatedAt":"2026-11-20T12:00:00+00:00",
         "spec":{"entries":[{"name":"{{{name}}}","issuer":"https://i.example","claims":{"sub":"x"},"username":"u:{sub}"}]}}
        """;

    private EntrySource Source() => new(new EntrySourceOptions(_url, Token, null, Copy), _time, new Listener(_said));

    private IEnumerable<string> Names() => AccessEntryFile.Parse(File.ReadAllText(Copy), "copy").Select(static e => e.Name);

    /// <summary>Moves the clock to the next look, and waits until the copy has these names.</summary>
    private async Task TickUntilAsync(params string[] names)
    {
        _time.Advance(EntrySource.Period);
        await Eventually.HoldsAsync(() => Task.FromResult(Names().SequenceEqual(names)), $"the copy has {string.Join(", ", names)}");
    }

    private sealed class Listener(ConcurrentQueue<string> said) : ILogger<EntrySource>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => said.Enqueue(formatter(state, exception));
    }
}
