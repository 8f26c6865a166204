using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Collections;

/// <summary>What an <c>opentofu</c> block must be like. Every mistake is found at once.</summary>
internal static class OpentofuRules
{
    /// <summary>Name of the step that plans and applies.</summary>
    public const string StepName = "opentofu";

    private const int MaxFiles = 50;
    private const int MaxText = 256 * 1024;

    public static void Check(DefinitionSpec definition, List<Mistake> mistakes)
    {
        if (definition.Opentofu is not { } spec)
        {
            return;
        }

        Require(definition.Steps.All(static step => step.Name != StepName), "spec.steps", $"the name {StepName} is that of the step that plans and applies");
        DefinitionRules.CheckRange(spec.ApprovalTimeoutSeconds, "spec.opentofu.approvalTimeoutSeconds", 60, DefinitionRules.MaxQueueSeconds, mistakes);
        Require(spec.State is null || Slug.IsValid(spec.State), "spec.opentofu.state", Slug.Rule);
        Require(spec.Folder is null || IsPath(spec.Folder), "spec.opentofu.folder", "must be a path of letters, digits and - _ . below the working folder");
        Require(
            spec.Files is not { } all || (all.Count <= MaxFiles && all.Sum(static file => file.Key.Length + file.Value.Length) <= MaxText),
            "spec.opentofu.files",
            $"must be at most {MaxFiles} files, together at most {MaxText} characters");
        foreach (var name in (spec.Files ?? new Dictionary<string, string>()).Keys.Where(static name => !IsPath(name)))
        {
            mistakes.Add(new Mistake($"spec.opentofu.files.{name}", "must be a path of letters, digits and - _ . below the folder"));
        }

        void Require(bool isGood, string path, string text)
        {
            if (!isGood)
            {
                mistakes.Add(new Mistake(path, text));
            }
        }
    }

    private static bool IsPath(string path) =>
        path.Length is > 0 and <= 200
        && path.Split('/').All(static part => part.Length > 0 && part[0] is not ('.' or '-') && part.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'));
}
