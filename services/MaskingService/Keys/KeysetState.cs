using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Keys;

/// <summary>The keysets as they are at one time, opened. Take it once per piece of work, so that the work is of one piece.</summary>
internal sealed class KeysetState : IDisposable
{
    /// <summary>Logical name of the address: the associated data of its tokens, fixed for the life of the data.</summary>
    public const string IpField = "ip";

    /// <summary>Logical name of the device id: the associated data of its tokens, fixed for the life of the data.</summary>
    public const string DeviceIdField = "device_id";

    private readonly DeterministicAead masking;

    /// <param name="maskingKeyset">Of kind <see cref="KeyKind.DeterministicAead"/>; disposed with this.</param>
    /// <param name="quarantineKeyset">Of kind <see cref="KeyKind.Aead"/>; disposed with this.</param>
    public KeysetState(Keyset maskingKeyset, Keyset quarantineKeyset)
    {
        Masking = maskingKeyset;
        QuarantineKeyset = quarantineKeyset;
        masking = new DeterministicAead(maskingKeyset);
        Quarantine = new Aead(quarantineKeyset);
        Ip = masking.ForField(IpField);
        DeviceId = masking.ForField(DeviceIdField);
        Canary = masking.ForField("canary");
    }

    /// <summary>The keys that mask.</summary>
    public Keyset Masking { get; }

    /// <summary>Masks and opens addresses.</summary>
    public FieldCipher Ip { get; }

    /// <summary>Masks and opens device ids.</summary>
    public FieldCipher DeviceId { get; }

    /// <summary>For the known tokens beside the data; no field is called so.</summary>
    public FieldCipher Canary { get; }

    /// <summary>The keys that seal rejected messages.</summary>
    public Keyset QuarantineKeyset { get; }

    /// <summary>Seals and opens rejected messages.</summary>
    public Aead Quarantine { get; }

    /// <summary>Whether this is an enabled masking key, so that tokens can be made and opened with it.</summary>
    public bool CanMaskUnder(uint keyId) => masking.HasKey(keyId);

    public void Dispose()
    {
        masking.Dispose();
        Quarantine.Dispose();
        Masking.Dispose();
        QuarantineKeyset.Dispose();
    }
}
