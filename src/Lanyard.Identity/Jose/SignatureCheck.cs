namespace Lanyard.Identity.Jose;

/// <summary>Steps 4 and 5 of the chain: the algorithm comes from the key and must equal the header's; then the signature.</summary>
internal readonly ref struct SignatureCheck
{
    /// <summary>Tokens without <c>kid</c> are tried against this many keys at most.</summary>
    private const int MaxTries = 4;

    public required KeySet Keys { get; init; }

    public required AlgorithmRules Rules { get; init; }

    public required string AlgorithmText { get; init; }

    public required bool HasKeyId { get; init; }

    public required ReadOnlySpan<byte> KeyId { get; init; }

    /// <summary>Header, dot, payload, as they stand in the token.</summary>
    public required ReadOnlySpan<byte> SigningInput { get; init; }

    public required ReadOnlySpan<byte> Signature { get; init; }

    /// <summary>Where the token is judged against several records.</summary>
    public SignatureMemo? Memo { get; init; }

    /// <returns>Null when <paramref name="key"/> made the signature.</returns>
    public Refusal? Run(Trace? trace, out VerificationKey? key, out SignatureAlgorithm algorithm)
    {
        key = null;
        if (!SignatureAlgorithms.TryParse(AlgorithmText, out algorithm))
        {
            return new Refusal(RefusalReason.AlgorithmNotAllowed, $"alg \"{Printable.Of(AlgorithmText)}\" does not exist here");
        }

        if (!Rules.Allows(algorithm))
        {
            return new Refusal(RefusalReason.AlgorithmNotAllowed, $"{algorithm.Name()} is not allowed for this issuer");
        }

        return HasKeyId ? RunWithKeyId(algorithm, trace, out key) : RunWithout(algorithm, trace, out key);
    }

    private Refusal? RunWithKeyId(SignatureAlgorithm algorithm, Trace? trace, out VerificationKey? key)
    {
        key = Keys.Find(KeyId);
        if (key is null)
        {
            return new Refusal(RefusalReason.KeyUnknown, $"none of the {Keys.Keys.Count} keys of the issuer has kid \"{Printable.Of(KeyId)}\"");
        }

        var expected = Rules.For(key);
        if (expected != algorithm)
        {
            return new Refusal(RefusalReason.AlgorithmMismatch, $"the header says {algorithm.Name()}, the key is for {expected.Name()}");
        }

        trace?.Pass(Stage.Algorithm, $"{algorithm.Name()}, as the key {key.KeyId} says");
        if (!IsBy(key, algorithm))
        {
            return new Refusal(RefusalReason.SignatureInvalid, $"the signature is not by key {key.KeyId}");
        }

        trace?.Pass(Stage.Signature, $"signed by key {key.KeyId}");
        return null;
    }

    private Refusal? RunWithout(SignatureAlgorithm algorithm, Trace? trace, out VerificationKey? key)
    {
        var tries = 0;
        foreach (var candidate in Keys.Keys)
        {
            if (Rules.For(candidate) != algorithm)
            {
                continue;
            }

            if (++tries > MaxTries)
            {
                break;
            }

            if (IsBy(candidate, algorithm))
            {
                key = candidate;
                trace?.Pass(Stage.Algorithm, $"{algorithm.Name()}, as the key {candidate.KeyId ?? candidate.Thumbprint} says");
                trace?.Pass(Stage.Signature, $"no kid; signed by key {candidate.KeyId ?? candidate.Thumbprint}");
                return null;
            }
        }

        key = null;
        return tries == 0
            ? new Refusal(RefusalReason.AlgorithmMismatch, $"no kid, and no key of the issuer is for {algorithm.Name()}")
            : new Refusal(RefusalReason.SignatureInvalid, $"no kid, and none of the first {Math.Min(tries, MaxTries)} keys for {algorithm.Name()} made the signature");
    }

    private bool IsBy(VerificationKey key, SignatureAlgorithm algorithm) =>
        Memo is null ? key.TryVerify(algorithm, SigningInput, Signature) : Memo.TryVerify(key, algorithm, SigningInput, Signature);
}
