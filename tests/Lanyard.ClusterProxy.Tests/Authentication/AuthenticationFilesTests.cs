using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Authentication;

[Line("3.1")]
public sealed class AuthenticationFilesTests : IDisposable
{
    private const string Good = """
        apiVersion: apiserver.config.k8s.io/v1
        kind: AuthenticationConfiguration
        jwt:
        - issuer: {url: "https://one.example", audiences: [k8s]}
          claimMappings:
            username: {claim: sub, prefix: "a:"}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-files-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_changed_file_holds_at_once_and_one_with_mistakes_changes_nothing()
    {
        var (files, authentication, _) = Files();

        Assert.Equal(["https://two.example"], files.With(authentication, Good.Replace("one", "two", StringComparison.Ordinal)).Issuers.Select(i => i.Issuer));
        Assert.Throws<ConfigurationException>(() => files.With(authentication, Good.Replace("audiences: [k8s]", "audiences: []", StringComparison.Ordinal)));
        Assert.Throws<ConfigurationException>(() => files.With(authentication, "{"));
        Assert.Equal(["https://two.example"], files.Rules.Issuers.Select(i => i.Issuer));
    }

    [Fact]
    [Line("3.2")]
    public void Entries_change_without_the_issuers_and_bad_ones_change_neither()
    {
        var (files, _, entries) = Files();

        files.With(entries, File.ReadAllText(entries).Replace("name: e", "name: f", StringComparison.Ordinal));
        Assert.Throws<ConfigurationException>(() => files.With(entries, "kind: Nothing"));

        Assert.Equal(["https://one.example"], files.Rules.Issuers.Select(i => i.Issuer));
    }

    private (AuthenticationFiles Files, string Authentication, string Entries) Files()
    {
        var (authentication, entries) = (Path.Combine(_folder, "authentication"), Path.Combine(_folder, "entries"));
        File.WriteAllText(authentication, Good);
        File.WriteAllText(entries, "apiVersion: lanyard/v1\nkind: AccessEntries\nentries:\n- name: e\n  issuer: https://one.example\n  claims: {sub: x}\n  username: \"u:{sub}\"\n");
        var options = ClusterProxyOptions.Parse(["--plain-http", "--listen", "127.0.0.1:0", "--authentication-config", authentication, "--access-entries", entries]);
        return (new AuthenticationFiles(options), authentication, entries);
    }
}
