using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Collections;

/// <summary>
/// What the subjects of a definition's tokens look like before a run has one, and which cloud would refuse them (<see cref="CloudLimits"/>).
/// </summary>
internal sealed class SubjectPreview(Instance instance, SubjectUses uses)
{
    private static readonly string[] OfARun = ["run", "attempt"];
    private static readonly string[] OfAnyRun = ["runner", "runner_id", "run", "attempt"];
    private static readonly string[] OfConsumers = ["consumer_workspace", "consumer_collection"];

    /// <summary>In the place of what nobody knows yet, and as long: a cloud counts what it gets.</summary>
    private static readonly Dictionary<string, string> s_asLong = new(StringComparer.Ordinal)
    {
        ["runner_id"] = "rnr_00000000000000000000000000", ["run"] = "run_00000000000000000000000000", ["attempt"] = "1",
    };

    /// <param name="said">Values of a run that the caller would like to see: runner, phase, environment, repository, ref, actor, step, and of a consumer its workspace and collection.</param>
    public async Task<SubjectList> MakeAsync(
        CollectionEntry collection, ResourceRow<DefinitionSpec> definition, CloudSpec? cloud, IReadOnlyDictionary<string, string?> said, CancellationToken cancellationToken)
    {
        var issuer = instance.WorkspaceIssuer(collection.Workspace.Slug);
        var counts = (await uses.ListAsync(definition.Id, cancellationToken)).ToDictionary(static use => (use.Audience, use.Template));
        var values = ValuesOf(collection, definition, said);
        var inForce = CloudRules.InForce(cloud, definition.Spec.Cloud);
        var items = new List<SubjectView>();
        foreach (var audience in AudiencesOf(collection, definition.Spec, inForce, issuer))
        {
            var chosen = AudienceSubjects.DefaultOf(audience);
            var others = (audience.Subjects ?? new Dictionary<string, string>()).Where(subject => subject.Key != chosen.Name).Select(static subject => new NamedSubject(subject.Key, subject.Value));
            foreach (var subject in others.Prepend(chosen))
            {
                var used = counts.GetValueOrDefault((audience.Audience, subject.Name));
                items.Add(View(audience, subject, subject == chosen, issuer, inForce, values) with { Tokens = used?.Tokens ?? 0, LastUsedAt = used?.LastUsedAt });
            }
        }

        return new SubjectList(issuer, items);
    }

    /// <summary>The definition's, and those that its runs have without a list: the default audience's and the clouds'.</summary>
    private static IEnumerable<AudienceSpec> AudiencesOf(CollectionEntry collection, DefinitionSpec spec, CloudSpec? inForce, string issuer)
    {
        var listed = spec.Audiences ?? [];
        var without = CloudRules.AudiencesOf(inForce).Append(spec.DefaultAudience ?? collection.Workspace.DefaultAudience ?? issuer);
        return listed.Concat(without.Distinct().Where(audience => listed.All(one => one.Audience != audience)).Select(static audience => new AudienceSpec(audience)));
    }

    private static SubjectView View(AudienceSpec audience, NamedSubject subject, bool isDefault, string issuer, CloudSpec? cloud, Dictionary<string, string?> values)
    {
        var algorithm = audience.Algorithm ?? "RS256";
        var problems = new List<SubjectProblem>();
        string? example = null;
        IReadOnlyList<string> varies = [];
        if (!SubjectTemplate.Parse(subject.Template).TryGet(out var template, out var refusal) || !template.Render(values).TryGet(out example, out refusal)
            || !template.Render(AsLong(values)).TryGet(out var asLong, out refusal))
        {
            problems.Add(new SubjectProblem("Lanyard", refusal.Detail));
        }
        else
        {
            varies = [.. OfARun.Where(template.Uses)];
            problems.AddRange(CloudLimits.Judge(audience.Audience, cloud, issuer, asLong, algorithm, varies));
        }

        return new SubjectView(audience.Audience, subject.Name, isDefault, subject.Template, example, algorithm, varies, problems, 0, null,
            AudienceConditions.Of(audience, subject.Name) is { Count: > 0 } conditions ? conditions : null);
    }

    private static Dictionary<string, string?> AsLong(Dictionary<string, string?> values) =>
        values.ToDictionary(static value => value.Key, static value => s_asLong.GetValueOrDefault(value.Key) ?? value.Value, StringComparer.Ordinal);

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
        foreach (var name in definition.Spec.SharedWith is { Count: > 0 } ? OfAnyRun.Concat(OfConsumers) : OfAnyRun) values[name] = $"<{name}>";
        foreach (var (name, value) in said.Where(static one => !string.IsNullOrEmpty(one.Value))) values[name] = value;
        return values;
    }
}
