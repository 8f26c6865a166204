using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Demo;

/// <summary>What the demo does at the server's API, as an admin would.</summary>
internal sealed class DemoSteps(ApiClient api)
{
    public const string Audience = "https://relying-party.example";

    // The shell's own /dev/tcp: nothing needs to be installed, and the token is on no command line.
    private const string Script =
        """
        set -eu
        token=$(lanyard token --audience "$RELYING_PARTY_AUDIENCE")
        exec 3<>"/dev/tcp/127.0.0.1/$RELYING_PARTY_PORT"
        printf 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' "$token" >&3
        cat <&3
        """;

    public async Task PrepareAsync(CancellationToken cancellation)
    {
        await PutAsync("/v1/workspaces/demo", new JsonObject { ["displayName"] = "Demo" }, cancellation);
        await PutAsync("/v1/workspaces/demo/collections/main", [], cancellation);
        var step = new JsonObject { ["name"] = "show-identity", ["argv"] = new JsonArray("/bin/bash", "-c", Script) };
        var definition = new JsonObject
        {
            ["description"] = "asks for its identity token and shows it to a relying party",
            ["steps"] = new JsonArray(step),
            ["audiences"] = new JsonArray(new JsonObject { ["audience"] = Audience }),
            ["timeoutSeconds"] = 60,
        };
        await PutAsync("/v1/workspaces/demo/collections/main/definitions/hello", definition, cancellation);
    }

    public async Task ApproveAsync(string fingerprint, CancellationToken cancellation)
    {
        var body = new JsonObject { ["name"] = "this-machine", ["collections"] = new JsonArray("demo/main") };
        await api.PostAsync($"/v1/runner-requests/{fingerprint}/approve", body, cancellation);
    }

    public async Task<string> RunAsync(int port, CancellationToken cancellation)
    {
        var variables = new JsonObject
        {
            ["RELYING_PARTY_AUDIENCE"] = Audience,
            ["RELYING_PARTY_PORT"] = port.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
        var run = await api.PostAsync("/v1/workspaces/demo/collections/main/runs", new JsonObject { ["definition"] = "hello", ["variables"] = variables }, cancellation);
        return HttpCall.Text(run["id"])!;
    }

    public async Task<string> WaitAsync(string run, CancellationToken cancellation)
    {
        while (true)
        {
            var view = await api.GetAsync($"/v1/workspaces/demo/collections/main/runs/{run}", cancellation);
            if (HttpCall.Text(view["state"]) is { } state && Protocol.Runs.RunStates.IsFinal(state)) return state;
            await Task.Delay(TimeSpan.FromMilliseconds(50), api.Time, cancellation);
        }
    }

    private async Task PutAsync(string path, JsonObject spec, CancellationToken cancellation)
    {
        var answer = await api.SendAsync(HttpMethod.Put, path, new JsonObject { ["spec"] = spec }, onlyIfNew: true, cancellationToken: cancellation);
        // There from an earlier start: the demo keeps its data between starts.
        if (answer.Status != System.Net.HttpStatusCode.PreconditionFailed) ApiClient.Expect(answer, path);
    }
}
