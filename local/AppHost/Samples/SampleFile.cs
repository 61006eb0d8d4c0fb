using System.Runtime.CompilerServices;
using System.Text;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>Message bodies from a file, one a line.</summary>
internal static class SampleFile
{
    /// <summary>Reads the lines as they are; empty ones are no messages.</summary>
    /// <exception cref="BackingException">The file cannot be read, or is not UTF-8.</exception>
    public static async IAsyncEnumerable<Sample> ReadAsync(FileInfo file, [EnumeratorCancellation] CancellationToken stopping)
    {
        using var reader = Open(file);
        while (await NextAsync(reader, file, stopping) is { } line)
        {
            if (line.Length > 0)
                yield return new Sample(line);
        }
    }

    private static StreamReader Open(FileInfo file)
    {
        try
        {
            var strict = new UTF8Encoding(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true);
            return new StreamReader(file.FullName, strict, detectEncodingFromByteOrderMarks: false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BackingException($"{file.FullName} cannot be read: {error.Message}", error);
        }
    }

    private static async Task<string?> NextAsync(StreamReader reader, FileInfo file, CancellationToken stopping)
    {
        try
        {
            return await reader.ReadLineAsync(stopping);
        }
        catch (DecoderFallbackException error)
        {
            throw new BackingException($"{file.FullName} is not UTF-8 text: a message body on the queue is.", error);
        }
    }
}
