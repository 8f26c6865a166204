using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Cel;
using Lanyard.Identity.Tokens;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>Evaluates the claim mappings of one token, with the API server's reading of results: null and empty text are nothing, anything but text is an error.</summary>
internal sealed class ExpressionMapper(UserExpressions expressions, ClaimSet claims)
{
    private CelActivation? _activation;

    /// <summary>An expression that comes to an empty name is a refusal, and so is one that there is not.</summary>
    public Outcome<string> Username() =>
        !Text(expressions.Username, "username").TryGet(out var name, out var refusal) ? refusal
        : name.Length > 0 ? name
        : new Refusal(RefusalReason.ClaimMissing, "the username's expression came to an empty name");

    public Outcome<string> Uid() => Text(expressions.Uid, "uid");

    public Outcome<string[]> Groups() => Texts(expressions.Groups, "groups");

    public Outcome<ExtraValue[]> Extras()
    {
        if (expressions.Extras.Count == 0)
        {
            return Array.Empty<ExtraValue>();
        }

        var extras = new List<ExtraValue>();
        foreach (var extra in expressions.Extras)
        {
            if (!Texts(extra.Value, extra.Key).TryGet(out var values, out var refusal))
            {
                return refusal;
            }

            extras.AddRange(values.Select(v => new ExtraValue(extra.Key, v)));
        }

        return extras.ToArray();
    }

    private Outcome<string> Text(CelProgram? program, string what)
    {
        if (program is null)
        {
            return "";
        }

        var value = Evaluate(program);
        return value.Kind == CelKind.String ? value.AsString : Wrong(what, value, "text");
    }

    private Outcome<string[]> Texts(CelProgram? program, string what)
    {
        if (program is null)
        {
            return Array.Empty<string>();
        }

        var value = Evaluate(program);
        switch (value.Kind)
        {
            case CelKind.Null:
                return Array.Empty<string>();
            case CelKind.String:
                return value.AsString.Length == 0 ? Array.Empty<string>() : new[] { value.AsString };
            case CelKind.List:
                return OfList(value.AsList, what);
            default:
                return Wrong(what, value, "text, a list of texts or null");
        }
    }

    private static Outcome<string[]> OfList(CelList list, string what)
    {
        var texts = new List<string>(list.Count);
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i] is not { Kind: CelKind.String } item)
            {
                return Wrong(what, list[i], "a list of texts");
            }

            if (item.AsString.Length > 0)
            {
                texts.Add(item.AsString);
            }
        }

        return texts.ToArray();
    }

    private CelValue Evaluate(CelProgram program) => program.Evaluate(_activation ??= ExpressionReader.Claims(claims.Json)).Value;

    private static Refusal Wrong(string what, CelValue value, string wanted) =>
        new(RefusalReason.ClaimMalformed, value.IsError ? $"the expression of {what} failed: {value.ErrorText}" : $"the expression of {what} came to {value.Kind}, wanted is {wanted}");
}
