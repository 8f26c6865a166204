using System.Text.RegularExpressions;
using Lanyard.Protocol.Resources;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>What the pages on runs show beside their five minutes: documents are applied as they stand there, and a step is asked for all that the tables say it finds.</summary>
public sealed partial class RunPagesTests : IAsyncLifetime
{
    private const string Clouds = "docs/clouds.md";
    private Installation _installation = null!;

    public async ValueTask InitializeAsync()
    {
        _installation = await Installation.StartAsync();
        await _installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
    }

    public ValueTask DisposeAsync() => _installation.DisposeAsync();

    [Theory]
    [Line("5.1")]
    [Line("5.3")]
    [Line("5.6")]
    [InlineData("docs/runners.md", 1)]
    [InlineData(Clouds, 1)]
    [InlineData("docs/infrastructure-as-code.md", 1)]
    public async Task Every_document_that_a_page_shows_is_taken_as_it_stands(string page, int count)
    {
        var documents = DocumentsOf(page);

        Assert.Equal(count, documents.Count);
        foreach (var document in documents)
        {
            await _installation.ApplyAsync(document);
        }
    }

    /// <summary>The collection of the page, and a definition that uses what the page tells of besides.</summary>
    [Fact]
    [Needs("bwrap")]
    [Line("5.3")]
    public async Task A_step_finds_every_variable_that_the_page_names_and_no_other_of_a_clouds()
    {
        const string Show = "env | grep -E '^(AWS|GOOGLE|CLOUDSDK|AZURE|ARM|VAULT|KUBE[A-Z_]*)(_|=)' | cut -d= -f1";
        await _installation.ApplyAsync(DocumentsOf(Clouds).Single(), Documents.Definition("acme", "prod", "of-collection", Show), Documents.Definition("acme", "prod", "of-definition", Show, """
            cloud:
                aws: {roleArn: 'arn:aws:iam::123456789012:role/deploy', credentials: endpoint, stsEndpoint: 'https://127.0.0.1:9'}
                gcp: {provider: projects/123456789/locations/global/workloadIdentityPools/lanyard/providers/acme, project: acme-prod, source: url}
                azure: {tenantId: 11111111-2222-3333-4444-555555555555, clientId: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee, subscriptionId: 99999999-bbbb-cccc-dddd-eeeeeeeeeeee, authorityHost: 'https://login.example'}
                vault: {address: 'https://vault.example', role: deploy, namespace: team}
            """));
        await _installation.StartApprovedRunnerAsync("host", ["acme/prod"]);

        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var definition in (string[])["of-collection", "of-definition"])
        {
            var log = (await _installation.LanyardAsync("run", definition, "-w", "acme", "-c", "prod", "--follow")).Succeeded();
            found.UnionWith(log.Split('\n').Select(static line => line.Trim()).Where(static line => Variable().IsMatch(line)));
        }

        Assert.Equal(Rows().SelectMany(static row => Quoted().Matches(row[2]).Select(static match => match.Groups[1].Value)).Where(static word => Variable().IsMatch(word)).Order(StringComparer.Ordinal).Distinct(), found);
    }

    [Fact]
    [Line("5.3")]
    public void The_page_names_every_member_of_every_block_and_none_that_is_not_there()
    {
        (string Cloud, Type Block)[] blocks =
            [("AWS", typeof(AwsSpec)), ("Google Cloud", typeof(GcpSpec)), ("Azure", typeof(AzureSpec)), ("Vault, OpenBao", typeof(VaultSpec)), ("Kubernetes", typeof(KubernetesSpec))];

        Assert.Equal(blocks.Select(static block => block.Cloud), Rows().Select(static row => row[1]));
        foreach (var (row, block) in Rows().Zip(blocks))
        {
            var said = Quoted().Matches(Parenthesised().Replace(row[3], "")).Select(static match => match.Groups[1].Value).Order(StringComparer.Ordinal);
            Assert.Equal(block.Block.GetProperties().Where(static member => member.Name != "EqualityContract").Select(static member => char.ToLowerInvariant(member.Name[0]) + member.Name[1..]).Order(StringComparer.Ordinal), said);
        }
    }

    private static List<string> DocumentsOf(string page) =>
        [.. Walk.Read(page, "# ").Blocks.Where(static block => block.Kind == "yaml" && block.Text.StartsWith("kind:", StringComparison.Ordinal)).Select(static block => block.Text)];

    /// <summary>Of the table "What a step finds", without its head.</summary>
    private static List<string[]> Rows() =>
    [
        .. Walk.Lines(Clouds, "## What a step finds").Where(static line => line.StartsWith('|')).Skip(2).Select(static line => line.Split('|').Select(static cell => cell.Trim()).ToArray()),
    ];

    [GeneratedRegex("^[A-Z][A-Z_]+[A-Z]$")]
    private static partial Regex Variable();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"\([^()]*\)")]
    private static partial Regex Parenthesised();
}
