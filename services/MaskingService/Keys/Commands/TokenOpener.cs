using System.Security.Cryptography;
using System.Text;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Keys.Commands;

/// <summary>Opens a column of tokens.</summary>
internal sealed class TokenOpener(Terminal terminal)
{
    private const int LargestKeyset = 1024 * 1024;

    /// <exception cref="KeySourceException">Some tokens did not open; the message counts them.</exception>
    public async Task RunAsync(Stream keysetFile, string field, CancellationToken stopping)
    {
        using var text = await SecretBuffer.ReadAsync(keysetFile, LargestKeyset, stopping)
            ?? throw new KeySourceException("The file is larger than 1 MiB, so it is no keyset.");
        using var keyset = Keyset.Parse(text.Span);
        using var aead = new DeterministicAead(keyset);
        var cipher = aead.ForField(field);

        using var tokens = new StreamReader(terminal.Input, Encoding.UTF8, leaveOpen: true);
        var (line, unopened) = (0, 0);
        while (await tokens.ReadLineAsync(stopping) is { } token)
        {
            line++;
            if (!await WriteAsync(cipher, field, token.AsMemory().Trim(), stopping))
            {
                unopened++;
                await terminal.Notes.WriteLineAsync($"Line {line} does not open.");
            }
        }
        await terminal.Output.FlushAsync(stopping);
        if (unopened > 0)
            throw new KeySourceException($"{unopened} of {line} tokens did not open.");
    }

    private async Task<bool> WriteAsync(FieldCipher cipher, string field, ReadOnlyMemory<char> token, CancellationToken stopping)
    {
        var plaintext = new byte[token.Length + 1];
        var opens = cipher.TryDecryptBase64(token.Span, plaintext, out var length);
        // Addresses were padded to one length per family before they were masked.
        if (field == KeysetState.IpField)
            length = plaintext.AsSpan(0, length).TrimEnd((byte)' ').Length;
        plaintext[length] = (byte)'\n';
        await terminal.Output.WriteAsync(plaintext.AsMemory(0, length + 1), stopping);
        CryptographicOperations.ZeroMemory(plaintext);
        return opens;
    }
}
