using Lanyard.Server.Storage;
using Lanyard.Testing;
using Npgsql;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

[Line("2.14")]
public sealed class PostgresLocationTests
{
    [Fact]
    public void A_location_names_user_host_port_database_and_certificates()
    {
        var read = PostgresLocation.Parse("postgres://la%40n@db.example:6432/lanyard?sslmode=verify-ca&sslrootcert=/ca&sslcert=/c&sslkey=/k&pool=7");

        Assert.Equal(("la@n", "db.example", 6432, "lanyard"), (read.Username, read.Host, read.Port, read.Database));
        Assert.Equal((SslMode.VerifyCA, "/ca", "/c", "/k", 7), (read.SslMode, read.RootCertificate, read.SslCertificate, read.SslKey, read.MaxPoolSize));
        Assert.Null(read.Password);
        Assert.Contains("synchronous_commit=on", read.Options, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("postgres://u@db.example/x", SslMode.VerifyFull)]
    [InlineData("postgres://u@10.0.0.1/x", SslMode.VerifyFull)]
    [InlineData("postgres://u@localhost/x", SslMode.Prefer)]
    [InlineData("postgres://u@127.0.0.1/x", SslMode.Prefer)]
    [InlineData("postgres:///x?host=/run/postgresql", SslMode.Prefer)]
    public void Another_machine_must_prove_itself_unless_told_otherwise(string location, SslMode expected) =>
        Assert.Equal(expected, PostgresLocation.Parse(location).SslMode);

    [Theory]
    [InlineData("postgres://u:hunter2@db/x")]
    [InlineData("postgres://u@db/x?password=hunter2")]
    public void A_password_is_refused_and_not_repeated(string location)
    {
        var refused = Assert.Throws<StorageException>(() => PostgresLocation.Parse(location));

        Assert.Contains("password: none may be given here", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_mistake_is_told_at_once()
    {
        var refused = Assert.Throws<StorageException>(() => PostgresLocation.Parse("postgres://u:p@db/?sslmode=maybe&pool=1&who=me"));

        Assert.All(
            (string[])["password", "sslmode: not a value", "pool: not a value", "who: unknown", "path: one database name"],
            text => Assert.Contains(text, refused.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_no_url_is_refused() => Assert.Throws<StorageException>(() => PostgresLocation.Parse("postgres://["));
}
