using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Keys.Commands;

/// <summary>Where a command takes its keyset from, and where the result goes.</summary>
internal sealed class KeysetFiles(Terminal terminal)
{
    private const int LargestKeyset = 1024 * 1024;

    public Option<FileInfo?> In { get; } = new("--in", "-i")
    {
        Description = "File with the keyset; standard input if absent",
        HelpName = "FILE",
    };

    public Option<FileInfo?> Out { get; } = new("--out", "-o")
    {
        Description = "File for the result, readable by its owner only; standard output if absent. "
            + "May be the file of --in, which is then replaced; no other existing file is",
        HelpName = "FILE",
    };

    /// <exception cref="KeySourceException">There is no input.</exception>
    /// <exception cref="KeysetException">The input is no keyset.</exception>
    public async Task<Keyset> ReadAsync(ParseResult arguments, CancellationToken stopping)
    {
        using var text = await ReadTextAsync(arguments, stopping);
        return Keyset.Parse(text.Span);
    }

    /// <summary>The keyset's text, in the clear.</summary>
    /// <exception cref="KeySourceException">There is no input, or it is wrapped.</exception>
    public async Task<SecretBuffer> ReadTextAsync(ParseResult arguments, CancellationToken stopping)
    {
        var text = await ReadAnyAsync(arguments, stopping);
        if (!Jwe.LooksLikeOne(text.Span) || text.Span[0] == (byte)'{')
            return text;

        text.Dispose();
        throw new KeySourceException("The keyset is wrapped (a JWE). Unwrap it with 'keyset unwrap', change it, and wrap it again "
            + "with 'keyset wrap'.");
    }

    /// <summary>Whatever the input is.</summary>
    /// <exception cref="KeySourceException">There is no input.</exception>
    public async Task<SecretBuffer> ReadAnyAsync(ParseResult arguments, CancellationToken stopping)
    {
        var file = arguments.GetValue(In);
        if (file is null && terminal.InputIsTerminal)
            throw new KeySourceException("Give the keyset with --in FILE, or on standard input.");

        await using var opened = file is null ? null : Open(file);
        return await SecretBuffer.ReadAsync(opened ?? terminal.Input, LargestKeyset, stopping)
            ?? throw new KeySourceException("The input is larger than 1 MiB, so it is no keyset.");
    }

    public async Task WriteAsync(ParseResult arguments, Keyset keyset, CancellationToken stopping)
    {
        var json = keyset.ToJson();
        try
        {
            await WriteAsync(arguments, json, stopping);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(json);
        }
    }

    public async Task WriteAsync(ParseResult arguments, ReadOnlyMemory<byte> text, CancellationToken stopping)
    {
        if (arguments.GetValue(Out) is not { } file)
        {
            await WriteLineAsync(terminal.Output, text, stopping);
            return;
        }

        // A keyset that is written over is lost for good, and with it whatever its keys masked.
        if (file.Exists && file.FullName != arguments.GetValue(In)?.FullName)
            throw new KeySourceException($"{file.FullName} exists and is left alone. Name a new file.");

        // First beside it, then in its place: there is never half a keyset.
        var draft = file.FullName + ".new";
        var creation = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            creation.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using (var stream = new FileStream(draft, creation))
        {
            await WriteLineAsync(stream, text, stopping);
            stream.Flush(flushToDisk: true);
        }
        File.Move(draft, file.FullName, overwrite: true);
    }

    public static FileStream Open(FileInfo file) => new(file.FullName, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);

    private static async Task WriteLineAsync(Stream stream, ReadOnlyMemory<byte> text, CancellationToken stopping)
    {
        await stream.WriteAsync(text, stopping);
        await stream.WriteAsync(Encoding.ASCII.GetBytes("\n"), stopping);
        await stream.FlushAsync(stopping);
    }
}
