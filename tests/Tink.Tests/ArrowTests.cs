using System.Reflection;

namespace PiiMasking.Tink.Tests;

public sealed class ArrowTests
{
    [Fact]
    public void Tink_uses_nothing_but_the_base_library()
    {
        var framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        foreach (var reference in typeof(Keyset).Assembly.GetReferencedAssemblies())
        {
            Assert.True(
                File.Exists(Path.Combine(framework, reference.Name + ".dll")), $"{reference.Name} is not part of the base library.");
            Assert.DoesNotContain(reference.Name!, new[] { "System.Net.Http", "System.Console" });
        }
    }

    [Fact]
    public void Tink_has_no_unsafe_code() =>
        Assert.Null(typeof(Keyset).Assembly.ManifestModule.GetCustomAttribute<System.Security.UnverifiableCodeAttribute>());
}
