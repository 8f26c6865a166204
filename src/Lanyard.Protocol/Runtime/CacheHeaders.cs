namespace Lanyard.Protocol.Runtime;

public static class CacheHeaders
{
    /// <summary>Scheme and authority by which whoever asks for the URL of a blob will reach it.</summary>
    public const string Origin = "Lanyard-Cache-Origin";
}
