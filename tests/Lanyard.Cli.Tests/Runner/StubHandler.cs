namespace Lanyard.Cli.Tests.Runner;

/// <summary>Answers an HTTP client's calls in this process, one after the other or as late as the test wants.</summary>
internal sealed class StubHandler(Func<HttpRequestMessage, Task<HttpResponseMessage>> answer) : HttpMessageHandler
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => answer(request).WaitAsync(cancellationToken);
}
