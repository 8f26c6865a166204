using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Testing.Clouds;

/// <summary>An API server that believes one issuer's tokens for one audience, and answers its version to whoever has one.</summary>
public sealed class KubernetesDouble : CloudDouble
{
    public const string Audience = "https://cluster.example";
    private readonly TokenJudge _judge;

    private KubernetesDouble(string issuer)
        : base(tls: true) => _judge = new TokenJudge(issuer, ["RS256", "ES256"]);

    public static Task<KubernetesDouble> StartAsync(string issuer) => StartedAsync(new KubernetesDouble(issuer));

    protected override async Task AnswerAsync(HttpContext context)
    {
        var words = context.Request.Headers.Authorization.ToString().Split(' ');
        var judged = words is ["Bearer", var token]
            ? Note(await _judge.JudgeAsync(token, [Audience], static _ => true))
            : Note(new JudgedToken("", "", TokenMistake.Malformed, "no bearer"));
        await (judged.Mistake is null
            ? WriteAsync(context, 200, "application/json", new JsonObject { ["major"] = "1", ["minor"] = "30", ["gitVersion"] = "v1.30.0" }.ToJsonString())
            : WriteAsync(context, 401, "application/json", new JsonObject
            {
                ["kind"] = "Status", ["apiVersion"] = "v1", ["status"] = "Failure", ["message"] = "Unauthorized", ["reason"] = "Unauthorized", ["code"] = 401,
            }.ToJsonString()));
    }
}
