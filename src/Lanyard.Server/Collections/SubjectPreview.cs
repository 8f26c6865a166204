using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Aws;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Collections;

/// <summary>
/// What the subjects of a definition's tokens look like before a run has one, and which cloud would refuse them. Limits are the clouds' own: subjects of
/// 6 to 255 characters for AWS, 127 bytes for Google, one exact subject and RS256 for Azure; issuers that they can fetch.
/// </summary>
internal sealed class SubjectPreview(Instance instance, SubjectUses uses)
{
    private static readonly string[] OfARun = ["run", "attempt"];
    private static readonly string[] OfAnyRun = ["runner", "runner_id", "run", "attempt"];

    /// <param name="said">Values of a run that the caller would like to see: runner, phase, environment, repository, ref, actor, step.</param>
    public async Task<SubjectList> MakeAsync(
        CollectionEntry collection, ResourceRow<DefinitionSpec> definition, CloudSpec? cloud, IReadOnlyDictionary<string, string?> said, CancellationToken cancellationToken)
    {
        var issuer = instance.WorkspaceIssuer(collection.Workspace.Slug);
        var counts = (await uses.ListAsync(definition.Id, cancellationToken)).ToDictionary(static use => (use.Audience, use.Template));
        var values = ValuesOf(collection, definition, said);
        var items = new List<SubjectView>();
        foreach (var audience in AudiencesOf(collection, definition.Spec, cloud, issuer))
        {
            var chosen = AudienceSubjects.DefaultOf(audience);
            var others = (audience.Subjects ?? new Dictionary<string, string>()).Where(subject => subject.Key != chosen.Name).Select(static subject => new NamedSubject(subject.Key, subject.Value));
            foreach (var subject in others.Prepend(chosen))
            {
                var used = counts.GetValueOrDefault((audience.Audience, subject.Name));
                items.Add(View(audience, subject, subject == chosen, issuer, values) with { Tokens = used?.Tokens ?? 0, LastUsedAt = used?.LastUsedAt });
            }
        }

        return new SubjectList(issuer, items);
    }

    /// <summary>The definition's, and those that its runs have without a list: the default audience's and the clouds'.</summary>
    private static IEnumerable<AudienceSpec> AudiencesOf(CollectionEntry collection, DefinitionSpec spec, CloudSpec? cloud, string issuer)
    {
        var listed = spec.Audiences ?? [];
        var without = CloudRules.AudiencesOf(CloudRules.InForce(cloud, spec.Cloud)).Append(spec.DefaultAudience ?? collection.Workspace.DefaultAudience ?? issuer);
        return listed.Concat(without.Distinct().Where(audience => listed.All(one => one.Audience != audience)).Select(static audience => new AudienceSpec(audience)));
    }

    private static SubjectView View(AudienceSpec audience, NamedSubject subject, bool isDefault, string issuer, Dictionary<string, string?> values)
    {
        var algorithm = audience.Algorithm ?? "RS256";
        var problems = new List<SubjectProblem>();
        string? example = null;
        IReadOnlyList<string> varies = [];
        if (!SubjectTemplate.Parse(subject.Template).TryGet(out var template, out var refusal) || !template.Render(values).TryGet(out example, out refusal))
        {
            problems.Add(new SubjectProblem("Lanyard", refusal.Detail));
        }
        else
        {
            varies = [.. OfARun.Where(template.Uses)];
            Judge(audience.Audience, issuer, example, algorithm, varies, problems);
        }

        return new SubjectView(audience.Audience, subject.Name, isDefault, subject.Template, example, algorithm, varies, problems, 0, null,
            AudienceConditions.Of(audience, subject.Name) is { Count: > 0 } conditions ? conditions : null);
    }

    private static void Judge(string audience, string issuer, string subject, string algorithm, IReadOnlyList<string> varies, List<SubjectProblem> problems)
    {
        var url = new Uri(issuer);
        if (audience is AwsPartition.Audience or AwsPartition.AudienceInChina)
        {
            if (url.Scheme != Uri.UriSchemeHttps || !url.IsDefaultPort) Add("AWS", "takes an issuer of https without a port only");
            if (issuer.Length > 255) Add("AWS", $"takes issuers of at most 255 characters, this one has {issuer.Length}");
            if (subject.Length < 6) Add("AWS", $"takes subjects of 6 characters at least, this one has {subject.Length}");
        }
        else if (audience.Contains("iam.googleapis.com", StringComparison.Ordinal))
        {
            if (url.Scheme != Uri.UriSchemeHttps) Add("Google Cloud", "takes an issuer of https only");
            if (subject.Length > SubjectTemplate.MaxLengthForGoogle) Add("Google Cloud", $"takes subjects of {SubjectTemplate.MaxLengthForGoogle} bytes at most, this one has {subject.Length}");
        }
        else if (audience == CloudRules.AzureAudience)
        {
            if (url.Scheme != Uri.UriSchemeHttps) Add("Azure", "takes an issuer of https only");
            if (algorithm != "RS256") Add("Azure", $"takes RS256 only, not {algorithm}");
            if (varies.Count > 0) Add("Azure", $"compares the whole subject exactly, and {string.Join(" and ", varies)} is another in every run");
        }

        void Add(string cloud, string text) => problems.Add(new SubjectProblem(cloud, text));
    }

    /// <summary>What every run has and nobody knows yet stands in angle brackets; what a run may lack is missing unless it was said.</summary>
    private Dictionary<string, string?> ValuesOf(CollectionEntry collection, ResourceRow<DefinitionSpec> definition, IReadOnlyDictionary<string, string?> said)
    {
        var values = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["instance"] = instance.Slug,
            ["workspace"] = collection.Workspace.Slug,
            ["workspace_id"] = collection.Workspace.Id,
            ["collection"] = collection.Slug,
            ["collection_id"] = collection.Id,
            ["definition"] = definition.Slug,
            ["definition_id"] = definition.Id,
            ["definition_uuid"] = definition.Spec.Uuid,
            ["phase"] = "run",
        };
        foreach (var name in OfAnyRun) values[name] = $"<{name}>";
        foreach (var (name, value) in said.Where(static one => !string.IsNullOrEmpty(one.Value))) values[name] = value;
        return values;
    }
}
