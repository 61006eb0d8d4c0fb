namespace PiiMasking.Tink;

/// <summary>What a key may be used for.</summary>
public enum KeyStatus
{
    /// <summary>Opens tokens, and makes them where it is asked to.</summary>
    Enabled,

    /// <summary>Neither opens nor makes tokens, but can be enabled again.</summary>
    Disabled,

    /// <summary>Its bytes are gone for good; only its id is kept, so that it is never given to another key.</summary>
    Destroyed,
}
