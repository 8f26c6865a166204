using System.Text.Json;
using Lanyard.Identity.Cel;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

/// <summary>Compiles and evaluates in one go; what should compile and does not fails the test with its mistakes.</summary>
internal static class CelHelper
{
    public static CelProgram Compile(this CelEnvironment environment, string expression, bool mustWork)
    {
        Assert.True(environment.Compile(expression).TryGet(out var program, out var issues) == mustWork, string.Join("; ", issues));
        return program!;
    }

    public static CelResult Run(this CelEnvironment environment, string expression, string variable = "", string json = "{}", CelLimits? limits = null)
    {
        var program = environment.Compile(expression, mustWork: true);
        var activation = new CelActivation(environment);
        if (variable.Length > 0)
        {
            activation.Set(variable, CelValue.FromJson(JsonDocument.Parse(json).RootElement));
        }

        return program.Evaluate(activation, limits);
    }

    public static IReadOnlyList<CelIssue> Mistakes(this CelEnvironment environment, string expression)
    {
        Assert.False(environment.Compile(expression).TryGet(out _, out var issues), "it compiled");
        return issues;
    }
}
