using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace PiiMasking.Tink;

/// <summary>AES-SIV, RFC 5297, with exactly one component of associated data; the names are the RFC's.</summary>
/// <remarks>Safe to use from many threads at once.</remarks>
internal sealed class AesSiv : IDisposable
{
    /// <summary>The synthetic IV, in front of the ciphertext.</summary>
    public const int IvLength = BlockLength;

    private const int BlockLength = 16;

    // The counter's bits 63 and 31 are zero, so that 32-bit adders suffice (RFC 5297 section 2.5).
    private static readonly UInt128 CounterMask = ~((UInt128.One << 63) | (UInt128.One << 31));

    private readonly byte[] key;
    private readonly byte[] subkeys = PinnedBytes.Allocate(2 * BlockLength);
    private readonly Pool<Engine> engines;
    private volatile bool disposed;

    /// <param name="key">K1 ‖ K2, 32, 48 or 64 bytes; copied. K1 keys S2V, K2 keys CTR (RFC 5297 section 2.6).</param>
    public AesSiv(ReadOnlySpan<byte> key)
    {
        if (key.Length is not (32 or 48 or 64))
            throw new ArgumentException("An AES-SIV key has 32, 48 or 64 bytes.", nameof(key));

        this.key = PinnedBytes.CopyOf(key);
        engines = new(() => new Engine(this.key));

        // CMAC's subkeys, NIST SP 800-38B section 6.1.
        var engine = engines.Rent();
        try
        {
            engine.EncryptMacBlock();
            Double(engine.Output, subkeys);
            Double(subkeys, subkeys.AsSpan(BlockLength));
        }
        finally
        {
            Return(engine);
        }
    }

    private ReadOnlySpan<byte> Subkey1 => subkeys.AsSpan(0, BlockLength);

    private ReadOnlySpan<byte> Subkey2 => subkeys.AsSpan(BlockLength);

    /// <summary>Runs S2V over the associated data, once for all values that will share it (RFC 5297 section 5).</summary>
    public Bound Bind(ReadOnlySpan<byte> associatedData)
    {
        var d = PinnedBytes.Allocate(BlockLength);
        var mac = PinnedBytes.Allocate(BlockLength);
        Cmac(stackalloc byte[BlockLength], d);
        Double(d, d);
        Cmac(associatedData, mac);
        (Load(d) ^ Load(mac)).CopyTo(d);
        CryptographicOperations.ZeroMemory(mac);
        return new Bound(this, d);
    }

    /// <summary>AES-CMAC under K1, RFC 4493.</summary>
    /// <param name="mac">Receives 16 bytes.</param>
    public void Cmac(ReadOnlySpan<byte> message, Span<byte> mac)
    {
        var engine = engines.Rent();
        try
        {
            var chain = Vector128<byte>.Zero;
            for (; message.Length > BlockLength; message = message[BlockLength..])
                chain = engine.Mac(chain ^ Load(message));

            var last = message.Length == BlockLength
                ? Load(message) ^ Load(Subkey1)
                : engine.LoadPadded(message) ^ Load(Subkey2);
            engine.Mac(chain ^ last).CopyTo(mac);
        }
        finally
        {
            Return(engine);
        }
    }

    public void Dispose()
    {
        disposed = true;
        engines.Dispose();
        CryptographicOperations.ZeroMemory(key);
        CryptographicOperations.ZeroMemory(subkeys);
    }

    /// <summary>dbl of RFC 5297 section 2.3: multiplies by x in GF(2^128), without a branch on secret bits.</summary>
    private static void Double(ReadOnlySpan<byte> block, Span<byte> doubled)
    {
        var value = BinaryPrimitives.ReadUInt128BigEndian(block);
        var carry = UInt128.Zero - (value >> 127);
        BinaryPrimitives.WriteUInt128BigEndian(doubled, (value << 1) ^ (carry & 0x87));
    }

    private static Vector128<byte> Load(ReadOnlySpan<byte> block) => Vector128.Create(block);

