using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using X86Aes = System.Runtime.Intrinsics.X86.Aes;

namespace PiiMasking.Tink;

/// <summary>The bare AES block cipher under one key: what CMAC and CTR are defined on.</summary>
/// <remarks>Safe to use from many threads at once. After it is disposed it yields garbage or throws; <see cref="AesSiv"/> sees to it
/// that neither gets out.</remarks>
internal abstract class BlockCipher : IDisposable
{
    public const int BlockLength = 16;

    /// <param name="key">16, 24 or 32 bytes; copied.</param>
    public static BlockCipher Create(ReadOnlySpan<byte> key)
    {
        if (key.Length is not (16 or 24 or 32))
            throw new ArgumentException("An AES key has 16, 24 or 32 bytes.", nameof(key));
        return HardwareCipher.IsSupported ? new HardwareCipher(key) : new PlatformCipher(key);
    }

    public abstract Vector128<byte> Encrypt(Vector128<byte> block);

    public abstract void Dispose();

    /// <summary>AES by the processor's own instructions: constant time, and no call into another library for 16 bytes.</summary>
    /// <remarks>
    /// Worth its page: a masked field takes two blocks, and a call on a reused transform costs several times the whole field done
    /// here. The other implementation and published vectors check it, block by block and token by token.
    /// </remarks>
    internal sealed class HardwareCipher : BlockCipher
    {
        private readonly Vector128<byte>[] roundKeys;

        public HardwareCipher(ReadOnlySpan<byte> key)
        {
            var keyWords = key.Length / sizeof(uint);
            roundKeys = GC.AllocateArray<Vector128<byte>>(keyWords + 7, pinned: true);
            var words = MemoryMarshal.Cast<Vector128<byte>, uint>(roundKeys.AsSpan());
            MemoryMarshal.Cast<byte, uint>(key).CopyTo(words);

            // KeyExpansion of FIPS 197 section 5.2; words are little-endian here, so RotWord turns to the right.
            uint roundConstant = 1;
            for (var i = keyWords; i < words.Length; i++)
            {
                var word = words[i - 1];
                if (i % keyWords == 0)
                {
                    word = uint.RotateRight(SubWord(word), 8) ^ roundConstant;
                    roundConstant = (roundConstant << 1) ^ (roundConstant >> 7) * 0x11b;
                }
                else if (keyWords > 6 && i % keyWords == 4)
                {
                    word = SubWord(word);
                }
                words[i] = words[i - keyWords] ^ word;
            }
        }

        public static bool IsSupported => X86Aes.IsSupported;

        public override Vector128<byte> Encrypt(Vector128<byte> block)
        {
            var keys = roundKeys;
            var state = block ^ keys[0];
            for (var round = 1; round < keys.Length - 1; round++)
                state = X86Aes.Encrypt(state, keys[round]);
            return X86Aes.EncryptLast(state, keys[^1]);
        }

        public override void Dispose() => CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(roundKeys.AsSpan()));

        private static uint SubWord(uint word) => X86Aes.KeygenAssist(Vector128.Create(word).AsByte(), 0).AsUInt32()[0];
    }

    /// <summary>AES by the platform's cryptography library, for processors without the instructions above.</summary>
    internal sealed class PlatformCipher : BlockCipher
    {
        private readonly byte[] key;
        private readonly Pool<Engine> engines;

        public PlatformCipher(ReadOnlySpan<byte> key)
        {
            this.key = PinnedBytes.CopyOf(key);
            engines = new(() => new Engine(this.key));
        }

        public override Vector128<byte> Encrypt(Vector128<byte> block)
        {
            var engine = engines.Rent();
            try
            {
                return engine.Encrypt(block);
            }
            finally
            {
                engines.Return(engine);
            }
        }

        public override void Dispose()
        {
            engines.Dispose();
            CryptographicOperations.ZeroMemory(key);
        }

        /// <summary>A transform that is set up once; a one-shot call on <see cref="Aes"/> would do that for every block.</summary>
        private sealed class Engine : IDisposable
        {
            private readonly ICryptoTransform transform;
            private readonly byte[] input = PinnedBytes.Allocate(BlockLength);
            private readonly byte[] output = PinnedBytes.Allocate(BlockLength);

            public Engine(byte[] key)
            {
                using var aes = Aes.Create();
                aes.Mode = CipherMode.ECB;
                aes.Padding = PaddingMode.None;
                transform = aes.CreateEncryptor(key, null);
            }

            public Vector128<byte> Encrypt(Vector128<byte> block)
            {
                block.CopyTo(input);
                transform.TransformBlock(input, 0, BlockLength, output, 0);
                var encrypted = Vector128.Create(output);
                CryptographicOperations.ZeroMemory(input);
                CryptographicOperations.ZeroMemory(output);
                return encrypted;
            }

            public void Dispose() => transform.Dispose();
        }
    }
}
