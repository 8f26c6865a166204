using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Collections;

/// <summary>
/// How the subject of a definition's identity tokens may be written. All collections of a workspace share its issuer: whoever writes a subject freely
/// could make a run look like another collection's. So an admin of the collection has the subjects that name the definition itself, and everything
/// else needs an admin of the workspace.
/// </summary>
internal static class SubjectRules
{
    /// <summary>Subjects that no other definition can have, as long as the server makes the id.</summary>
    private static readonly string[] OwnSubjects = ["lanyard", "meshstack-definition"];

    public static void Check(string? template, string path, List<Mistake> mistakes)
    {
        if (SubjectTemplate.Parse(template) is { IsRefused: true } parsed)
        {
            mistakes.Add(new Mistake(path, parsed.Refusal.Detail));
        }
    }

    /// <param name="current">What is there; its subjects may stay.</param>
    /// <returns>Members that only an admin of the workspace may write so.</returns>
    public static IReadOnlyList<Mistake> BeyondTheCollection(DefinitionSpec wanted, DefinitionSpec? current)
    {
        const string text = "needs an admin of the workspace: it can make runs look like those of other collections";
        var beyond = new List<Mistake>();
        if (wanted.Uuid is not null && wanted.Uuid != current?.Uuid)
        {
            beyond.Add(new Mistake("spec.uuid", text));
        }

        var audiences = wanted.Audiences ?? [];
        for (var i = 0; i < audiences.Count; i++)
        {
            var (audience, subject) = (audiences[i].Audience, audiences[i].Subject);
            var stays = current?.Audiences?.Any(there => there.Audience == audience && there.Subject == subject) == true;
            if (subject is not null && !stays && !OwnSubjects.Contains(subject, StringComparer.Ordinal))
            {
                beyond.Add(new Mistake($"spec.audiences[{i}].subject", text));
            }
        }

        return beyond;
    }
}