    private void Return(Engine engine)
    {
        engine.Wipe();
        engines.Return(engine);

        // A result that was computed while the key was being wiped must not get out. The flag goes up before the wiping
        // starts, and returning the engine is a full fence: if it is still down here, the key was whole all along.
        ObjectDisposedException.ThrowIf(disposed, this);
    }

    /// <summary>A key together with one associated data.</summary>
    public sealed class Bound : IDisposable
    {
        private readonly AesSiv siv;

        // D, D xor CMAC's first subkey, dbl(D) xor that subkey: what the three lengths of S2V's last step need.
        private readonly byte[] state = PinnedBytes.Allocate(3 * BlockLength);

        internal Bound(AesSiv siv, byte[] d)
        {
            this.siv = siv;
            var subkey1 = Load(siv.Subkey1);
            d.CopyTo(state, 0);
            (Load(d) ^ subkey1).CopyTo(state.AsSpan(BlockLength));
            Double(d, d);
            (Load(d) ^ subkey1).CopyTo(state.AsSpan(2 * BlockLength));
            CryptographicOperations.ZeroMemory(d);
        }

        /// <param name="sealed">Receives the synthetic IV and the ciphertext: 16 bytes more than the plaintext.</param>
        public void Seal(ReadOnlySpan<byte> plaintext, Span<byte> @sealed)
        {
            var engine = siv.engines.Rent();
            try
            {
                var v = S2V(engine, plaintext);
                v.CopyTo(@sealed);
                Ctr(engine, v, plaintext, @sealed[IvLength..]);
            }
            finally
            {
                siv.Return(engine);
            }
        }

        /// <param name="sealed">The synthetic IV and the ciphertext.</param>
        /// <param name="plaintext">Receives 16 bytes fewer, or zeros when it does not open.</param>
        public bool TryOpen(ReadOnlySpan<byte> @sealed, Span<byte> plaintext)
        {
            if (@sealed.Length < IvLength)
                return false;

            var v = @sealed[..IvLength];
            plaintext = plaintext[..(@sealed.Length - IvLength)];
            var opened = false;
            var engine = siv.engines.Rent();
            try
            {
                Ctr(engine, Load(v), @sealed[IvLength..], plaintext);
                S2V(engine, plaintext).CopyTo(engine.Output);
                opened = CryptographicOperations.FixedTimeEquals(engine.Output.AsSpan(0, BlockLength), v);
            }
            finally
            {
                if (!opened)
                    CryptographicOperations.ZeroMemory(plaintext);
                siv.Return(engine);
            }
            return opened;
        }

        public void Dispose() => CryptographicOperations.ZeroMemory(state);

        /// <summary>S2V's last component, RFC 5297 section 2.4.</summary>
        private Vector128<byte> S2V(Engine engine, ReadOnlySpan<byte> plaintext)
        {
            // T = dbl(D) xor pad(P): one complete block for CMAC.
            if (plaintext.Length < BlockLength)
                return engine.Mac(engine.LoadPadded(plaintext) ^ Load(state.AsSpan(2 * BlockLength)));

            // T = P xorend D. The blocks that D does not reach are CMAC's as they are ...
            var chain = Vector128<byte>.Zero;
            for (; plaintext.Length >= 2 * BlockLength; plaintext = plaintext[BlockLength..])
                chain = engine.Mac(chain ^ Load(plaintext));

            // ... which leaves either the last block, complete and all under D,
            if (plaintext.Length == BlockLength)
                return engine.Mac(chain ^ Load(plaintext) ^ Load(state.AsSpan(BlockLength)));

            // or 17 to 31 bytes, with D across the last two blocks.
            var t = engine.Tail;
            t.Clear();
            plaintext.CopyTo(t);
            t[plaintext.Length] = 0x80;
            var end = t[(plaintext.Length - BlockLength)..plaintext.Length];
            (Load(end) ^ Load(state)).CopyTo(end);
            chain = engine.Mac(chain ^ Load(t));
            return engine.Mac(chain ^ Load(t[BlockLength..]) ^ Load(siv.Subkey2));
        }

