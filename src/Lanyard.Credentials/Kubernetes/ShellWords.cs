using System.Text;

namespace Lanyard.Credentials.Kubernetes;

/// <summary>Splits <c>KUBECTL_COMMAND</c> as a shell would, but runs no shell: blanks, quotes and backslashes mean something, nothing else does.</summary>
internal static class ShellWords
{
    /// <summary>Null when a quote is not closed.</summary>
    public static string[]? Split(string text)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        var quote = '\0';
        for (var index = 0; index < text.Length; index++)
        {
            var c = text[index];
            if (quote == '\0' && char.IsWhiteSpace(c))
            {
                End(words, ref word);
            }
            else if (quote == '\0' && c is '\'' or '"')
            {
                quote = c;
                word ??= new StringBuilder();
            }
            else if (c == quote)
            {
                quote = '\0';
            }
            else
            {
                var escaped = c == '\\' && quote != '\'' && index + 1 < text.Length && (quote == '\0' || text[index + 1] is '"' or '\\');
                (word ??= new StringBuilder()).Append(escaped ? text[++index] : c);
            }
        }

        End(words, ref word);
        return quote == '\0' ? [.. words] : null;
    }

    private static void End(List<string> words, ref StringBuilder? word)
    {
        if (word is not null)
        {
            words.Add(word.ToString());
            word = null;
        }
    }
}
