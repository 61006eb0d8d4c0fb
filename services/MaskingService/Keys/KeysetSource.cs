using Microsoft.Extensions.Options;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Turns a secret into a keyset: in the clear, or wrapped as JWE.</summary>
internal sealed class KeysetSource(SecretReader secrets, KeyEncryptionKeys keks, IOptions<KeyOptions> options)
{
    /// <summary>Reads and opens one keyset.</summary>
    /// <exception cref="KeySourceException">There is no usable keyset; the message names the secret, the reason and the remedy.</exception>
    public async Task<Keyset> ReadAsync(SecretOptions secret, KeyKind kind, CancellationToken stopping)
    {
        try
        {
            var remedy = $"Make a keyset with 'MaskingService keyset new --kind {NameOf(kind)}' and store its text under that "
                + "name, as one string.";
            using var stored = await secrets.ReadAsync(secret, remedy, stopping);
            var keyset = await OpenAsync(stored, stopping);
            if (keyset.Kind == kind)
                return keyset;

            using (keyset)
                throw new KeySourceException($"It is a {keyset.Kind} keyset, and a {kind} keyset is needed; were two secrets swapped?");
        }
        catch (Exception e) when (e is KeySourceException or KeysetException)
        {
            throw new KeySourceException($"Secret '{secret.Secret}': {e.Message}");
        }
    }

    private static string NameOf(KeyKind kind) => kind switch
    {
        KeyKind.DeterministicAead => "masking",
        KeyKind.Aead => "quarantine",
        _ => "integrity",
    };

    private async Task<Keyset> OpenAsync(SecretBuffer stored, CancellationToken stopping)
    {
        // A file's last newline comes along easily; inside, nothing is forgiven.
        var text = stored.Memory.Trim(" \t\r\n"u8.ToArray());
        if (text.IsEmpty)
        {
            throw new KeySourceException(
                "It is empty. Make a keyset with 'MaskingService keyset new' and store its text there, as one string; the "
                    + "environment store gives an empty text for a variable that is not set.");
        }
        if (text.Span[0] == (byte)'{')
        {
            return options.Value.RequireKek
                ? throw new KeySourceException("The keyset is in the clear, and Keys:RequireKek is set. Wrap it with "
                    + "'MaskingService keyset wrap' and store the JWE.")
                : Keyset.Parse(text.Span);
        }
        if (text.Span[0] == (byte)'"')
            throw new KeySourceException("The keyset's text is inside another pair of quotation marks. Store the text itself as "
                + "the secret's value.");
        if (!Jwe.LooksLikeOne(text.Span))
            throw new KeySourceException("It is neither a keyset nor a JWE. Store the text that 'MaskingService keyset new' or "
                + "'keyset wrap' prints.");

        using var content = await keks.OpenAsync(Jwe.Parse(text.Span), stopping);
        return Keyset.Parse(content.Span);
    }
}