        /// <summary>AES-CTR from the synthetic IV, RFC 5297 section 2.5.</summary>
        private static void Ctr(Engine engine, Vector128<byte> v, ReadOnlySpan<byte> source, Span<byte> destination)
        {
            v.CopyTo(engine.Input);
            var counter = BinaryPrimitives.ReadUInt128BigEndian(engine.Input) & CounterMask;
            while (!source.IsEmpty)
            {
                var blocks = Math.Min((source.Length + BlockLength - 1) / BlockLength, Engine.Blocks);
                for (var block = 0; block < blocks; block++)
                    BinaryPrimitives.WriteUInt128BigEndian(engine.Input.AsSpan(block * BlockLength), counter++);
                var keystream = engine.EncryptCounterBlocks(blocks);

                for (; source.Length >= BlockLength && !keystream.IsEmpty; keystream = keystream[BlockLength..])
                {
                    (Load(source) ^ Load(keystream)).CopyTo(destination);
                    source = source[BlockLength..];
                    destination = destination[BlockLength..];
                }

                if (!keystream.IsEmpty)
                {
                    var last = engine.Tail[..BlockLength];
                    source.CopyTo(last);
                    (Load(last) ^ Load(keystream)).CopyTo(last);
                    last[..source.Length].CopyTo(destination);
                    source = [];
                }
            }
        }
    }

    /// <summary>The block cipher under both halves of the key, and the memory it works in; for one thread at a time.</summary>
    /// <remarks>
    /// A transform is set up once and reused: a call on it costs a seventh of a one-shot call on <see cref="Aes"/>, which sets
    /// up the key again each time.
    /// </remarks>
    private sealed class Engine : IDisposable
    {
        public const int Blocks = 16;

        private readonly ICryptoTransform mac;
        private readonly ICryptoTransform counter;
        private readonly byte[] tail = PinnedBytes.Allocate(2 * BlockLength);

        // How much of Input and Output may hold something to wipe.
        private int used = BlockLength;

        public Engine(ReadOnlySpan<byte> key)
        {
            mac = Transform(key[..(key.Length / 2)]);
            counter = Transform(key[(key.Length / 2)..]);
        }

        public byte[] Input { get; } = PinnedBytes.Allocate(Blocks * BlockLength);

        public byte[] Output { get; } = PinnedBytes.Allocate(Blocks * BlockLength);

        public Span<byte> Tail => tail;

        /// <summary>One step of CMAC: AES(K1, block).</summary>
        public Vector128<byte> Mac(Vector128<byte> block)
        {
            block.CopyTo(Input);
            EncryptMacBlock();
            return Load(Output);
        }

        public void EncryptMacBlock() => mac.TransformBlock(Input, 0, BlockLength, Output, 0);

        public ReadOnlySpan<byte> EncryptCounterBlocks(int blocks)
        {
            used = Math.Max(used, blocks * BlockLength);
            counter.TransformBlock(Input, 0, blocks * BlockLength, Output, 0);
            return Output.AsSpan(0, blocks * BlockLength);
        }

        /// <summary>pad of RFC 5297 section 2.1: the bytes, a one bit, zeros.</summary>
        public Vector128<byte> LoadPadded(ReadOnlySpan<byte> partialBlock)
        {
            var block = tail.AsSpan(0, BlockLength);
            block.Clear();
            partialBlock.CopyTo(block);
            block[partialBlock.Length] = 0x80;
            return Load(block);
        }

        public void Wipe()
        {
            CryptographicOperations.ZeroMemory(Input.AsSpan(0, used));
            CryptographicOperations.ZeroMemory(Output.AsSpan(0, used));
            CryptographicOperations.ZeroMemory(tail);
            used = BlockLength;
        }

        public void Dispose()
        {
            mac.Dispose();
            counter.Dispose();
        }

        private static ICryptoTransform Transform(ReadOnlySpan<byte> key)
        {
            var copy = PinnedBytes.CopyOf(key);
            try
            {
                using var aes = Aes.Create();
                // ECB of single blocks is the bare block cipher that CMAC and CTR are defined on.
                aes.Mode = CipherMode.ECB;
                aes.Padding = PaddingMode.None;
                return aes.CreateEncryptor(copy, null);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(copy);
            }
        }
    }
}
