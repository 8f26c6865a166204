using System.Globalization;

namespace Lanyard.ClusterProxy.Audit;

/// <summary>When a file is put aside and which of those are kept.</summary>
/// <param name="MaxSize">Bytes; 0 for no limit.</param>
/// <param name="MaxBackups">Files put aside that are kept; 0 keeps all.</param>
/// <param name="MaxAge">Of files put aside; zero keeps all.</param>
internal sealed record LineFileOptions(string Path, long MaxSize, int MaxBackups, TimeSpan MaxAge);

/// <summary>One line each, in a file that only its owner can read, with the API server's rotation; <c>-</c> is standard output.</summary>
internal sealed class LineFile(LineFileOptions options, TimeProvider time) : IDisposable
{
    private Stream? _stream;

    public async ValueTask WriteAsync(IReadOnlyList<byte[]> lines, CancellationToken cancellation)
    {
        var bytes = new byte[lines.Sum(l => l.Length + 1)];
        var at = 0;
        foreach (var line in lines)
        {
            line.CopyTo(bytes.AsSpan(at));
            at += line.Length;
            bytes[at++] = (byte)'\n';
        }

        if (_stream is FileStream && options.MaxSize > 0 && _stream.Length > 0 && _stream.Length + bytes.Length > options.MaxSize)
        {
            PutAside();
        }

        _stream ??= Open();
        var start = _stream is FileStream file ? file.Length : 0;
        try
        {
            await _stream.WriteAsync(bytes, cancellation);
            await _stream.FlushAsync(cancellation);
        }
        catch
        {
            // A half-written batch is written again whole: cut it off first, or it would be there twice.
            Reopen(start);
            throw;
        }
    }

    public void Dispose() => _stream?.Dispose();

    private Stream Open() => options.Path == "-" ? Console.OpenStandardOutput() : new FileStream(options.Path, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.Read | FileShare.Delete,
        BufferSize = 0,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    private void Reopen(long length)
    {
        if (_stream is not FileStream file)
        {
            return;
        }

        _stream = null;
        try
        {
            file.SetLength(length);
        }
        catch (IOException)
        {
            // A full or lost disk: what can't be cut stays.
        }

        file.Dispose();
    }

    private void PutAside()
    {
        _stream!.Dispose();
        _stream = null;
        var folder = Path.GetDirectoryName(Path.GetFullPath(options.Path))!;
        var (name, extension) = (Path.GetFileNameWithoutExtension(options.Path), Path.GetExtension(options.Path));
        var stamp = time.GetUtcNow().ToString("yyyy-MM-ddTHH-mm-ss.fff", CultureInfo.InvariantCulture);
        var aside = Path.Combine(folder, $"{name}-{stamp}{extension}");
        for (var i = 1; File.Exists(aside); i++)
        {
            aside = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{name}-{stamp}.{i:000}{extension}"));
        }

        File.Move(options.Path, aside);
        Prune(folder, $"{name}-*{extension}");
    }

    private void Prune(string folder, string pattern)
    {
        var files = Directory.GetFiles(folder, pattern).OrderDescending(StringComparer.Ordinal).ToList();
        var oldest = time.GetUtcNow().UtcDateTime - options.MaxAge;
        for (var i = 0; i < files.Count; i++)
        {
            if ((options.MaxBackups > 0 && i >= options.MaxBackups) || (options.MaxAge > TimeSpan.Zero && File.GetLastWriteTimeUtc(files[i]) < oldest))
            {
                File.Delete(files[i]);
            }
        }
    }
}
