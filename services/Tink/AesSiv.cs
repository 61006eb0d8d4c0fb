using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace PiiMasking.Tink;

/// <summary>AES-SIV, RFC 5297, with exactly one component of associated data; the names are the RFC's.</summary>
/// <remarks>Safe to use from many threads at once.</remarks>
internal sealed class AesSiv : IDisposable
{
    /// <summary>The synthetic IV, in front of the ciphertext.</summary>
    public const int IvLength = BlockLength;

    private const int BlockLength = BlockCipher.BlockLength;

    // The counter's bits 63 and 31 are zero, so that 32-bit adders suffice (RFC 5297 section 2.5).
    private static readonly UInt128 CounterMask = ~((UInt128.One << 63) | (UInt128.One << 31));

    private readonly BlockCipher mac;
    private readonly BlockCipher counter;
    private readonly Vector128<byte>[] subkeys = GC.AllocateArray<Vector128<byte>>(2, pinned: true);
    private volatile bool disposed;

    /// <param name="key">K1 ‖ K2, 32, 48 or 64 bytes; copied. K1 keys S2V, K2 keys CTR (RFC 5297 section 2.6).</param>
    public AesSiv(ReadOnlySpan<byte> key)
        : this(BlockCipher.Create(key[..(key.Length / 2)]), BlockCipher.Create(key[(key.Length / 2)..]))
    {
    }

    /// <param name="mac">AES under K1; disposed with this.</param>
    /// <param name="counter">AES under K2; disposed with this.</param>
    public AesSiv(BlockCipher mac, BlockCipher counter)
    {
        this.mac = mac;
        this.counter = counter;

        // CMAC's subkeys, NIST SP 800-38B section 6.1.
        subkeys[0] = Double(mac.Encrypt(Vector128<byte>.Zero));
        subkeys[1] = Double(subkeys[0]);
    }

    /// <summary>Runs S2V over the associated data, once for all values that will share it (RFC 5297 section 5).</summary>
    public Bound Bind(ReadOnlySpan<byte> associatedData)
    {
        Span<byte> zero = stackalloc byte[BlockLength];
        return new Bound(this, Double(Cmac(zero)) ^ Cmac(associatedData));
    }

    /// <summary>AES-CMAC under K1, RFC 4493.</summary>
    public Vector128<byte> Cmac(ReadOnlySpan<byte> message)
    {
        var chain = Vector128<byte>.Zero;
        for (; message.Length > BlockLength; message = message[BlockLength..])
            chain = mac.Encrypt(chain ^ Load(message));
        return mac.Encrypt(chain ^ (message.Length == BlockLength ? Load(message) ^ subkeys[0] : Pad(message) ^ subkeys[1]));
    }

    public void Dispose()
    {
        disposed = true;
        Interlocked.MemoryBarrier();
        mac.Dispose();
        counter.Dispose();
        Wipe(subkeys);
    }

    /// <summary>dbl of RFC 5297 section 2.3: multiplies by x in GF(2^128), without a branch on secret bits.</summary>
    private static Vector128<byte> Double(Vector128<byte> block)
    {
        var value = ToNumber(block);
        var carry = UInt128.Zero - (value >> 127);
        return ToBlock((value << 1) ^ (carry & 0x87));
    }

    /// <summary>pad of RFC 5297 section 2.1: the bytes, a one bit, zeros.</summary>
    private static Vector128<byte> Pad(ReadOnlySpan<byte> partialBlock)
    {
        Span<byte> block = stackalloc byte[BlockLength];
        partialBlock.CopyTo(block);
        block[partialBlock.Length] = 0x80;
        var padded = Load(block);
        CryptographicOperations.ZeroMemory(block);
        return padded;
    }

    private static Vector128<byte> Load(ReadOnlySpan<byte> block) => Vector128.Create(block);

    /// <summary>A block as a number, first byte highest.</summary>
    private static UInt128 ToNumber(Vector128<byte> block) => FromBigEndian(Unsafe.BitCast<Vector128<byte>, UInt128>(block));

    private static Vector128<byte> ToBlock(UInt128 number) => Unsafe.BitCast<UInt128, Vector128<byte>>(FromBigEndian(number));

    private static UInt128 FromBigEndian(UInt128 number) =>
        BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(number) : number;

