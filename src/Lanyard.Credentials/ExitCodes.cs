namespace Lanyard.Credentials;

/// <summary>What the exit code of the program says; scripts rely on these numbers.</summary>
public static class ExitCodes
{
    public const int Done = 0;
    public const int Refused = 1;
    public const int Usage = 2;
    public const int NoIdentity = 3;
    public const int Unreachable = 4;
}
