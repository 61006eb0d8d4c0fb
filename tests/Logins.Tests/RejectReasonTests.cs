namespace PiiMasking.Logins.Tests;

public class RejectReasonTests
{
    [Fact]
    public void Every_reason_has_a_code_and_comes_back_from_it()
    {
        foreach (var reason in Enum.GetValues<RejectReason>())
        {
            Assert.Matches("^[a-z]+(_[a-z]+)*$", reason.ToCode());
            Assert.True(RejectReasons.TryParse(reason.ToCode(), out var found));
            Assert.Equal(reason, found);
        }
    }

    [Theory]
    [InlineData(RejectReason.NotJson, "not_json")]
    [InlineData(RejectReason.IpNotAnAddress, "ip_not_an_address")]
    [InlineData(RejectReason.AppVersionNotAVersion, "app_version_not_a_version")]
    [InlineData(RejectReason.RefusedByStorage, "refused_by_storage")]
    public void Codes_that_are_stored_never_change(RejectReason reason, string code) => Assert.Equal(code, reason.ToCode());

    [Theory]
    [InlineData("")]
    [InlineData("NotJson")]
    [InlineData("no_such_reason")]
    public void An_unknown_code_is_not_read(string code) => Assert.False(RejectReasons.TryParse(code, out _));
}
