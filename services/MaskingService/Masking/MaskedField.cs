using PiiMasking.Logins;
using PiiMasking.MaskingService.Keys;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Masking;

/// <summary>One of the two fields that are masked, with all that is its own: its name, its column, its canonical form, its
/// cipher.</summary>
internal sealed class MaskedField
{
    private readonly Func<string, Pii?> canonical;
    private readonly Func<KeysetState, FieldCipher> cipher;
    private readonly Func<FieldCipher, uint, Pii, string> mask;

    private MaskedField(
        string name,
        string column,
        Func<string, Pii?> canonical,
        Func<KeysetState, FieldCipher> cipher,
        Func<FieldCipher, uint, Pii, string> mask)
    {
        Name = name;
        Column = column;
        this.canonical = canonical;
        this.cipher = cipher;
        this.mask = mask;
    }

    /// <summary>Both.</summary>
    public static IReadOnlyList<MaskedField> All { get; } =
    [
        new(FieldMask.Ip, "masked_ip", text => CanonicalAddress.TryFormat(text, out var ip) ? new Pii(ip) : null,
            keys => keys.Ip, FieldMask.MaskIp),
        new(FieldMask.DeviceId, "masked_device_id", text => CanonicalDeviceId.TryFormat(text, out var id, out _) ? new Pii(id) : null,
            keys => keys.DeviceId, FieldMask.MaskDeviceId),
    ];

    /// <summary>Logical name, also the associated data of the field's tokens.</summary>
    public string Name { get; }

    /// <summary>Its column in user_logins.</summary>
    public string Column { get; }

    /// <returns>Null if there is no such field.</returns>
    public static MaskedField? Find(string? name) => All.FirstOrDefault(field => field.Name == name);

    /// <summary>Brings a value into the form in which it is masked.</summary>
    /// <returns>Null if it is no value of this field.</returns>
    public Pii? Canonical(Pii value) => canonical(value.Expose());

    /// <summary>Masks a canonical value.</summary>
    /// <exception cref="ArgumentException">The key is not an enabled one.</exception>
    public string Mask(KeysetState keys, uint keyId, Pii value) => mask(cipher(keys), keyId, value);

    /// <summary>Masks what a token holds under another key.</summary>
    /// <returns>Null if the token does not open.</returns>
    public string? MaskAgain(KeysetState keys, uint keyId, string token) => FieldMask.MaskAgain(cipher(keys), keyId, token);

    /// <summary>Opens a token.</summary>
    /// <returns>Null for everything that does not open; nothing says why.</returns>
    public Pii? TryOpen(KeysetState keys, string token) => FieldMask.TryOpen(cipher(keys), Name, token);
}
