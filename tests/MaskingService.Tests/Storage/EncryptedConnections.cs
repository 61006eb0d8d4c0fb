using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Npgsql;
using PiiMasking.Contracts;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.Storage;

/// <summary>TLS to Postgres, by nothing but the connection string: a server with a certificate made here.</summary>
public sealed class EncryptedConnections : IAsyncLifetime
{
    private readonly ScratchFolder scratch = new();
    private readonly MigratedDatabases databases = new();

    public async ValueTask InitializeAsync()
    {
        await databases.InitializeAsync();
        Assert.SkipUnless(databases.Postgres.IsOnThisMachine, "A server in a container cannot read the certificate.");
        using var authority = Authority("CN=authority of this test");
        Issue(authority, "server");
        File.WriteAllText(scratch["authority.pem"], authority.ExportCertificatePem());
        using var other = Authority("CN=authority of this test");
        File.WriteAllText(scratch["other.pem"], other.ExportCertificatePem());

        await using var connection = new NpgsqlConnection(databases.Postgres.SuperuserConnectionString);
        await connection.OpenAsync();
        foreach (var setting in new[] { $"ssl_cert_file = '{scratch["server.pem"]}'", $"ssl_key_file = '{scratch["server.key"]}'", "ssl = on" })
        {
            await using var change = new NpgsqlCommand($"ALTER SYSTEM SET {setting}", connection);
            await change.ExecuteNonQueryAsync();
        }

        await using var reload = new NpgsqlCommand("SELECT pg_reload_conf()", connection);
        await reload.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await databases.DisposeAsync();
        scratch.Dispose();
    }

    [Fact]
    public async Task A_server_with_the_right_certificate_is_used_and_one_with_another_is_not()
    {
        await using var database = await databases.CreateAsync();
        await using (var service = await RunningService.StartAsync(database, settings: Settings(database, "authority.pem")))
        {
            await service.WaitUntilReadyAsync();
            Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(RunningService.Message()));
            Assert.Equal(0, await database.ScalarAsync<long>(
                $"SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{MigratedDatabases.Writer}' AND NOT ssl"));
            Assert.True(await database.ScalarAsync<long>(
                $"SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{MigratedDatabases.Writer}' AND ssl") > 0);
        }

        await AssertRefusedAsync(database, Settings(database, "other.pem"));
        // The certificate is for the address; a name of the same server is another one.
        await AssertRefusedAsync(database, Settings(database, "authority.pem", host: "localhost"));
    }

    private static async Task AssertRefusedAsync(TestDatabase database, Dictionary<string, string?> settings)
    {
        await using var service = await RunningService.StartAsync(database, settings: settings);
        await Eventually.HoldsAsync(
            "readiness names the certificate",
            async () => (await service.ReadinessAsync()).Contains("certificate", StringComparison.Ordinal));
        using var refused = await service.PostAsync(RunningService.Message());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
    }

    private Dictionary<string, string?> Settings(TestDatabase database, string authority, string host = "127.0.0.1") => new()
    {
        ["ConnectionStrings:Database"] = new NpgsqlConnectionStringBuilder(
            database.ConnectionStringOf(MigratedDatabases.Writer, MigratedDatabases.WriterPassword))
        {
            Host = host,
            SslMode = SslMode.VerifyFull,
            RootCertificate = scratch[authority],
        }.ConnectionString,
    };

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddHours(-1), TimeProvider.System.GetUtcNow().AddDays(1));
    }

    private void Issue(X509Certificate2 authority, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, authority.NotBefore, authority.NotAfter, [1]);
        File.WriteAllText(scratch[$"{name}.pem"], certificate.ExportCertificatePem());
        File.WriteAllText(scratch[$"{name}.key"], key.ExportPkcs8PrivateKeyPem());
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(scratch[$"{name}.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
