namespace Lanyard.Server.Http;

/// <summary>
/// Metadata of the few endpoints that judge a bearer by themselves, because nobody is known yet who could have sent it: a host's runner that asks to be
/// registered, a cluster that does.
/// </summary>
internal sealed class OwnBearer
{
    public static OwnBearer Instance { get; } = new();
}
