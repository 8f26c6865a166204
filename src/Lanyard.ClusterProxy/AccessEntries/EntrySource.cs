using System.Net;
using System.Net.Http.Headers;
using Lanyard.ClusterProxy.Configuration;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>Where a Lanyard server keeps the entries, and how the proxy shows who it is.</summary>
/// <param name="TokenFile">A token that the server believes, such as a projected service-account token; read for each call, because it is renewed.</param>
/// <param name="CaFile">Null for the system's roots.</param>
/// <param name="Copy">The file that is kept equal to what the server says and that the proxy decides by.</param>
internal sealed record EntrySourceOptions(Uri Url, string TokenFile, string? CaFile, string Copy);

/// <summary>
/// Keeps a file of access entries equal to a server's resource. The proxy decides by the file alone: a server that is away, or that answers with something
/// that can't be used, takes nothing from anybody and gives nothing to anybody, and a proxy that starts meanwhile starts with the last copy.
/// </summary>
internal sealed partial class EntrySource : IDisposable
{
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly EntrySourceOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly HttpClient _http;
    private readonly CancellationTokenSource _stop = new();
    private string? _fault;

    public EntrySource(EntrySourceOptions options, TimeProvider time, ILogger<EntrySource> log)
    {
        (_options, _time, _log) = (options, time, log);
        _http = ServerHttp.Create(options.CaFile, Patience);
    }

    /// <summary>Makes sure that there is a copy, and looks for changes until disposed.</summary>
    /// <exception cref="ConfigurationException">There is none yet and the server does not give one.</exception>
    public async Task StartAsync()
    {
        var isThere = File.Exists(_options.Copy);
        if (await FetchAsync() is { } fault && !isThere)
        {
            var mistakes = new Mistakes();
            mistakes.Add("--access-entries-url", $"gives no entries, and there is no copy of earlier: {fault}");
            throw new ConfigurationException("the command line", mistakes);
        }

        _ = PollAsync(_stop.Token);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
        _http.Dispose();
    }

    private async Task PollAsync(CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(Period, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellation))
            {
                await FetchAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    /// <returns>Null when the copy is what the server has, else why it may not be.</returns>
    private async Task<string?> FetchAsync()
    {
        string? fault;
        try
        {
            fault = await AskAsync();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or UnauthorizedAccessException or ConfigurationException or InvalidOperationException
            or FormatException)
        {
            fault = e.Message;
        }

        if (fault != _fault)
        {
            _fault = fault;
            if (fault is null)
            {
                LogCurrent(_log, _options.Url);
            }
            else
            {
                LogFault(_log, _options.Url, fault);
            }
        }

        return fault;
    }

    private async Task<string?> AskAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, _options.Url);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(_options.TokenFile)).Trim());
        using var answer = await _http.SendAsync(request);
        if (answer.StatusCode != HttpStatusCode.OK)
        {
            // 404 is also the answer to a proxy that may not read them: nothing is taken away for it. An empty list lets nobody in.
            return $"the server answered {(int)answer.StatusCode}";
        }

        var text = await answer.Content.ReadAsStringAsync();
        AccessEntryFile.Parse(text, _options.Url.AbsoluteUri);
        if (!File.Exists(_options.Copy) || await File.ReadAllTextAsync(_options.Copy) != text)
        {
            await WriteAsync(text);
        }

        return null;
    }

    /// <summary>Whole or not at all: a file watch, or a proxy that starts, never sees half of it.</summary>
    private async Task WriteAsync(string text)
    {
        var next = _options.Copy + ".next";
        File.Delete(next);
        await using (var file = new FileStream(next, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            await file.WriteAsync(System.Text.Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }

        File.Move(next, _options.Copy, overwrite: true);
    }

    [LoggerMessage(LogLevel.Information, "Access entries are those of {Url}")]
    private static partial void LogCurrent(ILogger logger, Uri url);

    [LoggerMessage(LogLevel.Error, "Access entries of {Url} can't be had, the last copy stays: {Fault}")]
    private static partial void LogFault(ILogger logger, Uri url, string fault);
}
