using System.Security.Cryptography;
using Azure.Core.Cryptography;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.MaskingService.Keys;

/// <summary>A key-encryption key in a PEM file, for development: what a vault holds in production.</summary>
/// <remarks>It opens what was wrapped for it, whatever the kid says: no request goes anywhere.</remarks>
internal sealed class LocalKek(RSA key) : IKeyEncryptionKey, IDisposable
{
    public string KeyId => "local";

    /// <exception cref="StartupException">There is no RSA private key in the file.</exception>
    public static LocalKek FromPemFile(string file)
    {
        var key = RSA.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(file));
            // The public half alone would load, and fail only when it is needed.
            key.Decrypt(key.Encrypt("test"u8, RSAEncryptionPadding.OaepSHA256), RSAEncryptionPadding.OaepSHA256);
            return new LocalKek(key);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException or IOException or UnauthorizedAccessException)
        {
            key.Dispose();
            throw new StartupException(
                "The local key-encryption key (Keys:LocalKekFile, --kek) must be a PEM file with an RSA private key, not encrypted; "
                + "make one with 'openssl genrsa 3072'.");
        }
    }

    public byte[] UnwrapKey(string algorithm, ReadOnlyMemory<byte> encryptedKey, CancellationToken cancellationToken = default)
    {
        if (algorithm != Jwe.KeyWrapAlgorithm)
            throw new NotSupportedException(Jwe.KeyWrapAlgorithm + " only.");
        return key.Decrypt(encryptedKey.Span, RSAEncryptionPadding.OaepSHA256);
    }

    public Task<byte[]> UnwrapKeyAsync(
        string algorithm, ReadOnlyMemory<byte> encryptedKey, CancellationToken cancellationToken = default) =>
        Task.FromResult(UnwrapKey(algorithm, encryptedKey, cancellationToken));

    public byte[] WrapKey(string algorithm, ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Wrap with the public key.");

    public Task<byte[]> WrapKeyAsync(string algorithm, ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Wrap with the public key.");

    public void Dispose() => key.Dispose();
}
