using Lanyard.Identity;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runtime;

/// <summary>The first thing that every endpoint of the runtime API asks: which living subject calls?</summary>
internal sealed class RuntimeCaller(RuntimeQuestions questions)
{
    /// <returns>The subject; or TokenMissing, TokenTypeNotAllowed, SubjectEnded.</returns>
    public async ValueTask<Outcome<RuntimeSubject>> RequireAsync(HttpContext context)
    {
        if (Access.PrincipalOf(context) is not { } principal) return new Refusal(RefusalReason.TokenMissing, "no bearer token");
        if (principal.Kind is not (PrincipalKind.Run or PrincipalKind.Machine or PrincipalKind.Workflow))
            return new Refusal(RefusalReason.TokenTypeNotAllowed, $"{principal.Name} is no run, no machine and no workflow");
        return await questions.SubjectOf(principal, context.RequestAborted) is { } subject
            ? subject
            : new Refusal(RefusalReason.SubjectEnded, $"{principal.SubjectId} has ended");
    }
}
