using System.Net.Sockets;

namespace Lanyard.Testing.Installations;

/// <summary>What a step said to its test. The step waits for the answer, so the test holds it exactly where it is.</summary>
public sealed class StepMessage(TcpClient connection, string text)
{
    /// <summary>One line, without its end.</summary>
    public string Text { get; } = text;

    /// <summary>Lets the step go on, with this one line as the answer.</summary>
    public async Task AnswerAsync(string line = "go")
    {
        using (connection)
        {
            await connection.GetStream().WriteAsync(System.Text.Encoding.UTF8.GetBytes(line + "\n"));
        }
    }
}