    private static void Wipe(Vector128<byte>[] blocks) =>
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(blocks.AsSpan()));

    /// <summary>A key together with one associated data.</summary>
    public sealed class Bound : IDisposable
    {
        // What the three lengths of S2V's last step need: D, D xor CMAC's first subkey, dbl(D) xor that subkey.
        private const int D = 0;
        private const int MaskOfWholeBlock = 1;
        private const int MaskOfShortBlock = 2;

        private readonly AesSiv siv;
        private readonly Vector128<byte>[] state = GC.AllocateArray<Vector128<byte>>(3, pinned: true);

        internal Bound(AesSiv siv, Vector128<byte> d)
        {
            this.siv = siv;
            state[D] = d;
            state[MaskOfWholeBlock] = d ^ siv.subkeys[0];
            state[MaskOfShortBlock] = Double(d) ^ siv.subkeys[0];
        }

        /// <param name="sealed">Receives the synthetic IV and the ciphertext: 16 bytes more than the plaintext.</param>
        /// <exception cref="ObjectDisposedException">The key is disposed.</exception>
        public void Seal(ReadOnlySpan<byte> plaintext, Span<byte> @sealed)
        {
            var v = S2V(plaintext);
            v.CopyTo(@sealed);
            Ctr(v, plaintext, @sealed[IvLength..]);
            ThrowIfDisposed();
        }

        /// <param name="sealed">The synthetic IV and the ciphertext.</param>
        /// <param name="plaintext">Receives 16 bytes fewer, or zeros when it does not open.</param>
        /// <exception cref="ObjectDisposedException">The key is disposed.</exception>
        public bool TryOpen(ReadOnlySpan<byte> @sealed, Span<byte> plaintext)
        {
            if (@sealed.Length < IvLength)
                return false;

            plaintext = plaintext[..(@sealed.Length - IvLength)];
            var opened = false;
            try
            {
                Ctr(Load(@sealed), @sealed[IvLength..], plaintext);
                Span<byte> v = stackalloc byte[IvLength];
                S2V(plaintext).CopyTo(v);
                var matches = CryptographicOperations.FixedTimeEquals(v, @sealed[..IvLength]);
                ThrowIfDisposed();
                opened = matches;
            }
            finally
            {
                if (!opened)
                    CryptographicOperations.ZeroMemory(plaintext);
            }
            return opened;
        }

        public void Dispose() => Wipe(state);

        /// <summary>S2V's last component, RFC 5297 section 2.4.</summary>
        private Vector128<byte> S2V(ReadOnlySpan<byte> plaintext)
        {
            // T = dbl(D) xor pad(P): one complete block for CMAC.
            if (plaintext.Length < BlockLength)
                return siv.mac.Encrypt(Pad(plaintext) ^ state[MaskOfShortBlock]);

            // T = P xorend D. The blocks that D does not reach are CMAC's as they are ...
            var chain = Vector128<byte>.Zero;
            for (; plaintext.Length >= 2 * BlockLength; plaintext = plaintext[BlockLength..])
                chain = siv.mac.Encrypt(chain ^ Load(plaintext));

            // ... which leaves either the last block, complete and all under D,
            if (plaintext.Length == BlockLength)
                return siv.mac.Encrypt(chain ^ Load(plaintext) ^ state[MaskOfWholeBlock]);

            // or 17 to 31 bytes, with D across the last two blocks.
            Span<byte> t = stackalloc byte[2 * BlockLength];
            plaintext.CopyTo(t);
            t[plaintext.Length] = 0x80;
            var end = t[(plaintext.Length - BlockLength)..plaintext.Length];
            (Load(end) ^ state[D]).CopyTo(end);
            chain = siv.mac.Encrypt(chain ^ Load(t));
            var v = siv.mac.Encrypt(chain ^ Load(t[BlockLength..]) ^ siv.subkeys[1]);
            CryptographicOperations.ZeroMemory(t);
            return v;
        }

        /// <summary>AES-CTR from the synthetic IV, RFC 5297 section 2.5.</summary>
        private void Ctr(Vector128<byte> v, ReadOnlySpan<byte> source, Span<byte> destination)
        {
            var q = ToNumber(v) & CounterMask;
            for (; source.Length >= BlockLength; source = source[BlockLength..], destination = destination[BlockLength..])
                (siv.counter.Encrypt(ToBlock(q++)) ^ Load(source)).CopyTo(destination);
            if (source.IsEmpty)
                return;

            Span<byte> last = stackalloc byte[BlockLength];
            source.CopyTo(last);
            (siv.counter.Encrypt(ToBlock(q)) ^ Load(last)).CopyTo(last);
            last[..source.Length].CopyTo(destination);
            CryptographicOperations.ZeroMemory(last);
        }

        /// <summary>
        /// A result that was computed while the key was being wiped must not get out. The flag goes up before the wiping starts: if
        /// it is still down after the key was read, the key was whole.
        /// </summary>
        private void ThrowIfDisposed()
        {
            Volatile.ReadBarrier();
            ObjectDisposedException.ThrowIf(siv.disposed, typeof(DeterministicAead));
        }
    }
}
