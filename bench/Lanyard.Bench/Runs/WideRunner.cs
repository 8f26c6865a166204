using System.Collections.Concurrent;
using System.Security.Cryptography;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Bench.Runs;

/// <summary>A runner of many runs at once that speaks to the server as the real one does, by its own code (polls, and calls that gather), and executes nothing.</summary>
internal sealed class WideRunner : IDisposable
{
    private static readonly string EmptyLog = Convert.ToHexStringLower(SHA256.HashData([]));
    private readonly ConcurrentDictionary<AttemptKey, Hold> _held = new();

    /// <summary>An offer comes again until its accept is taken.</summary>
    private readonly HashSet<AttemptKey> _taken = [];
    private readonly HttpClient _http;
    private readonly ControlPlane _plane;
    private readonly SemaphoreSlim _room;

    private WideRunner(HttpClient http, string bearer, int atOnce)
    {
        _http = http;
        _plane = new ControlPlane(http, new FixedBearer(bearer), TimeProvider.System, gathers: true);
        _room = new SemaphoreSlim(atOnce);
    }

    /// <param name="atOnce">Attempts that it takes at most at once.</param>
    public static async Task<WideRunner> OpenAsync(Uri server, string bearer, int atOnce)
    {
        var runner = new WideRunner(RunnerHttp.Create(server, null), bearer, atOnce);
        var request = new SessionRequest(Guid.NewGuid().ToString("N"), "bench", atOnce, [], ["process"], true);
        runner._plane.Session = Had(await runner._plane.OpenSessionAsync(request, CancellationToken.None)).Session;
        return runner;
    }

    /// <summary>Takes runs and ends them, as long as there are some that neither this nor another runner has.</summary>
    public async Task DrainAsync(Left left)
    {
        var ends = new List<Task>();
        while (Volatile.Read(ref left.Value) > 0)
        {
            var free = await RoomAsync();
            var answer = Had(await _plane.PollAsync(new PollRequest(_plane.Session, free, 0, [.. _held.Values]), CancellationToken.None));
            var taken = answer.Offers.Select(static offer => new AttemptKey(offer.Run, offer.Attempt)).Where(_taken.Add).ToList();
            Interlocked.Add(ref left.Value, -taken.Count);
            ends.AddRange(taken.Select(RunAsync));
            if (free > taken.Count)
                _room.Release(free - taken.Count);
        }
        await Task.WhenAll(ends);
    }

    public void Dispose()
    {
        _http.Dispose();
        _room.Dispose();
    }

    /// <summary>Takes what is free, when something is.</summary>
    private async Task<int> RoomAsync()
    {
        await _room.WaitAsync();
        var free = 1;
        while (_room.Wait(0))
            free++;
        return free;
    }

    private async Task RunAsync(AttemptKey key)
    {
        _held[key] = new Hold(key.Run, key.Attempt, AttemptStates.Offered);
        Had(await _plane.AcceptAsync(key, CancellationToken.None));
        _held[key] = new Hold(key.Run, key.Attempt, AttemptStates.Accepted);
        Had(await _plane.StartAsync(key, CancellationToken.None));
        _held[key] = new Hold(key.Run, key.Attempt, AttemptStates.Running);
        Had(await _plane.EndAsync(key, new EndRequest("", RunStates.Succeeded, null, 0, EmptyLog), CancellationToken.None));
        _held.TryRemove(key, out _);
        _room.Release();
    }

    /// <summary>Runs that nobody has yet.</summary>
    internal sealed class Left(int value)
    {
        public int Value = value;
    }

    private static T Had<T>(Answer<T> answer)
        where T : class => answer.Kind is AnswerKind.Ok ? answer.Value! : throw new InvalidOperationException($"{answer.Kind}: {answer.Detail}");

    private sealed class FixedBearer(string bearer) : RunnerCredential
    {
        public override ValueTask<Outcome<string>> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult<Outcome<string>>(bearer);
    }
}
