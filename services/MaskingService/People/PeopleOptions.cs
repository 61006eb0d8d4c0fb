using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace PiiMasking.MaskingService.People;

/// <summary>Who may come in by the people port, and how much each may ask for. Bound from "People".</summary>
internal sealed class PeopleOptions
{
    public const string Section = "People";

    /// <summary>The issuer of the bearer tokens, as its OpenID Connect metadata names it.</summary>
    /// <value>Such as <c>https://login.example.com/realms/company</c>.</value>
    public Uri? Authority { get; init; }

    /// <summary>What a token must be for (<c>aud</c>).</summary>
    public string? Audience { get; init; }

    /// <summary>For development, in place of an authority: a file with the key that signs tokens (HS256), at least 32 bytes as
    /// base64.</summary>
    public string? SigningKeyFile { get; init; }

    /// <summary>The issuer (<c>iss</c>) of tokens that were signed with <see cref="SigningKeyFile"/>.</summary>
    [Required]
    public string Issuer { get; init; } = "local";

    /// <summary>Login whose password the connection string <c>People</c> lacks: the secret that holds it.</summary>
    public string? PasswordSecret { get; init; }

    /// <summary>Requests that one subject may make in a minute. Counted by each replica for itself.</summary>
    [Range(1, 1_000_000)]
    public int RequestsPerMinute { get; init; } = 300;

    /// <summary>Values that one subject may see in a day (UTC), over all replicas. A look-up counts as one.</summary>
    [Range(1, int.MaxValue)]
    public int TokensPerDay { get; init; } = 10_000;

    /// <summary>For how long refusals of one kind from one address are counted before they become one record.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00")]
    public TimeSpan CountRefusalsFor { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How often the audit's head goes to the log, if it has changed.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan LogHeadEvery { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>The rules that attributes on one property cannot say.</summary>
internal sealed class PeopleOptionsValidator : IValidateOptions<PeopleOptions>
{
    public ValidateOptionsResult Validate(string? name, PeopleOptions options)
    {
        var failures = new List<string>();
        if (options is { Authority: not null, SigningKeyFile: not null })
            failures.Add("Set either People:Authority or, for development, People:SigningKeyFile, not both.");
        if (options.Authority is { } authority && (!authority.IsAbsoluteUri || authority.Scheme is not ("https" or "http")))
            failures.Add("People:Authority must be an address like https://login.example.com.");
        if (options.Authority is { IsAbsoluteUri: true, Scheme: "http", IsLoopback: false })
            failures.Add("People:Authority must be https: whoever stands in between could make tokens.");
        if ((options.Authority ?? (object?)options.SigningKeyFile) is not null && string.IsNullOrWhiteSpace(options.Audience))
            failures.Add("People:Audience must say what tokens are for, such as \"pii-masking\".");
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }
}
