using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using System.Text;
using PiiMasking.Tink;
using AesInstructions = System.Runtime.Intrinsics.X86.Aes;

namespace PiiMasking.Benchmarks;

/// <summary>
/// Fields masked and opened per second on one core, beside what .NET's own primitives take for the same bytes, and beside the bare AES that a
/// field cannot do without. A plain loop and the process's CPU time, rounds of all interleaved, best of them: what is measured is the code,
/// not the machine's other work.
/// </summary>
internal static class MaskingBenchmark
{
    // AES-256 has this many rounds after the first key is mixed in.
    private const int AesRounds = 14;

    private const string Masking = "mask to bytes, IPv4, 15 bytes";
    private const string BareAes = "bare AES instructions, the same two blocks, one after the other";

    public static Benchmark Benchmark { get; } = new("masking", "how many fields a core masks and opens a second", run =>
    {
        Measure(run);
        return Task.CompletedTask;
    });

    private static void Measure(BenchmarkRun run)
    {
        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        using var aead = new DeterministicAead(keyset);
        var field = aead.ForField("ip");
        var keyId = keyset.PrimaryKeyId;
        var calls = new List<(string Name, Action Call)>();
        foreach (var (name, text) in new[] { ("IPv4, 15 bytes", "198.51.100.7   "), ("IPv6, 39 bytes", "2001:db8::1".PadRight(39)) })
        {
            var plaintext = Encoding.ASCII.GetBytes(text);
            var token = new byte[FieldCipher.TokenLength(plaintext.Length)];
            field.Encrypt(keyId, plaintext, token);
            var tokenText = Convert.ToBase64String(token);
            var space = new byte[tokenText.Length];

            calls.Add(($"mask to base64 text, {name}", () => field.EncryptToBase64(keyId, plaintext)));
            calls.Add(($"mask to bytes, {name}", () => field.Encrypt(keyId, plaintext, token)));
            calls.Add(($"open from base64 text, {name}", () => field.TryDecryptBase64(tokenText, space, out _)));
            calls.Add(($"open from bytes, {name}", () => field.TryDecrypt(token, space, out _)));
        }

        // The same 15 bytes through .NET's primitives; none of them alone gives a token that is equal and opens again.
        var value = "198.51.100.7   "u8.ToArray();
        var key = RandomNumberGenerator.GetBytes(32);

        using var gcm = new AesGcm(key, 16);
        var iv = new byte[12];
        var ciphertext = new byte[value.Length];
        var tag = new byte[16];
        calls.Add((".NET AesGcm, reused, random IV", () =>
        {
            RandomNumberGenerator.Fill(iv);
            gcm.Encrypt(iv, value, ciphertext, tag);
        }
        ));

        var mac = new byte[32];
        calls.Add((".NET HMACSHA256.HashData", () => HMACSHA256.HashData(key, value, mac)));

        // A field of 15 bytes takes two AES blocks.
        using var aes = Aes.Create();
        aes.Key = key;
        var blocks = new byte[32];
        var encrypted = new byte[32];
        calls.Add((".NET Aes.EncryptEcb, the same two blocks", () => aes.EncryptEcb(blocks, encrypted, PaddingMode.None)));

        using var ecb = Aes.Create();
        ecb.Key = key;
        ecb.Mode = CipherMode.ECB;
        ecb.Padding = PaddingMode.None;
        using var transform = ecb.CreateEncryptor();
        calls.Add((".NET ICryptoTransform (ECB), reused, the same blocks", () => transform.TransformBlock(blocks, 0, 32, encrypted, 0)));

        if (AesInstructions.IsSupported)
        {
            var schedule = new Vector128<byte>[AesRounds + 1];
            var state = Vector128<byte>.Zero;
            // The second block cannot begin before the first is done: the synthetic IV is the counter.
            calls.Add((BareAes, () => state = EncryptBare(schedule, EncryptBare(schedule, state))));
        }

        var results = MeasureAll(run, calls);
        if (results.TryGetValue(BareAes, out var bare))
            run.Add("masking an IPv4 address ÷ the bare AES instructions in it", bare / results[Masking]);
    }

    private static Vector128<byte> EncryptBare(Vector128<byte>[] schedule, Vector128<byte> block)
    {
        block ^= schedule[0];
        for (var round = 1; round < AesRounds; round++)
            block = AesInstructions.Encrypt(block, schedule[round]);
        return AesInstructions.EncryptLast(block, schedule[AesRounds]);
    }

    /// <returns>The best round of each, in nanoseconds a call.</returns>
    private static Dictionary<string, double> MeasureAll(BenchmarkRun run, List<(string Name, Action Call)> calls)
    {
        var rounds = run.Rounds(12);
        var callsPerRound = run.Size(200_000, 1_000);
        var best = calls.ToDictionary(one => one.Name, _ => double.PositiveInfinity);
        var allocated = calls.ToDictionary(one => one.Name, _ => 0L);

        // The first round only warms up.
        for (var round = 0; round <= rounds; round++)
        {
            foreach (var (name, call) in calls)
            {
                run.Stopping.ThrowIfCancellationRequested();
                var bytes = GC.GetAllocatedBytesForCurrentThread();
                var start = Environment.CpuUsage.TotalTime;
                for (var i = 0; i < callsPerRound; i++)
                    call();
                var taken = (Environment.CpuUsage.TotalTime - start).TotalNanoseconds / callsPerRound;
                allocated[name] = (GC.GetAllocatedBytesForCurrentThread() - bytes) / callsPerRound;
                if (round > 0)
                    best[name] = Math.Min(best[name], taken);
            }
        }

        var table = run.AddTable("One field at a time, CPU time", "call", "ns", "fields/s/core", "bytes allocated");
        foreach (var (name, nanoseconds) in best)
            table.AddRow(name, nanoseconds, 1_000_000_000 / nanoseconds, allocated[name]);
        return best;
    }
}
