using System.Net;

namespace Lanyard.Server.Http;

/// <summary>How often something may be done in a window of time, by one and by all; what it remembers is bounded by the second.</summary>
internal sealed class Budget(TimeProvider time, int each, int all, TimeSpan window)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _spent = new(StringComparer.Ordinal);
    private DateTimeOffset _until;
    private int _sum;

    public bool IsSpent(string who)
    {
        lock (_gate)
        {
            Turn();
            return _sum >= all || _spent.GetValueOrDefault(who) >= each;
        }
    }

    /// <summary>How an address is counted: of IPv6 the first 64 bits, because a host has all the rest.</summary>
    public static string NameOf(IPAddress? address)
    {
        if (address is null) return "unknown";
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4().ToString();
        var bytes = address.GetAddressBytes();
        return bytes.Length == 4 ? address.ToString() : $"{Convert.ToHexStringLower(bytes, 0, 8)}::/64";
    }

    /// <param name="most">Of this one; null: as of each.</param>
    /// <returns>False where nothing is left.</returns>
    public bool TrySpend(string who, int? most = null)
    {
        lock (_gate)
        {
            Turn();
            var spent = _spent.GetValueOrDefault(who);
            if (_sum >= all || spent >= (most ?? each))
            {
                return false;
            }

            _spent[who] = spent + 1;
            _sum++;
            return true;
        }
    }

    private void Turn()
    {
        var now = time.GetUtcNow();
        if (now >= _until)
        {
            _spent.Clear();
            _sum = 0;
            _until = now + window;
        }
    }
}
