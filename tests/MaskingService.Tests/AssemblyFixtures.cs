using PiiMasking.MaskingService.Tests;

[assembly: AssemblyFixture(typeof(MigratedDatabases))]
