using Lanyard.Credentials.Kubernetes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Credentials.Tests.Kubernetes;

[Line("3.11")]
public sealed class ShellWordsTests
{
    [Theory]
    [InlineData("get svc", "get|svc")]
    [InlineData("  get   svc\t-o json ", "get|svc|-o|json")]
    [InlineData("annotate pod x 'a=b c' \"d=\\\"e\\\" f\"", "annotate|pod|x|a=b c|d=\"e\" f")]
    [InlineData("get pods -l a\\ b ''", "get|pods|-l|a b|")]
    [InlineData("get svc; rm -rf $HOME `id`", "get|svc;|rm|-rf|$HOME|`id`")]
    public void A_command_is_split_as_a_shell_does_and_nothing_else_of_a_shell_happens(string text, string words) =>
        Assert.Equal(words.Split('|'), ShellWords.Split(text));

    [Theory]
    [InlineData("get 'svc")]
    [InlineData("get \"svc")]
    public void A_quote_that_is_not_closed_is_no_command(string text) => Assert.Null(ShellWords.Split(text));
}
