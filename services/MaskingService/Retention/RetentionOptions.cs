using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using PiiMasking.MaskingService.Erasure;

namespace PiiMasking.MaskingService.Retention;

/// <summary>How long what is stored is kept. Bound from "Retention". An age that is not set keeps all.</summary>
internal sealed class RetentionOptions
{
    public const string Section = "Retention";

    /// <summary>How often the service removes what is older. Null: it does not; <c>MaskingService retention</c> does it once.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "31.00:00:00")]
    public TimeSpan? Every { get; init; }

    /// <summary>Logins, by their date: whole months, and those of odd dates by the day.</summary>
    [Range(typeof(TimeSpan), "1.00:00:00", "36500.00:00:00")]
    public TimeSpan? Logins { get; init; }

    /// <summary>Messages in quarantine, by when they came there.</summary>
    [Range(typeof(TimeSpan), "1.00:00:00", "36500.00:00:00")]
    public TimeSpan? Quarantine { get; init; }

    /// <summary>Entries of the ledger. Their sums stay.</summary>
    [Range(typeof(TimeSpan), "1.00:00:00", "36500.00:00:00")]
    public TimeSpan? Ledger { get; init; }

    /// <summary>Records of the audit. Those of a day make a subject's budget.</summary>
    [Range(typeof(TimeSpan), "2.00:00:00", "36500.00:00:00")]
    public TimeSpan? Audit { get; init; }

    /// <summary>Fingerprints of erased users. A message from before the erasure would be stored after that.</summary>
    [Range(typeof(TimeSpan), "1.00:00:00", "36500.00:00:00")]
    public TimeSpan? Erasures { get; init; }

    /// <summary>Secret that holds the password of <c>ConnectionStrings:Steward</c>, if that does not say it itself.</summary>
    public string? PasswordSecret { get; init; }
}

/// <summary>The rules that attributes on one property cannot say.</summary>
internal sealed class RetentionOptionsValidator(IOptions<ErasureOptions> erasure, IConfiguration configuration)
    : IValidateOptions<RetentionOptions>
{
    public ValidateOptionsResult Validate(string? name, RetentionOptions options)
    {
        var failures = new List<string>();
        if (options.Erasures is { } erasures && erasures < erasure.Value.BrokersKeepMessagesFor)
        {
            failures.Add("Retention:Erasures must not be shorter than Erasure:BrokersKeepMessagesFor: what was sent before an erasure "
                + "could still be delivered.");
        }
        if (options.Erasures is { } kept && !(options.Quarantine <= kept))
        {
            failures.Add("Retention:Erasures needs Retention:Quarantine, not longer: a message in quarantine could be replayed when nobody "
                + "knows any more that its user was erased.");
        }
        if (options.Every is not null && string.IsNullOrEmpty(configuration.GetConnectionString("Steward")))
            failures.Add("Retention:Every needs ConnectionStrings:Steward, a login in pii_steward: the writer cannot take away.");
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }
}
