using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Quarantine;

namespace PiiMasking.MaskingService.Logins;

/// <summary>Masks logins and seals rejections, under the keysets that are loaded now.</summary>
internal sealed class LoginMasker(Keyring keyring)
{
    /// <summary>Masks the logins under one key, or two while a rotation runs, and seals the rejections.</summary>
    /// <exception cref="KeyUnavailableException">No keyset is loaded, or it has not such a key enabled.</exception>
    public void Mask(IEnumerable<PendingMessage> messages, GenerationKeys generation)
    {
        var keys = keyring.Current ?? throw new KeyUnavailableException(generation.KeyId);
        foreach (var message in messages)
        {
            if (message.Rejection is { } rejection)
                message.SealedPayload = QuarantineSeal.Seal(keys.Quarantine, message.MessageId, rejection.Payload.Span);
            else
                Mask(message, keys, generation);
        }
    }

    /// <summary>Masks those logins again that are under other keys than these: the keys changed since they were masked.</summary>
    /// <exception cref="KeyUnavailableException">No keyset is loaded, or it has not such a key enabled.</exception>
    public void MaskAgainIfKeyChanged(IEnumerable<PendingMessage> messages, GenerationKeys generation)
    {
        foreach (var message in messages)
        {
            if (message.Login is not null && (message.Masked?.KeyId != generation.KeyId || message.Shadow?.KeyId != generation.NextKeyId))
                Mask(message, keyring.Current ?? throw new KeyUnavailableException(generation.KeyId), generation);
        }
    }

    private static void Mask(PendingMessage message, KeysetState keys, GenerationKeys generation)
    {
        var shadow = generation.NextKeyId is { } next ? TokensUnder(message, keys, next) : null;
        message.Masked = TokensUnder(message, keys, generation.KeyId);
        message.Shadow = shadow;
    }

    private static LoginTokens TokensUnder(PendingMessage message, KeysetState keys, uint keyId)
    {
        // What was of the shadow is of the table once the rotation is through.
        if (message.Masked?.KeyId == keyId)
            return message.Masked;
        if (message.Shadow?.KeyId == keyId)
            return message.Shadow;
        if (!keys.CanMaskUnder(keyId))
            throw new KeyUnavailableException(keyId);
        return new LoginTokens(
            keyId, FieldMask.MaskIp(keys.Ip, keyId, message.Login!.Ip), FieldMask.MaskDeviceId(keys.DeviceId, keyId, message.Login.DeviceId));
    }
}
