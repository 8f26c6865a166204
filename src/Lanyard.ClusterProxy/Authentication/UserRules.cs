using System.Buffers;
using System.Text.Json;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Cel;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary><c>userValidationRules</c>: the last word before a token becomes a user. What a user lacks is not there, as in authentication/v1 UserInfo.</summary>
internal static class UserRules
{
    public static Refusal? Judge(KubernetesUser user, IReadOnlyList<ExpressionRule> rules)
    {
        if (rules.Count == 0)
        {
            return null;
        }

        var activation = new CelActivation(CelEnvironments.KubernetesUser).Set("user", CelValue.FromJson(UserInfo(user)));
        var mismatch = rules.Select(r => r.Mismatch(activation)).FirstOrDefault(m => m is not null);
        return mismatch is null ? null : new Refusal(RefusalReason.ConditionFailed, $"userValidationRules: {mismatch}");
    }

    private static ReadOnlyMemory<byte> UserInfo(KubernetesUser user)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        user.WriteJson(json, user.Groups);
        json.Flush();
        return buffer.WrittenMemory;
    }
}
