using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Cli.Clusters;
using Lanyard.Cli.Connection;
using Lanyard.Identity.Federation;
using Lanyard.Protocol.Resources;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Server;

/// <summary>
/// In a private cluster the runner asks the API server, for the server, whether tokens are still good (TokenReview): the server can't call in, so the runner calls out and
/// waits for questions. They are asked as the runner, which a role must allow, and forgotten.
/// </summary>
internal sealed class ClusterReviews(RunnerSettings settings, ClusterKeys keys, HttpClient http, TimeProvider time, ILogger log)
{
    private const int WaitSeconds = 25;
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(15);
    private readonly Uri _url = new(settings.Server.AbsoluteUri.TrimEnd('/') + "/keys/reviews");
    private long _reviewed;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<ReviewAnswer> answers = [];
        var backoff = new Backoff(time);
        while (true)
        {
            try
            {
                answers = await ReviewAsync(await PollAsync(answers, cancellationToken), cancellationToken);
                backoff.Reset();
            }
            catch (Exception exception) when (exception is not OutOfMemoryException && !cancellationToken.IsCancellationRequested)
            {
                // Whatever it was: who asks must not wait for good. What was answered and not taken is asked again.
                log.TokensNotReviewed(ConnectionFault.Words(exception));
                answers = [];
                await backoff.WaitAsync(null, cancellationToken);
            }
        }
    }

    private async Task<ReviewBatch> PollAsync(IReadOnlyList<ReviewAnswer> answers, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.Serialize(new ReviewPoll(WaitSeconds, answers), KeysJson.Default.ReviewPoll);
        using var request = new HttpRequestMessage(HttpMethod.Post, _url) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await keys.ReadTokenAsync(mustBeNew: false, cancellationToken));
        using var response = await HttpCall.SendAsync(http, request, CallTimeout + TimeSpan.FromSeconds(WaitSeconds), cancellationToken);
        var text = await HttpCall.ReadTextAsync(response, cancellationToken);
        return response.IsSuccessStatusCode
            ? JsonSerializer.Deserialize(text, KeysJson.Default.ReviewBatch)!
            : throw new HttpRequestException(HttpCall.Member(text, "title") ?? $"status {(int)response.StatusCode}");
    }

    private async Task<IReadOnlyList<ReviewAnswer>> ReviewAsync(ReviewBatch batch, CancellationToken cancellationToken)
    {
        if (batch.Reviews.Count == 0)
        {
            return [];
        }

        using var kube = await keys.OpenAsync(cancellationToken);
        var answers = await Task.WhenAll(batch.Reviews.Select(question => AskAsync(kube, question, cancellationToken)));
        if (_reviewed == 0)
        {
            log.TokensReviewed(answers.Length);
        }

        _reviewed += answers.Length;
        return answers;
    }

    private static async Task<ReviewAnswer> AskAsync(KubeApi kube, ReviewQuestion question, CancellationToken cancellationToken)
    {
        try
        {
            var status = await kube.ReviewTokenAsync(question.Token, question.Audiences, cancellationToken);
            var audiences = (status["audiences"] as JsonArray ?? []).Select(HttpCall.Text).OfType<string>().ToList();
            return new ReviewAnswer(question.Id, (bool?)status["authenticated"] ?? false, HttpCall.Text(status["user"]?["username"]), audiences);
        }
        catch (Exception exception) when (exception is CommandStopped or HttpRequestException or IOException)
        {
            return new ReviewAnswer(question.Id, false, Error: ConnectionFault.Words(exception));
        }
    }
}
