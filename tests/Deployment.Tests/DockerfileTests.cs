using PiiMasking.Backing;

namespace PiiMasking.Deployment.Tests;

/// <summary>deploy/docker/Dockerfile: the packages in the images are those that were tested.</summary>
public sealed class DockerfileTests
{
    private static readonly string Dockerfile = Yaml.Text("deploy/docker/Dockerfile");

    [Fact]
    public void Every_project_has_a_lock_file_and_those_of_the_programs_are_in_the_build()
    {
        var projects = new[] { "services", "local", "tests" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.csproj", SearchOption.AllDirectories))
            .Select(project => Path.GetRelativePath(Repository.Root, project))
            .ToArray();
        Assert.Contains("services/Tink/Tink.csproj", projects);
        Assert.All(projects, project =>
        {
            var folder = Path.GetDirectoryName(project)!;
            Assert.True(File.Exists(Path.Combine(Repository.Root, folder, "packages.lock.json")), $"{folder}: dotnet restore makes packages.lock.json");
            if (folder.StartsWith("services/", StringComparison.Ordinal))
                Assert.Contains($"COPY {project} {folder}/packages.lock.json {folder}/\n", Dockerfile, StringComparison.Ordinal);
        });
        Assert.Contains("dotnet restore services/$project --locked-mode ", Dockerfile, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0\n")]
    [InlineData("ARG RUNTIME_IMAGE=mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled-extra\n")]
    [InlineData("ARG PACKAGE_SOURCE=https://api.nuget.org/v3/index.json\n")]
    public void What_it_is_made_of_may_be_replaced_and_is_the_published_thing_otherwise(string argument) =>
        Assert.Contains(argument, Dockerfile, StringComparison.Ordinal);

    [Fact]
    public void The_classic_builder_can_build_it()
    {
        Assert.DoesNotContain("# syntax=", Dockerfile, StringComparison.Ordinal);
        Assert.DoesNotContain("--mount=", Dockerfile, StringComparison.Ordinal);
        Assert.DoesNotContain("BUILDPLATFORM", Dockerfile, StringComparison.Ordinal);
    }
}
