namespace Lanyard.Credentials;

/// <summary>The arguments of <c>lanyard token</c>. A null audience means the workspace's default, a null subject the audience's default template.</summary>
internal sealed record TokenArguments(string? Audience, bool Json, string? Subject = null)
{
    private const int MaxAudience = 1024;

    /// <summary>Returns null and says the first mistake; nothing is guessed, and an option given twice is a mistake.</summary>
    public static TokenArguments? Parse(ReadOnlySpan<string> args, out string mistake)
    {
        string? audience = null, format = null, subject = null;
        if (args is [] || args[0] != "token")
        {
            return Fail("unknown command: the first word must be `token`", out mistake);
        }

        for (var index = 1; index < args.Length; index++)
        {
            var (name, value) = Split(args[index]);
            if (name is not ("--audience" or "-a" or "--format" or "--subject"))
            {
                return Fail(Words.Unknown(name, index), out mistake);
            }

            if (value is null && ++index < args.Length)
            {
                value = args[index];
            }

            ref var place = ref audience;
            if (name is "--format")
            {
                place = ref format;
            }
            else if (name is "--subject")
            {
                place = ref subject;
            }

            if (string.IsNullOrEmpty(value) || place is not null)
            {
                return Fail(place is null ? $"{name} needs a value" : $"{name} is given twice", out mistake);
            }

            place = value;
        }

        return Check(audience, format, subject, out mistake);
    }

    private static TokenArguments? Check(string? audience, string? format, string? subject, out string mistake)
    {
        if (format is not (null or "raw" or "json"))
        {
            return Fail("--format must be raw or json", out mistake);
        }

        if (audience?.Length > MaxAudience)
        {
            return Fail($"--audience is longer than {MaxAudience} characters", out mistake);
        }

        if (subject?.Length > MaxAudience)
        {
            return Fail($"--subject is longer than {MaxAudience} characters", out mistake);
        }

        mistake = "";
        return new TokenArguments(audience, format is "json", subject);
    }

    private static (string Name, string? Value) Split(string argument)
    {
        var equals = argument.IndexOf('=', StringComparison.Ordinal);
        return argument.StartsWith("--", StringComparison.Ordinal) && equals > 0 ? (argument[..equals], argument[(equals + 1)..]) : (argument, null);
    }

    private static TokenArguments? Fail(string text, out string mistake)
    {
        mistake = text;
        return null;
    }
}
