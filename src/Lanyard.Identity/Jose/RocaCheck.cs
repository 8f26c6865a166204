using System.Numerics;

namespace Lanyard.Identity.Jose;

/// <summary>
/// The fingerprint of CVE-2017-15361: the vulnerable chips made primes of the form k·M + 65537^a mod M with M a product of small primes,
/// so that the modulus lies in the group that 65537 generates, modulo every one of them. A random modulus does so about once in 2^27.
/// </summary>
internal static class RocaCheck
{
    private static readonly int[] Primes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

    private static readonly bool[][] Groups = [.. Primes.Select(GroupOf65537)];

    public static bool IsAffected(BigInteger modulus)
    {
        for (var i = 0; i < Primes.Length; i++)
        {
            if (!Groups[i][(int)(modulus % Primes[i])])
            {
                return false;
            }
        }

        return true;
    }

    private static bool[] GroupOf65537(int prime)
    {
        var members = new bool[prime];
        for (var power = 1; !members[power]; power = power * (65537 % prime) % prime)
        {
            members[power] = true;
        }

        return members;
    }
}
