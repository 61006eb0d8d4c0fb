using System.Globalization;
using System.Security.Cryptography;

namespace PiiMasking.Tink;

/// <summary>Keys by id, one of them primary, all for one primitive: a Tink keyset.</summary>
/// <remarks>
/// Immutable: the <c>With…</c> methods give a new keyset with key bytes of its own. Key bytes are in memory that the collector
/// does not move, and are wiped when the keyset is disposed. Nothing here prints them, except <see cref="ToJson"/>.
/// </remarks>
public sealed class Keyset : IDisposable
{
    private readonly Key[] keys;

    internal Keyset(KeyKind kind, uint primaryKeyId, Key[] keys)
    {
        Kind = kind;
        PrimaryKeyId = primaryKeyId;
        this.keys = keys;
    }

    /// <summary>What the keyset is for.</summary>
    public KeyKind Kind { get; }

    /// <summary>The key that makes new tokens unless a caller names another one; always enabled.</summary>
    public uint PrimaryKeyId { get; }

    /// <summary>What may be known about the keys, in the keyset's order.</summary>
    public IReadOnlyList<KeyInfo> Keys =>
        [.. keys.Select(key => new KeyInfo(key.Id, key.Status, key.Id == PrimaryKeyId, key.TypeUrl))];

    internal IEnumerable<Key> EnabledKeys => keys.Where(key => key.Status == KeyStatus.Enabled);

    internal ReadOnlySpan<Key> AllKeys => keys;

    /// <summary>Reads a keyset in Tink's JSON format, strictly.</summary>
    /// <remarks>
    /// Refused are, besides everything that Tink refuses: unknown or repeated members, ids that are not plain integers or are 0 or
    /// repeated, keys without the TINK prefix, all-zero keys, AES-SIV keys with two equal halves. A key of another primitive is
    /// carried along as long as it is not enabled.
    /// </remarks>
    /// <param name="utf8Json">The text as UTF-8, without a byte order mark. It is not copied; the caller wipes it.</param>
    /// <exception cref="KeysetException">The text is not such a keyset. The message says what is wrong and what to do, and holds no
    /// piece of the text.</exception>
    public static Keyset Parse(ReadOnlySpan<byte> utf8Json) => KeysetReader.Read(utf8Json);

    /// <summary>Makes a keyset with one new key, enabled and primary.</summary>
    public static Keyset Generate(KeyKind kind)
    {
        if (!Enum.IsDefined(kind))
            throw new ArgumentOutOfRangeException(nameof(kind));
        var key = Key.Generate(kind, []);
        return new Keyset(kind, key.Id, [key]);
    }

    /// <summary>The keyset in Tink's JSON format, on one line.</summary>
    /// <remarks>A destroyed key is written with zeros in place of its bytes: Tink for Java refuses an empty value there.</remarks>
    /// <returns>UTF-8 in pinned memory, with the keys in the clear; the caller wipes it.</returns>
    public byte[] ToJson() => KeysetWriter.Write(this);

    /// <summary>The keyset with one more key, enabled, with a random id.</summary>
    /// <param name="makePrimary">False leaves the new key standing by: every replica can learn it before it makes tokens.</param>
    public Keyset WithNewKey(bool makePrimary)
    {
        var added = Key.Generate(Kind, keys);
        return new Keyset(Kind, makePrimary ? added.Id : PrimaryKeyId, [.. keys.Select(key => key.Copy()), added]);
    }

    /// <summary>The keyset with another primary key.</summary>
    /// <exception cref="KeysetException">There is no such key, or it is not enabled.</exception>
    public Keyset WithPrimary(uint keyId)
    {
        if (Find(keyId).Status != KeyStatus.Enabled)
            throw new KeysetException($"Key {keyId} is not enabled, so it cannot be the primary key; enable it first.");
        return new Keyset(Kind, keyId, [.. keys.Select(key => key.Copy())]);
    }

