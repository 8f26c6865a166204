using System.Net;
using Lanyard.Identity.Federation;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// HTTP to an API server by what a kubeconfig says. Its authority, certificate and token are renewed by others, and what its exec plugin gives is good for minutes, while a runner lives for
/// months: so all of it is read anew every few minutes, and sooner when the API server did not know who calls, or was not known. Nobody waits for that, and while it fails, what there was serves on.
/// </summary>
internal sealed class ClusterClient : IDisposable
{
    internal static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);
    internal static readonly TimeSpan Soonest = TimeSpan.FromSeconds(10);

    private readonly Func<CancellationToken, Task<HttpClient>>? _open;
    private readonly TimeProvider _time;
    private readonly ILogger? _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopped;
    private readonly Lock _gate = new();
    private readonly Queue<(HttpClient Http, long Since)> _retired = new();
    private HttpClient _http;
    private Task? _opening;
    private long _since;
    private bool _isDoubted;

    /// <summary>Never opened anew: whoever made it sees to what changes.</summary>
    public ClusterClient(HttpClient http) => (_http, _time, _stopped) = (http, TimeProvider.System, _stop.Token);

    private ClusterClient(Func<CancellationToken, Task<HttpClient>> open, HttpClient first, TimeProvider time, ILogger log) =>
        (_open, _http, _time, _log, _since, _stopped) = (open, first, time, log, time.GetTimestamp(), _stop.Token);

    public static async Task<ClusterClient> OpenAsync(Func<CancellationToken, Task<HttpClient>> open, TimeProvider time, ILogger log, CancellationToken cancellationToken) =>
        new(open, await open(cancellationToken), time, log);

    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        try
        {
            var response = await Current().SendAsync(request, completion, cancellationToken);
            _isDoubted |= response.StatusCode == HttpStatusCode.Unauthorized;
            return response;
        }
        catch (HttpRequestException exception) when (exception.HttpRequestError is HttpRequestError.SecureConnectionError)
        {
            _isDoubted = true; // a server that is only away is no reason to start a plugin every few seconds
            throw;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stop.Cancel();
            _stop.Dispose();
            _http.Dispose();
            while (_retired.TryDequeue(out var old))
            {
                old.Http.Dispose();
            }
        }
    }

    private HttpClient Current()
    {
        lock (_gate)
        {
            if (_open is not null && _opening is null && _time.GetElapsedTime(_since) >= (_isDoubted ? Soonest : Longest))
            {
                _opening = Task.Run(() => OpenAgainAsync(_open));
            }

            return _http;
        }
    }

    private async Task OpenAgainAsync(Func<CancellationToken, Task<HttpClient>> open)
    {
        HttpClient? next = null;
        try
        {
            next = await open(_stopped);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            if (!_stopped.IsCancellationRequested)
            {
                _log?.ClusterNotOpened(ConnectionFault.Words(exception)); // whatever it was: a file that is half written, a plugin that is away
            }
        }

        lock (_gate)
        {
            // A failure is followed by another try soon.
            (_isDoubted, _since, _opening) = (next is null, _time.GetTimestamp(), null);
            if (next is not null)
            {
                Replace(next);
            }
        }
    }

    /// <summary>A watch may still be read by the old one for some minutes.</summary>
    private void Replace(HttpClient next)
    {
        if (_stopped.IsCancellationRequested)
        {
            next.Dispose();
            return;
        }

        while (_retired.TryPeek(out var old) && _time.GetElapsedTime(old.Since) > Longest)
        {
            _retired.Dequeue().Http.Dispose();
        }

        _retired.Enqueue((_http, _time.GetTimestamp()));
        _http = next;
    }
}
