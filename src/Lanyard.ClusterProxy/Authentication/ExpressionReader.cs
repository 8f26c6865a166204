using Lanyard.ClusterProxy.Configuration;
using Lanyard.Identity;
using Lanyard.Identity.Cel;
using Lanyard.Identity.Federation;
using Lanyard.Protocol.Kubernetes;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>The CEL fields of one <c>jwt</c> entry, compiled when the file is read, with every mistake and its place in the text.</summary>
internal static class ExpressionReader
{
    /// <summary>A mapping's result type is known at run time only, because claims may be anything (as the API server has it).</summary>
    public static CelProgram? Mapping(YamlMap map, string name) => map.RequiredText(name) is { } text ? Compile(map, name, text, CelEnvironments.KubernetesClaims) : null;

    public static ExpressionRule? Rule(YamlMap map, CelEnvironment environment)
    {
        var text = map.RequiredText("expression");
        var message = map.Text("message") ?? "";
        if (text is null || Compile(map, "expression", text, environment) is not { } program)
        {
            return null;
        }

        if (program.ResultType != CelType.Bool)
        {
            map.Wrong("expression", $"comes to {program.ResultType}; a rule must come to bool");
            return null;
        }

        return new ExpressionRule(program, message);
    }

    public static TokenCondition Condition(ExpressionRule rule) => token =>
        rule.Mismatch(Claims(token.Claims.Json)) is { } mismatch ? new Refusal(RefusalReason.ConditionFailed, $"claimValidationRules: {mismatch}") : null;

    public static CelActivation Claims(ReadOnlyMemory<byte> json) => new CelActivation(CelEnvironments.KubernetesClaims).Set("claims", CelValue.FromJson(json));

    public static IReadOnlyList<ExpressionRule> UserRules(YamlMap entry)
    {
        var rules = new List<ExpressionRule>();
        foreach (var map in entry.Maps("userValidationRules"))
        {
            var rule = Rule(map, CelEnvironments.KubernetesUser);
            map.RefuseOthers();
            if (rule is not null && rules.Any(r => r.Condition.Text == rule.Condition.Text))
            {
                map.Wrong("expression", "is there already");
            }
            else if (rule is not null)
            {
                rules.Add(rule);
            }
        }

        return rules;
    }

    public static IReadOnlyList<ExtraExpression> Extras(YamlMap mappings)
    {
        var extras = new List<ExtraExpression>();
        foreach (var map in mappings.Maps("extra"))
        {
            var key = map.RequiredText("key");
            var value = Mapping(map, "valueExpression");
            map.RefuseOthers();
            if (key is not null && !ExtraKeys.IsOwn(key))
            {
                map.Wrong("key", "is lower-case with a domain before a slash and characters of a URL's path behind it, and not of kubernetes.io or k8s.io");
            }
            else if (key is not null && extras.Any(e => e.Key == key))
            {
                map.Wrong("key", "is there already");
            }
            else if (key is not null && value is not null)
            {
                extras.Add(new ExtraExpression(key, value));
            }
        }

        return extras;
    }

    private static CelProgram? Compile(YamlMap map, string name, string text, CelEnvironment environment)
    {
        if (environment.Compile(text).TryGet(out var program, out var issues))
        {
            return program;
        }

        foreach (var issue in issues)
        {
            map.Wrong(name, issue.ToString());
        }

        return null;
    }
}
