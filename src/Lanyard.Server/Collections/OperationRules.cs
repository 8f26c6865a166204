using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Collections;

/// <summary>How an operation is written, in a definition and in a machine.</summary>
internal static class OperationRules
{
    public const string Start = "start";
    public const string Extend = "extend";
    public const string Cancel = "cancel";
    public const int MaxOperations = 20;

    private static readonly string[] Actions = [Start, Extend, Cancel];

    public static void Check(IReadOnlyList<OperationSpec>? operations, string path, List<Mistake> mistakes)
    {
        if (operations is { Count: > MaxOperations }) mistakes.Add(new Mistake(path, $"must be at most {MaxOperations}"));
        for (var i = 0; i < Math.Min(operations?.Count ?? 0, MaxOperations); i++)
        {
            var (operation, here) = (operations![i], $"{path}[{i}]");
            if (!Slug.IsValid(operation.Definition)) mistakes.Add(new Mistake($"{here}.definition", Slug.Rule));
            if (operation.Actions.Count is 0 or > 3 || operation.Actions.Any(static action => !Actions.Contains(action)))
                mistakes.Add(new Mistake($"{here}.actions", $"must be some of {string.Join(", ", Actions)}"));
            if (operation.Phases is { } phases && (phases.Count is 0 or > 8 || phases.Any(static phase => !Slug.IsValid(phase) || phase.Length > 32)))
                mistakes.Add(new Mistake($"{here}.phases", "must be 1 to 8, each 1 to 32 of a-z, 0-9 and -"));
        }
    }
}