    /// <summary>The keyset with one key's status changed. <see cref="KeyStatus.Destroyed"/> removes the key's bytes for good.</summary>
    /// <exception cref="KeysetException">There is no such key, it is the primary, is destroyed, or is of another primitive and was
    /// to be enabled.</exception>
    public Keyset WithStatus(uint keyId, KeyStatus status)
    {
        var current = Find(keyId);
        if (keyId == PrimaryKeyId && status != KeyStatus.Enabled)
            throw new KeysetException($"Key {keyId} is the primary key; make another one primary first.");
        if (current.Status == KeyStatus.Destroyed && status != KeyStatus.Destroyed)
            throw new KeysetException($"Key {keyId} is destroyed: its bytes are gone and cannot come back.");
        if (current.Kind is null && status == KeyStatus.Enabled)
            throw new KeysetException($"Key {keyId} is not a {Kind} key, so it cannot be enabled in this keyset.");
        return new Keyset(Kind, PrimaryKeyId, [.. keys.Select(key => key.Id == keyId ? key.Copy(status) : key.Copy())]);
    }

    /// <returns>Ids and statuses, never key bytes.</returns>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Kind} keyset, primary {PrimaryKeyId}: {string.Join(", ", keys.Select(key => $"{key.Id} {key.Status}"))}");

    /// <summary>Wipes the key bytes.</summary>
    public void Dispose()
    {
        foreach (var key in keys)
            key.Dispose();
    }

    /// <exception cref="KeysetException">The keyset is of another kind.</exception>
    internal void Require(KeyKind kind)
    {
        if (Kind != kind)
            throw new KeysetException($"This is a {Kind} keyset where a {kind} keyset is needed; were two secrets swapped?");
    }

    private Key Find(uint keyId) => Array.Find(keys, key => key.Id == keyId)
        ?? throw new KeysetException($"The keyset has no key {keyId}; it has {string.Join(", ", keys.Select(key => key.Id))}.");

    /// <summary>A key with its bytes.</summary>
    internal sealed class Key : IDisposable
    {
        private const string Tink = "TINK";
        private const string Symmetric = "SYMMETRIC";

        private readonly byte[] secret;
        private bool disposed;

        /// <param name="secret">Pinned; the key owns it from here on.</param>
        public Key(uint id, KeyStatus status, KeyKind? kind, string typeUrl, byte[] secret, int tagLength = 0)
        {
            Id = id;
            Status = status;
            Kind = kind;
            TypeUrl = typeUrl;
            TagLength = tagLength;
            this.secret = secret;
        }

        public uint Id { get; }

        public KeyStatus Status { get; }

        /// <summary>Null for a key of another primitive: never enabled, only carried along.</summary>
        public KeyKind? Kind { get; }

        public string TypeUrl { get; }

        public string MaterialType { get; init; } = Symmetric;

        public string PrefixType { get; init; } = Tink;

        /// <summary>Length of an HMAC key's tags in bytes; 0 for the others.</summary>
        public int TagLength { get; }

        /// <summary>The bare key; the whole protobuf where <see cref="Kind"/> is null; nothing when destroyed.</summary>
        public ReadOnlySpan<byte> Secret
        {
            get
            {
                ObjectDisposedException.ThrowIf(disposed, typeof(Keyset));
                return secret;
            }
        }

        public static Key Generate(KeyKind kind, IReadOnlyCollection<Key> others)
        {
            var secret = PinnedBytes.Allocate(KeyProto.NewKeyLength(kind));
            RandomNumberGenerator.Fill(secret);
            var tagLength = kind == KeyKind.Mac ? HMACSHA256.HashSizeInBytes : 0;
            return new Key(NewId(others), KeyStatus.Enabled, kind, KeyProto.TypeUrl(kind), secret, tagLength);
        }

        public Key Copy() => Copy(Status);

        public Key Copy(KeyStatus status) =>
            new(Id, status, Kind, TypeUrl, PinnedBytes.CopyOf(status == KeyStatus.Destroyed ? [] : Secret), TagLength)
            {
                MaterialType = MaterialType,
                PrefixType = PrefixType,
            };

        public void Dispose()
        {
            disposed = true;
            CryptographicOperations.ZeroMemory(secret);
        }

        /// <summary>
        /// The first six base64 characters of a token are 0x01 and the top 28 bits of the key id. As long as these differ, they name
        /// the key, in SQL too.
        /// </summary>
        private static uint NewId(IReadOnlyCollection<Key> others)
        {
            Span<byte> random = stackalloc byte[sizeof(uint)];
            uint id;
            do
            {
                RandomNumberGenerator.Fill(random);
                id = BitConverter.ToUInt32(random);
            }
            while (id == 0 || others.Any(other => other.Id >> 4 == id >> 4));
            return id;
        }
    }
}
