namespace Lanyard.Identity.Jose;

/// <summary>Which algorithms may be used, and which one an RSA key without <c>alg</c> has. The header never has a say.</summary>
public sealed record AlgorithmRules
{
    public static AlgorithmRules Default { get; } = new();

    /// <summary>Empty means all nine.</summary>
    public IReadOnlyList<SignatureAlgorithm> Allowed { get; init; } = [];

    public SignatureAlgorithm DefaultForRsa { get; init; } = SignatureAlgorithm.RS256;

    /// <summary>Where exactly one of RSA's is allowed, it is that of RSA keys that name none.</summary>
    /// <param name="allowed">Empty means all nine.</param>
    public static AlgorithmRules Of(IReadOnlyList<SignatureAlgorithm> allowed)
    {
        ArgumentNullException.ThrowIfNull(allowed);
        var rsa = allowed.Distinct().Where(static one => one.IsRsa()).Take(2).ToList();
        return rsa.Count == 1 ? new AlgorithmRules { Allowed = allowed, DefaultForRsa = rsa[0] } : new AlgorithmRules { Allowed = allowed };
    }

    public SignatureAlgorithm For(VerificationKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.Algorithm ?? DefaultForRsa;
    }

    public bool Allows(SignatureAlgorithm algorithm)
    {
        if (Allowed.Count == 0)
        {
            return true;
        }

        for (var i = 0; i < Allowed.Count; i++)
        {
            if (Allowed[i] == algorithm)
            {
                return true;
            }
        }

        return false;
    }
}
