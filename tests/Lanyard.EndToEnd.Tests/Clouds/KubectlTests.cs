using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Clouds;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Clouds;

/// <summary>kubectl, told nothing, in a step of a run whose collection has a cluster in its <c>cloud</c> block.</summary>
[Line("5.3")]
[Needs("npm")]
[Needs("bwrap")]
public sealed class KubectlTests(CloudTools tools) : IClassFixture<CloudTools>
{
    [Theory]
    [InlineData("https://cluster.example", true)]
    [InlineData("https://another.example", false)]
    public async Task Kubectl_gets_into_the_cluster_that_believes_the_runs_audience_and_into_no_other(string audience, bool isIn)
    {
        Assert.SkipWhen(MachineParts.Find("kubectl") is null, "kubectl is not on the PATH");
        await using var scene = await CloudScene.StartAsync(tools, "", "HOME=$PWD kubectl get --raw /version > said 2>&1 || :");
        await using var cluster = await KubernetesDouble.StartAsync(scene.Issuer);
        await scene.ApplyCollectionAsync(
            $"kubernetes: {{server: '{cluster.Url}', audience: '{audience}', certificateAuthority: {JsonSerializer.Serialize(cluster.CertificatePem)}}}");

        var (_, said) = await scene.RunAsync();

        Assert.True(said.Contains("v1.30.0", StringComparison.Ordinal) == isIn, $"{said}; {string.Join(", ", cluster.Refused)}");
        Assert.Equal(isIn, cluster.Admitted.Contains("workspace:acme:collection:prod:definition:deploy:phase:run"));
        Assert.Equal(isIn, cluster.Refused.IsEmpty);
    }
}
