using Lanyard.Identity;

namespace Lanyard.Cli.Runner.Platform;

/// <summary>Where a host's platform says who the host is: a token of the platform's issuer, for this instance. Each call asks anew.</summary>
internal abstract class TokenSource
{
    public const int MaxTokenBytes = 16 * 1024;

    /// <summary>A refusal is worth repeating later: metadata services start late, files are rotated.</summary>
    public abstract Task<Outcome<string>> FetchAsync(CancellationToken cancellationToken);

    /// <param name="audience">The instance's URL.</param>
    public static TokenSource Open(TokenSourceChoice choice, string audience, TimeProvider time)
    {
        Func<string, string?> environment = Environment.GetEnvironmentVariable;
        return choice.Kind switch
        {
            TokenSourceKind.Aws => new AwsTokenSource(audience, environment, time),
            TokenSourceKind.GoogleMetadata => new GoogleMetadataSource(audience, environment, time),
            TokenSourceKind.AzureImds => new AzureImdsSource(choice.Argument ?? audience, environment, time),
            TokenSourceKind.File => new FileSource(choice.Argument!),
            TokenSourceKind.Exec => new ExecSource(choice.Argument!, audience, time),
            _ => throw new ArgumentOutOfRangeException(nameof(choice)),
        };
    }

    /// <summary>What came, if it can be a token; never more of it in a message than that it can't.</summary>
    protected static Outcome<string> Checked(string text, string from)
    {
        var token = text.Trim();
        return token.Length is > 0 and <= MaxTokenBytes && token.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0
            ? token
            : new Refusal(RefusalReason.TokenMalformed, $"{from} gave no token");
    }
}

internal enum TokenSourceKind
{
    Aws,
    GoogleMetadata,
    AzureImds,
    File,
    Exec,
}

/// <param name="Argument">Of a file its path, of <c>exec</c> the command, of Azure the resource where it is not the instance's URL.</param>
internal sealed record TokenSourceChoice(TokenSourceKind Kind, string? Argument = null)
{
    public const string Words = "aws, google-metadata, azure-imds [RESOURCE], file PATH, exec CMD";

    /// <summary>Null: none of <see cref="Words"/>.</summary>
    public static TokenSourceChoice? Parse(IReadOnlyList<string> words) => words switch
    {
        ["aws"] => new TokenSourceChoice(TokenSourceKind.Aws),
        ["google-metadata"] => new TokenSourceChoice(TokenSourceKind.GoogleMetadata),
        ["azure-imds"] => new TokenSourceChoice(TokenSourceKind.AzureImds),
        ["azure-imds", { Length: > 0 } resource] => new TokenSourceChoice(TokenSourceKind.AzureImds, resource),
        ["file", { Length: > 0 } path] => new TokenSourceChoice(TokenSourceKind.File, path),
        ["exec", { Length: > 0 } command] => new TokenSourceChoice(TokenSourceKind.Exec, command),
        _ => null,
    };
}
