using Lanyard.Cli.Resources;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Resources;

[Line("2.6")]
public sealed class ResourceDocumentTests
{
    [Fact]
    public void Documents_of_several_kinds_are_read_with_their_paths()
    {
        var (documents, mistakes) = ResourceDocument.ReadAll(
            """
            kind: Workspace
            metadata: {slug: acme}
            spec: {displayName: Acme}
            ---
            kind: Collection
            metadata: {workspace: acme, slug: infra}
            ---
            kind: Definition
            metadata: {workspace: acme, collection: infra, slug: plan}
            spec:
              steps: [{name: one, argv: [echo, hi]}]
            """);

        Assert.Empty(mistakes);
        Assert.Equal(
            ["/v1/workspaces/acme", "/v1/workspaces/acme/collections/infra", "/v1/workspaces/acme/collections/infra/definitions/plan"],
            documents.Select(document => document.Path));
    }

    [Fact]
    public void Every_mistake_of_every_document_is_reported_at_once_with_its_line()
    {
        var (documents, mistakes) = ResourceDocument.ReadAll(
            """
            kind: Workspace
            metadata: {slug: Acme}
            spec: {}
            extra: 1
            ---
            kind: Colection
            metadata:
              workspace: acme
              slug: infra
              name: infra
            ---
            kind: Definition
            metadata: {workspace: acme, slug: plan}
            spec: []
            ---
            - a list
            """);

        Assert.Empty(documents);
        Assert.Equal(
            [(2, "metadata.slug"), (4, "extra"), (6, "kind"), (10, "metadata.name"), (13, "metadata"), (14, "spec"), (16, "")],
            mistakes.Select(mistake => ((int)mistake.Line, mistake.Path)));
    }

    [Fact]
    public void A_spec_is_held_against_the_servers_own_shape_and_every_mistake_is_told()
    {
        var (_, mistakes) = ResourceDocument.ReadAll(
            """
            kind: Definition
            metadata: {workspace: acme, collection: infra, slug: plan}
            spec:
              timeoutSeconds: "60"
              steps:
                - name: 12
                  argv: echo
                - nmae: two
                  environment: {A: true}
              labels: [1, two]
            """);

        Assert.Equal(
            [
                (4, "spec.timeoutSeconds"), (6, "spec.steps[0].name"), (7, "spec.steps[0].argv"), (8, "spec.steps[1].name"), (8, "spec.steps[1].nmae"),
                (9, "spec.steps[1].environment.A"), (10, "spec.labels[0]"),
            ],
            mistakes.Select(mistake => ((int)mistake.Line, mistake.Path)).Order());
    }

    [Theory]
    [InlineData("../../x")]
    [InlineData("a/b")]
    [InlineData("-a")]
    [InlineData("a-")]
    [InlineData("A")]
    [InlineData("ä")]
    [InlineData("a?b")]
    [InlineData("")]
    public void What_is_no_slug_never_becomes_a_path(string slug)
    {
        var (documents, mistakes) = ResourceDocument.ReadAll($"kind: Workspace\nmetadata: {{slug: \"{slug}\"}}\n");

        Assert.Empty(documents);
        Assert.Equal("metadata.slug", Assert.Single(mistakes).Path);
    }

    [Fact]
    public void The_same_resource_twice_is_a_mistake()
    {
        var (_, mistakes) = ResourceDocument.ReadAll("kind: Workspace\nmetadata: {slug: a}\n---\nkind: Workspace\nmetadata: {slug: a}\n");

        Assert.Equal(4, Assert.Single(mistakes).Line);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing\n")]
    [InlineData("---\n---\n")]
    public void A_file_without_a_document_is_a_mistake(string text) =>
        Assert.Contains("no document", Assert.Single(ResourceDocument.ReadAll(text).Mistakes).Text, StringComparison.Ordinal);
}
