using System.Runtime.CompilerServices;
using System.Text;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>Carries an answer's head, body and trailers to the client, without what belonged to the one hop.</summary>
internal static class AnswerRelay
{
    public static void CopyHead(ResponseHead head, HttpResponse response)
    {
        var nominated = Nominated(head);
        response.StatusCode = head.Status;
        for (var i = 0; i < head.Count; i++)
        {
            var name = HeaderStrings.Name(head.Name(i));
            if (HeaderRules.IsDroppedFromAnswers(name) || (nominated is not null && nominated.Contains(name, StringComparer.OrdinalIgnoreCase)))
            {
                continue;
            }

            response.Headers.Append(name, HeaderStrings.Value(head.Value(i)));
        }

        if (head.Status is not (101 or 204))
        {
            response.ContentLength = head.ContentLength;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public static async ValueTask CopyBodyAsync(UpstreamExchange exchange, HttpResponse response)
    {
        if (exchange.Head.Framing == BodyFraming.None)
        {
            await exchange.CopyBodyAsync(response.BodyWriter);
            return;
        }

        await response.StartAsync();
        await exchange.CopyBodyAsync(response.BodyWriter);
        CopyTrailers(exchange, response);
    }

    private static void CopyTrailers(UpstreamExchange exchange, HttpResponse response)
    {
        if (exchange.Trailers.Length == 0 || !response.SupportsTrailers())
        {
            return;
        }

        foreach (var line in Encoding.Latin1.GetString(exchange.Trailers).Split("\r\n", StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var isField = colon > 0 && HttpText.IsToken(Encoding.Latin1.GetBytes(line[..colon])) && HttpText.IsFieldValue(Encoding.Latin1.GetBytes(line[(colon + 1)..]));
            if (isField && !HeaderRules.IsDroppedFromAnswers(line[..colon]))
            {
                response.AppendTrailer(line[..colon], line[(colon + 1)..].Trim(' ', '\t'));
            }
        }
    }

    private static List<string>? Nominated(ResponseHead head)
    {
        List<string>? names = null;
        for (var i = 0; i < head.Count; i++)
        {
            if (HttpText.Equal(head.Name(i), "connection"u8))
            {
                names ??= [];
                names.AddRange(Encoding.Latin1.GetString(head.Value(i)).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
            }
        }

        return names;
    }
}
