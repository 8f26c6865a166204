namespace Lanyard.Identity.Jose;

/// <summary>
/// What came of one token's signature under each key, while it is judged against several trust records: records that share a key cost one check, and at most
/// <see cref="MaxChecks"/> keys are tried, however many records there are.
/// </summary>
internal sealed class SignatureMemo
{
    public const int MaxChecks = 16;

    private readonly Dictionary<(string Thumbprint, SignatureAlgorithm Algorithm), bool> _seen = [];

    public bool TryVerify(VerificationKey key, SignatureAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (_seen.TryGetValue((key.Thumbprint, algorithm), out var before))
        {
            return before;
        }

        return _seen.Count < MaxChecks && (_seen[(key.Thumbprint, algorithm)] = key.TryVerify(algorithm, data, signature));
    }
}
