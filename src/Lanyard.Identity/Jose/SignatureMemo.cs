namespace Lanyard.Identity.Jose;

/// <summary>
/// What came of one token's signature under each key, while it is judged against several trust records: records that share a key cost one check, and at most
/// <see cref="MaxChecks"/> keys are tried, however many records there are.
/// </summary>
internal sealed class SignatureMemo
{
    public const int MaxChecks = 16;

    /// <summary>Most tokens are tried with one key, and need no table.</summary>
    private ((string Thumbprint, SignatureAlgorithm Algorithm) Key, bool IsGood)? _first;

    private Dictionary<(string Thumbprint, SignatureAlgorithm Algorithm), bool>? _others;

    public bool TryVerify(VerificationKey key, SignatureAlgorithm algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        var asked = (key.Thumbprint, algorithm);
        if (_first is not { } first)
        {
            var isGood = key.TryVerify(algorithm, data, signature);
            _first = (asked, isGood);
            return isGood;
        }

        if (first.Key == asked)
        {
            return first.IsGood;
        }

        if ((_others ??= []).TryGetValue(asked, out var before))
        {
            return before;
        }

        return _others.Count < MaxChecks - 1 && (_others[asked] = key.TryVerify(algorithm, data, signature));
    }
}
