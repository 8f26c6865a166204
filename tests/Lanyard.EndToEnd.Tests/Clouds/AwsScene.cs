using Lanyard.Testing.Clouds;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>A <see cref="CloudScene"/> whose cloud is AWS, with an STS of its own that believes the workspace's issuer.</summary>
internal sealed record AwsScene(CloudScene Cloud, AwsDouble Sts) : IAsyncDisposable
{
    /// <inheritdoc cref="CloudScene.StartAsync"/>
    public static async Task<AwsScene> StartAsync(CloudTools tools, string script, string before = ":", params IReadOnlyList<string> more)
    {
        var cloud = await CloudScene.StartAsync(tools, script, before, more);
        return new AwsScene(cloud, await AwsDouble.StartAsync(cloud.Issuer, "sts.amazonaws.com"));
    }

    /// <param name="aws">Members of the collection's <c>aws</c> block, beside its region and STS.</param>
    /// <param name="audiences">A member of the definition's spec.</param>
    public Task ApplyCollectionAsync(string aws, string audiences = "audiences: []") =>
        Cloud.ApplyCollectionAsync($"aws: {{{aws}, region: eu-central-1, stsEndpoint: '{Sts.Url}'}}", audiences);

    public async ValueTask DisposeAsync()
    {
        await Sts.DisposeAsync();
        await Cloud.DisposeAsync();
    }
}
