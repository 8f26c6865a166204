using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Server.Tests.Http;

[Line("2.6")]
public sealed class PreconditionTests
{
    [Theory]
    [InlineData(null, null, null, null)]
    [InlineData(null, null, "a.1", RefusalReason.PreconditionRequired)]
    [InlineData("\"a.1\"", null, "a.1", null)]
    [InlineData("\"a.1\"", null, "a.2", RefusalReason.PreconditionFailed)]
    [InlineData("\"a.1\"", null, null, RefusalReason.PreconditionFailed)]
    [InlineData("*", null, "a.1", null)]
    [InlineData("*", null, null, RefusalReason.PreconditionFailed)]
    [InlineData(null, "*", null, null)]
    [InlineData(null, "*", "a.1", RefusalReason.PreconditionFailed)]
    [InlineData("a.1", null, "a.1", RefusalReason.RequestMalformed)]
    [InlineData("W/\"a.1\"", null, "a.1", RefusalReason.RequestMalformed)]
    [InlineData("\"a.1\", \"a.2\"", null, "a.1", RefusalReason.RequestMalformed)]
    [InlineData("\"a.1\"", "*", "a.1", RefusalReason.RequestMalformed)]
    [InlineData(null, "\"a.1\"", "a.1", RefusalReason.RequestMalformed)]
    public void A_precondition_is_met_refused_or_not_understood(string? ifMatch, string? ifNoneMatch, string? current, RefusalReason? expected)
    {
        var request = new DefaultHttpContext().Request;
        if (ifMatch is not null)
        {
            request.Headers.IfMatch = ifMatch;
        }

        if (ifNoneMatch is not null)
        {
            request.Headers.IfNoneMatch = ifNoneMatch;
        }

        var read = Precondition.Read(request);
        var reason = read.TryGet(out var precondition, out var refusal) ? precondition.Check(current)?.Reason : refusal.Reason;

        Assert.Equal(expected, reason);
    }
}
