using Lanyard.ClusterProxy.Requests;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Requests;

[Line("3.8")]
public sealed class RequestInfoTests
{
    [Theory]
    [InlineData("GET", "/api/v1/namespaces/other/pods", "list||v1|other|pods||")]
    [InlineData("GET", "/api/v1/namespaces/other/pods?watch=1", "watch||v1|other|pods||")]
    [InlineData("GET", "/api/v1/namespaces/other/pods?watch=false", "list||v1|other|pods||")]
    [InlineData("GET", "/api/v1/namespaces/other/pods?fieldSelector=metadata.name%3Dfoo&watch=true", "watch||v1|other|pods|foo|")]
    [InlineData("GET", "/api/v1/watch/namespaces/other/pods", "watch||v1|other|pods||")]
    [InlineData("GET", "/api/v1/namespaces/other/pods/foo", "get||v1|other|pods|foo|")]
    [InlineData("HEAD", "/api/v1/namespaces/other/pods/foo", "get||v1|other|pods|foo|")]
    [InlineData("POST", "/api/v1/namespaces/other/pods/foo/exec?command=sh", "create||v1|other|pods|foo|exec")]
    [InlineData("GET", "/api/v1/namespaces/other/services/foo/proxy/any/path", "get||v1|other|services|foo|proxy")]
    [InlineData("GET", "/api/v1/proxy/namespaces/other/pods/foo/x", "proxy||v1|other|pods|foo|")]
    [InlineData("GET", "/api/v1/namespaces/other", "get||v1|other|namespaces|other|")]
    [InlineData("PUT", "/api/v1/namespaces/other/finalize", "update||v1|other|namespaces|other|finalize")]
    [InlineData("GET", "/api/v1/namespaces", "list||v1||namespaces||")]
    [InlineData("GET", "/api/v1/nodes/n", "get||v1||nodes|n|")]
    [InlineData("DELETE", "/api/v1/namespaces/other/pods", "deletecollection||v1|other|pods||")]
    [InlineData("DELETE", "/api/v1/namespaces/other/pods/foo", "delete||v1|other|pods|foo|")]
    [InlineData("PATCH", "/apis/apps/v1/namespaces/other/deployments/foo/scale", "patch|apps|v1|other|deployments|foo|scale")]
    [InlineData("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "create|rbac.authorization.k8s.io|v1||clusterroles||")]
    [InlineData("GET", "/api/v1/namespaces/a%2Fsecrets/b", "get||v1|a|secrets|b|")]
    [InlineData("GET", "/api/v1/namespaces%2fa%2fsecrets/b", "get||v1|a|secrets|b|")]
    [InlineData("GET", "/%61pi/v1/namespaces/a/s%65crets?w%61tch", "watch||v1|a|secrets||")]
    [InlineData("GET", "/api/v1/namespaces/a%252Fsecrets/b", "list||v1|a%2Fsecrets|b||")]
    [InlineData("GET", "/api/v1/namespaces//secrets", "list||v1||secrets||")]
    [InlineData("GET", "//api/v1/namespaces/a/secrets/", "list||v1|a|secrets||")]
    [InlineData("GET", "/api/v1/watch/namespaces/a/pods/p/status", "watch||v1|a|pods|p|status")]
    public void Resource_requests_are_read_as_the_API_server_does(string method, string target, string expected)
    {
        var info = RequestInfo.Parse(method, target);

        Assert.True(info.IsResource);
        Assert.Equal(expected, $"{info.Verb}|{info.Group}|{info.Version}|{info.Namespace}|{info.Resource}|{info.Name}|{info.Subresource}");
    }

    [Theory]
    [InlineData("GET", "/", "get")]
    [InlineData("GET", "/api", "get")]
    [InlineData("GET", "/api/v1", "get")]
    [InlineData("POST", "/apis/apps/v1", "post")]
    [InlineData("GET", "/healthz/a/b/c", "get")]
    [InlineData("GET", "/api/v1/watch", "get")]
    public void Others_have_their_method_for_a_verb(string method, string target, string verb)
    {
        var info = RequestInfo.Parse(method, target);

        Assert.Equal((false, verb), (info.IsResource, info.Verb));
    }

    [Theory]
    [InlineData("GET", "/api/v1/pods?watch=true", true)]
    [InlineData("GET", "/api/v1/namespaces/n/pods/p/log?follow=true", true)]
    [InlineData("POST", "/api/v1/namespaces/n/pods/p/attach", true)]
    [InlineData("POST", "/api/v1/namespaces/n/pods/p/portforward", true)]
    [InlineData("GET", "/api/v1/namespaces/n/services/s/proxy/", true)]
    [InlineData("GET", "/api/v1/pods?w%61%74ch=true", true)]
    [InlineData("GET", "/api/v1/%77atch/pods", true)]
    [InlineData("POST", "/api/v1/namespaces/n/pods/p%2fexec", true)]
    [InlineData("POST", "/api/v1/namespaces/n/pods/p%2Fexec", true)]
    [InlineData("POST", "/api/v1/namespaces/n/pods/p/e%78ec", true)]
    [InlineData("GET", "/api/v1/namespaces/watch/pods", false)]
    [InlineData("GET", "/api/v1/pods", false)]
    public void Streams_are_told_from_short_requests(string method, string target, bool isLong)
    {
        Assert.Equal(isLong, RequestInfo.Parse(method, target).IsLongRunning);
        Assert.True(!isLong || RequestInfo.MayBeLong(target));
    }
}
