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

        var used = new List<AuthenticationRules>();
        files.Change(authentication, Good.Replace("one", "two", StringComparison.Ordinal), used.Add);
        Assert.Throws<ConfigurationException>(() => files.Change(authentication, Good.Replace("audiences: [k8s]", "audiences: []", StringComparison.Ordinal), used.Add));
        Assert.Throws<ConfigurationException>(() => files.Change(authentication, "{", used.Add));
        Assert.Equal(["https://two.example"], Assert.Single(used).Issuers.Select(i => i.Issuer));
        Assert.Equal(["https://two.example"], files.Rules.Issuers.Select(i => i.Issuer));
    }

    [Fact]
    [Line("3.2")]
    public void Entries_change_without_the_issuers_and_bad_ones_change_neither()
    {
        var (files, _, entries) = Files();

        files.Change(entries, File.ReadAllText(entries).Replace("name: e", "name: f", StringComparison.Ordinal), static _ => { });
        Assert.Throws<ConfigurationException>(() => files.Change(entries, "kind: Nothing", static _ => { }));

        Assert.Equal(["https://one.example"], files.Rules.Issuers.Select(i => i.Issuer));
    }

    /// <summary>One ConfigMap holds both, and both watches look at the same moment: an entry that was taken away must not come back.</summary>
    [Fact]
    [Line("3.2")]
    public async Task Of_two_files_that_change_together_no_older_rules_are_put_in_force_last()
    {
        var (files, authentication, entries) = Files();
        var inForce = new List<AuthenticationRules>();
        using var begun = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        var first = Task.Factory.StartNew(() => files.Change(entries, File.ReadAllText(entries), rules =>
        {
            begun.Set();
            goOn.Wait();
            inForce.Add(rules);
        }), TaskCreationOptions.LongRunning);
        begun.Wait();
        var second = new Thread(() => files.Change(authentication, Good.Replace("one", "two", StringComparison.Ordinal), inForce.Add));
        second.Start();
        // It stands in line, or it was not made to.
        SpinWait.SpinUntil(() => !second.IsAlive || second.ThreadState.HasFlag(ThreadState.WaitSleepJoin));
        goOn.Set();
        await first;
        second.Join();

        Assert.Equal(["https://one.example", "https://two.example"], inForce.Select(rules => rules.Issuers.Single().Issuer));
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
