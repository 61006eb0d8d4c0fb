using System.Text;
using PiiMasking.Contracts;
using PiiMasking.Logins;

namespace PiiMasking.MaskingService.Logins;

/// <summary>What a batch must be for masking to take it. Ingestion keeps to it; anything else is a caller's mistake.</summary>
internal static class LoginBatchRules
{
    /// <returns>What is wrong and at which position, without any value; null if nothing is.</returns>
    public static string? Problem(LoginBatch? batch)
    {
        if (batch?.Messages is not { } messages)
            return "The body has no member \"messages\".";
        if (messages.Count > LoginBatch.MaxMessages)
            return $"The batch has {messages.Count} messages; {LoginBatch.MaxMessages} are the most.";
        for (var i = 0; i < messages.Count; i++)
        {
            if (Problem(messages[i]) is { } problem)
                return $"Message {i}: {problem}";
        }

        return null;
    }

    private static string? Problem(LoginMessage? message) => message switch
    {
        null => "is null.",
        { MessageId: var id } when id == Guid.Empty => "has no messageId.",
        { Login: null, Rejection: null } or { Login: not null, Rejection: not null } => "needs exactly one of login and rejection.",
        { Login: { } login } => Problem(login),
        { Rejection: { } rejection } => !IsCode(rejection.Reason) ? "its rejection's reason is no code."
            : rejection.UserIds is { } ids && (ids.Count > Rejection.MaxUserIds || ids.Any(string.IsNullOrEmpty))
            ? $"its rejection's userIds are more than {Rejection.MaxUserIds}, or one is empty."
            : null,
    };

    private static string? Problem(Login login) =>
        string.IsNullOrEmpty(login.UserId) ? "its login has no userId."
        : login.Ip.Expose() is not { Length: > 0 and <= 39 } ip || !Ascii.IsValid(ip) ? "its login's ip is no canonical address."
        : login.DeviceId.Expose() is not { Length: > 0 and <= 128 } id || Encoding.UTF8.GetByteCount(id) > 128 ? "its login's deviceId is not 1 to 128 bytes."
        : null;

    private static bool IsCode(string? reason) =>
        reason is { Length: > 0 and <= 64 } && char.IsAsciiLetterLower(reason[0])
        && reason.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_');
}
