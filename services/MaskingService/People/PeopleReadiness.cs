using Microsoft.Extensions.Options;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Masking;

namespace PiiMasking.MaskingService.People;

/// <summary>Whether people can be served. Not part of the service's own readiness: logins are stored whatever it says.</summary>
internal sealed class PeopleReadiness(IOptions<PeopleOptions> options, Generation generation, IntegrityKeys integrity)
{
    /// <exception cref="PeopleUnavailableException">Not now; says why and what to do.</exception>
    public void ThrowIfNotReady()
    {
        if (options.Value is { Authority: null, SigningKeyFile: null })
        {
            throw new PeopleUnavailableException(
                "Nobody can be let in: set People:Authority and People:Audience to the issuer of the bearer tokens (for development: "
                    + "People:SigningKeyFile).");
        }

        if (generation.KeyId is null)
            throw new PeopleUnavailableException("The keysets are not loaded and checked against the database yet. See /readyz.");
        integrity.Require();
    }
}
