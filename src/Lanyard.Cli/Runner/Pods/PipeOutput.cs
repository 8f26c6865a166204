using System.IO.Pipelines;

namespace Lanyard.Cli.Runner.Pods;

/// <summary>
/// The output of one step, through a named pipe that a thread of its own reads. Between the containers lie 64 KiB at most: a step that writes faster
/// than its log is taken waits, and no output fills the pod's memory.
/// </summary>
internal sealed class PipeOutput
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 256 * 1024, resumeWriterThreshold: 64 * 1024));
    private readonly string _path;
    private int _opened;

    public PipeOutput(string path)
    {
        _path = path;
        Stream = _pipe.Reader.AsStream();
        new Thread(Copy) { IsBackground = true, Name = "output of a step" }.Start();
    }

    /// <summary>Ends when the step and everything below it have closed it.</summary>
    public Stream Stream { get; }

    /// <summary>Nobody will open the other end any more.</summary>
    public void Release()
    {
        try
        {
            if (Volatile.Read(ref _opened) == 0)
            {
                NamedPipe.Release(_path);
            }
        }
        catch (FileNotFoundException)
        {
            // It has been opened, read and taken away in between.
        }
    }

    private void Copy()
    {
        Exception? trouble = null;
        try
        {
            using var output = NamedPipe.OpenForReading(_path);
            Volatile.Write(ref _opened, 1);
            while (true)
            {
                var read = output.Read(_pipe.Writer.GetSpan(16 * 1024));
                if (read == 0)
                {
                    break;
                }

                _pipe.Writer.Advance(read);
                if (_pipe.Writer.FlushAsync().AsTask().GetAwaiter().GetResult().IsCompleted)
                {
                    break; // nobody reads any more
                }
            }
        }
        catch (IOException exception)
        {
            trouble = exception;
        }

        Remove();
        _pipe.Writer.Complete(trouble);
    }

    private void Remove()
    {
        try
        {
            File.Delete(_path);
        }
        catch (IOException)
        {
            // The whole folder is gone already: an exception here would take the process with it.
        }
    }
}
