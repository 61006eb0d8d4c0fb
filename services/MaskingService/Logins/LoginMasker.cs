using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Quarantine;

namespace PiiMasking.MaskingService.Logins;

/// <summary>Masks logins and seals rejections, under the keysets that are loaded now.</summary>
internal sealed class LoginMasker(Keyring keyring)
{
    /// <summary>Masks the logins under a key and seals the rejections.</summary>
    /// <exception cref="KeyUnavailableException">No keyset is loaded, or it has not this key enabled.</exception>
    public void Mask(IEnumerable<PendingMessage> messages, uint keyId)
    {
        var keys = keyring.Current ?? throw new KeyUnavailableException(keyId);
        foreach (var message in messages)
        {
            if (message.Rejection is { } rejection)
                message.SealedPayload = QuarantineSeal.Seal(keys.Quarantine, message.MessageId, rejection.Payload.Span);
            else
                Mask(message, keys, keyId);
        }
    }

    /// <summary>Masks those logins again that are under another key than this: the key changed since they were masked.</summary>
    /// <exception cref="KeyUnavailableException">No keyset is loaded, or it has not this key enabled.</exception>
    public void MaskAgainIfKeyChanged(IEnumerable<PendingMessage> messages, uint keyId)
    {
        foreach (var message in messages)
        {
            if (message.Login is not null && message.MaskedUnder != keyId)
                Mask(message, keyring.Current ?? throw new KeyUnavailableException(keyId), keyId);
        }
    }

    private static void Mask(PendingMessage message, KeysetState keys, uint keyId)
    {
        if (!keys.CanMaskUnder(keyId))
            throw new KeyUnavailableException(keyId);
        message.MaskedIp = FieldMask.MaskIp(keys.Ip, keyId, message.Login!.Ip);
        message.MaskedDeviceId = FieldMask.MaskDeviceId(keys.DeviceId, keyId, message.Login.DeviceId);
        message.MaskedUnder = keyId;
    }
}
