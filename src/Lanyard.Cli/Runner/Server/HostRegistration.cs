using System.Buffers;
using System.Net.Http.Headers;
using System.Text.Json;
using Lanyard.Cli.Connection;
using Lanyard.Identity.Federation;
using Lanyard.Protocol.Runs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// Asks for a host's key to be approved, and waits until an admin has done so. The call is signed by the key itself; nothing is gained
/// by making it, but a place in a list.
/// </summary>
internal sealed class HostRegistration(HostKey key, HttpClient http, RunnerSettings settings, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    public async Task WaitForApprovalAsync(CancellationToken cancellationToken)
    {
        var backoff = new Backoff(time);
        var isTold = false;
        var name = settings.Name ?? DefaultName();
        while (true)
        {
            var (state, retryAfter, detail) = await AskAsync(name, cancellationToken);
            if (state is RegistrationStates.Approved)
            {
                return;
            }

            if (state is RegistrationStates.Pending)
            {
                if (!isTold)
                {
                    log.WaitsForApproval(key.Fingerprint, name);
                    isTold = true;
                }

                backoff.Reset();
                await Task.Delay(Pause * (0.5 + Jitter.Fraction()), time, cancellationToken);
            }
            else
            {
                log.NotRegistered(settings.Server, detail);
                await backoff.WaitAsync(retryAfter, cancellationToken);
            }
        }
    }

    /// <summary>The host's name as a slug.</summary>
    internal static string DefaultName()
    {
        var name = string.Concat(Environment.MachineName.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')).Trim('-');
        return name.Length is 0 ? "runner" : name[..Math.Min(name.Length, 40)].Trim('-');
    }

    private async Task<(string? State, TimeSpan? RetryAfter, string Detail)> AskAsync(string name, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "v1/runner/requests") { Content = Body(name) };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key.Assert(settings.Server.AbsoluteUri.TrimEnd('/')));
            using var response = await http.SendAsync(request, both.Token);
            var body = await response.Content.ReadAsByteArrayAsync(both.Token);
            return response.IsSuccessStatusCode
                ? (JsonSerializer.Deserialize(body, RunnerJson.Default.RunnerRegistrationAnswer)?.State, null, "an answer without a state")
                : (null, response.Headers.RetryAfter?.Delta, ControlPlane.Words(response.StatusCode, body) + ClockSkew.Words(response, time));
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return (null, null, exception is JsonException ? "the answer is no Lanyard server's, or was cut off" : ConnectionFault.Words(exception, settings.Server, "--ca-file FILE"));
        }
    }

    private ByteArrayContent Body(string name)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            key.Public.WriteTo(writer);
        }

        using var jwk = JsonDocument.Parse(buffer.WrittenMemory);
        var registration = new RunnerRegistration(jwk.RootElement, name, Environment.MachineName);
        return new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(registration, RunnerJson.Default.RunnerRegistration))
        {
            Headers = { ContentType = new MediaTypeHeaderValue("application/json") },
        };
    }
}
