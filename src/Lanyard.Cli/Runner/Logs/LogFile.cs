using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>Bytes and SHA-256 (lower-case hex) of a complete log.</summary>
internal sealed record LogTotal(long Bytes, string Sha256);

/// <summary>
/// The file of a log, which only grows. A full disk costs output and nothing else: whoever writes it is read on, because a step that nobody reads stands still
/// in the midst of its work.
/// </summary>
internal sealed class LogFile(string path) : IDisposable
{
    private readonly FileStream _file = PrivateFiles.Create(path);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _lost;

    public long Length { get; private set; }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty && !(TellLoss() && TryWrite(bytes)))
        {
            _lost += bytes.Length;
        }
    }

    /// <summary>So many bytes could not be kept.</summary>
    public void Lose(long count) => _lost += count;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancellationToken) =>
        RandomAccess.ReadAsync(_file.SafeFileHandle, buffer, offset, cancellationToken);

    /// <summary>To be called once.</summary>
    public LogTotal Complete()
    {
        TellLoss();
        return new LogTotal(Length, Convert.ToHexStringLower(_hash.GetHashAndReset()));
    }

    public void Dispose()
    {
        _file.Dispose();
        _hash.Dispose();
        File.Delete(path);
    }

    /// <summary>Where output is missing, and how much, as soon as that can be written.</summary>
    /// <returns>Whether nothing is missing untold.</returns>
    private bool TellLoss()
    {
        if (_lost > 0 && TryWrite(Encoding.UTF8.GetBytes($"\n[lanyard] {_lost} bytes of output were lost here: the runner could not write them to its disk\n")))
        {
            _lost = 0;
        }

        return _lost == 0;
    }

    private bool TryWrite(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_file.SafeFileHandle, bytes, Length);
        }
        catch (IOException)
        {
            return false; // what was written of it is written over
        }

        _hash.AppendData(bytes);
        Length += bytes.Length;
        return true;
    }
}
