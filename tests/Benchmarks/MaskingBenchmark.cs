using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using PiiMasking.Tink;

namespace PiiMasking.Benchmarks;

/// <summary>
/// Fields masked and opened per second on one core, beside what .NET's own primitives take for the same bytes. A plain loop and the
/// process's CPU time, best of several rounds: what is measured is the code, not the machine's other work.
/// </summary>
internal static class MaskingBenchmark
{
    private const int Rounds = 12;
    private const int CallsPerRound = 200_000;

    public static void Run()
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.ProcessArchitecture}, AES instructions: "
                + $"{(System.Runtime.Intrinsics.X86.Aes.IsSupported ? "yes" : "no")}; CPU time"));
        Console.WriteLine($"{"one field at a time",-52}{"ns",8}{"fields/s/core",16}{"bytes allocated",17}");

        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        using var aead = new DeterministicAead(keyset);
        var field = aead.ForField("ip");
        var keyId = keyset.PrimaryKeyId;
        foreach (var (name, text) in new[] { ("IPv4, 15 bytes", "198.51.100.7   "), ("IPv6, 39 bytes", "2001:db8::1".PadRight(39)) })
        {
            var plaintext = Encoding.ASCII.GetBytes(text);
            var token = new byte[FieldCipher.TokenLength(plaintext.Length)];
            field.Encrypt(keyId, plaintext, token);
            var tokenText = Convert.ToBase64String(token);
            var space = new byte[tokenText.Length];

            Measure($"mask to base64 text, {name}", () => field.EncryptToBase64(keyId, plaintext));
            Measure($"mask to bytes, {name}", () => field.Encrypt(keyId, plaintext, token));
            Measure($"open from base64 text, {name}", () => field.TryDecryptBase64(tokenText, space, out _));
            Measure($"open from bytes, {name}", () => field.TryDecrypt(token, space, out _));
        }

        MeasureOthers();
    }

    /// <summary>The same 15 bytes through .NET's primitives; none of them alone gives a token that is equal and opens again.</summary>
    private static void MeasureOthers()
    {
        var plaintext = "198.51.100.7   "u8.ToArray();
        var key = RandomNumberGenerator.GetBytes(32);

        using var gcm = new AesGcm(key, 16);
        var iv = new byte[12];
        var ciphertext = new byte[plaintext.Length];
        var tag = new byte[16];
        Measure(".NET AesGcm, reused, random IV", () =>
        {
            RandomNumberGenerator.Fill(iv);
            gcm.Encrypt(iv, plaintext, ciphertext, tag);
        });

        var mac = new byte[32];
        Measure(".NET HMACSHA256.HashData", () => HMACSHA256.HashData(key, plaintext, mac));

        // A field of 15 bytes takes two AES blocks.
        using var aes = Aes.Create();
        aes.Key = key;
        var blocks = new byte[32];
        var encrypted = new byte[32];
        Measure(".NET Aes.EncryptEcb, the same two blocks", () => aes.EncryptEcb(blocks, encrypted, PaddingMode.None));

        aes.Mode = CipherMode.ECB;
        aes.Padding = PaddingMode.None;
        using var transform = aes.CreateEncryptor();
        Measure(".NET ICryptoTransform (ECB), reused, the same blocks", () => transform.TransformBlock(blocks, 0, 32, encrypted, 0));
    }

    private static void Measure(string name, Action call)
    {
        for (var i = 0; i < CallsPerRound; i++)
            call();

        var best = TimeSpan.MaxValue;
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < Rounds; round++)
        {
            var start = Environment.CpuUsage.TotalTime;
            for (var i = 0; i < CallsPerRound; i++)
                call();
            var taken = Environment.CpuUsage.TotalTime - start;
            best = taken < best ? taken : best;
        }
        allocated = (GC.GetAllocatedBytesForCurrentThread() - allocated) / ((long)Rounds * CallsPerRound);

        var nanoseconds = best.TotalNanoseconds / CallsPerRound;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{name,-52}{nanoseconds,8:0}{1_000_000_000 / nanoseconds,16:#,0}{allocated,17}"));
    }
}
