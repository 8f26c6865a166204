using Lanyard.Identity.Cel;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

[Line("6.1")]
public sealed class KubernetesLibraryTests
{
    private const string Claims = """
        {"sub":"system:serviceaccount:ci:runner","groups":["dev","ops"],"n":3,"aud":"me","roles":"a,b","ip":"10.1.2.3",
         "url":"https://u:p@example.com:8443/a b/c?x=1&x=2&y=z","kubernetes.io":{"namespace":"ci","pod":{"name":"p"}}}
        """;

    [Theory]
    [InlineData("[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()")]
    [InlineData("[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && [1u, 3u].sum() == 4u && [].sum() == 0")]
    [InlineData("[duration('1m'), duration('1s')].sum() == duration('61s')")]
    [InlineData("[1, 3].min() == 1 && [1, 3].max() == 3 && ['a', 'c', 'b'].max() == 'c'")]
    [InlineData("[1, 2, 2, 3].indexOf(2) == 1 && [1, 2, 2, 3].lastIndexOf(2) == 2 && ['a'].indexOf('b') == -1")]
    [InlineData("'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]+') == ''")]
    [InlineData("'123 abc 456'.findAll('[0-9]+') == ['123', '456'] && '1 2 3'.findAll('[0-9]', 2) == ['1', '2'] && '1 2'.findAll('[0-9]', 0).size() == 0")]
    [InlineData("sets.contains([1, 2, 3], [3, 1]) && !sets.contains([1], [2]) && sets.contains([1], [])")]
    [InlineData("sets.equivalent([1, 2, 2], [2, 1]) && sets.intersects([1, 2], [2]) && !sets.intersects([1], [])")]
    [InlineData("sets.contains(claims.groups, ['ops'])")]
    public void Lists_sets_and_regular_expressions_work_as_documented(string expression) => AssertTrue(expression);

    [Theory]
    [InlineData("url('https://example.com:80/').getHost() == 'example.com:80' && url('https://example.com/').getHost() == 'example.com'")]
    [InlineData("url('https://[::1]:80/').getHost() == '[::1]:80' && url('https://[::1]:80/').getHostname() == '::1'")]
    [InlineData("url('https://example.com:80/').getPort() == '80' && url('/path').getPort() == '' && url('/path').getScheme() == ''")]
    [InlineData("url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/' && url('https://example.com').getEscapedPath() == ''")]
    [InlineData("url('https://example.com/path?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}")]
    [InlineData("url('https://example.com/path?key with spaces=value with spaces').getQuery()['key with spaces'] == ['value with spaces']")]
    [InlineData("url('https://example.com/path?').getQuery().size() == 0")]
    [InlineData("isURL('https://user:pass@example.com:80/path?query=val#fragment') && isURL('/absolute-path')")]
    [InlineData("!isURL('https://a:b:c/') && !isURL('../relative-path') && !isURL('') && !isURL('https://exa mple.com/') && !isURL('https://e.com/%zz')")]
    [InlineData("url(claims.url).getHostname() == 'example.com' && url(claims.url).getPort() == '8443'")]
    [InlineData("url('HTTPS://evil.com@good.com/').getHostname() == 'good.com' && url('HTTPS://good.com').getScheme() == 'https'")]
    public void Urls_work_as_documented(string expression) => AssertTrue(expression);

    [Theory]
    [InlineData("isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP(':::1') && !isIP('fe80::1%eth0') && !isIP('010.0.0.1') && !isIP('1.2') && !isIP('0x7f.0.0.1')")]
    [InlineData("!isIP('::ffff:1.2.3.4') && !isIP('[::1]') && !isIP('')")]
    [InlineData("ip.isCanonical('127.0.0.1') && ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD') && !ip.isCanonical('2001:db8::0:0:0:abcd')")]
    [InlineData("ip('127.0.0.1').family() == 4 && ip('::1').family() == 6 && string(ip('2001:DB8::0:1')) == '2001:db8::1'")]
    [InlineData("ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified() && ip('127.0.0.1').isLoopback() && ip('::1').isLoopback() && !ip('192.168.0.1').isLoopback()")]
    [InlineData("ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast() && !ip('fd00::1').isLinkLocalMulticast()")]
    [InlineData("ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast() && !ip('fd80::1').isLinkLocalUnicast()")]
    [InlineData("ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && ip('2001:db8::abcd').isGlobalUnicast() && !ip('ff00::1').isGlobalUnicast()")]
    [InlineData("isCIDR('192.168.0.0/16') && isCIDR('::1/128') && !isCIDR('192.168.0.0/33') && !isCIDR('::1/129') && !isCIDR('10.0.0.0/08') && !isCIDR('10.0.0.0')")]
    [InlineData("cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')) && !cidr('192.168.0.0/24').containsIP('192.168.1.1') && !cidr('::/0').containsIP('1.2.3.4')")]
    [InlineData("cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24')) && !cidr('192.168.1.0/24').containsCIDR('192.168.2.0/24') && !cidr('10.0.0.0/24').containsCIDR('10.0.0.0/8')")]
    [InlineData("cidr('192.168.0.1/24').ip() == ip('192.168.0.1') && cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24') && cidr('192.168.0.0/16').prefixLength() == 16")]
    [InlineData("cidr('192.168.0.1/24') != cidr('192.168.0.1/24').masked() && string(cidr('::1/128')) == '::1/128'")]
    [InlineData("cidr('10.0.0.0/8').containsIP(claims.ip)")]
    public void Addresses_and_ranges_work_as_documented(string expression) => AssertTrue(expression);

    [Theory]
    [InlineData("quantity('1.5Gi').isGreaterThan(quantity('1Gi')) && quantity('1000m') == quantity('1') && quantity('1e3').compareTo(quantity('1k')) == 0")]
    [InlineData("isQuantity('50Mi') && !isQuantity('50MB') && !isQuantity('') && !isQuantity('--1') && quantity('50k').sub(quantity('50k')).sign() == 0")]
    [InlineData("quantity('50k').asInteger() == 50000 && !quantity('500m').isInteger() && quantity('50k').add(20) == quantity('50020') && quantity('-1').sign() == -1")]
    public void Quantities_work_as_documented(string expression) => AssertTrue(expression);

    [Theory]
    [InlineData("claims.?missing.orValue('d') == 'd' && claims.?aud.orValue('d') == 'me' && claims[?'aud'].hasValue()")]
    [InlineData("claims.?missing.?deeper.hasValue() == false && claims.?missing.deeper.or(optional.of('x')).value() == 'x'")]
    [InlineData("claims['kubernetes.io'].?namespace.optMap(n, 'ns:' + n).value() == 'ns:ci'")]
    [InlineData("claims.?aud.optFlatMap(a, optional.none()).hasValue() == false && optional.ofNonZeroValue('').hasValue() == false")]
    [InlineData("[?claims.?missing, ?claims.?aud] == ['me'] && {?'a': claims.?missing, 'b': dyn(1)} == {'b': 1}")]
    [InlineData("has(claims.sub) && !has(claims.missing) && has(claims.`kubernetes.io`.pod.name)")]
    [InlineData("[10, 20][?1].value() == 20 && ![10][?5].hasValue()")]
    public void Optionals_work_as_documented(string expression) => AssertTrue(expression);

    [Theory]
    [InlineData("[1, 2, 3].all(i, v, i < v) && {'a': 1}.exists(k, v, k == 'a' && v == 1) && [5, 6].existsOne(i, v, i == 0 && v == 5)")]
    [InlineData("[1, 2].transformList(i, v, i + v) == [1, 3] && [1, 2].transformList(i, v, v > 1, v) == [2]")]
    [InlineData("{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 10) == {'b': 20}")]
    [InlineData("['a', 'b'].transformMapEntry(i, v, {v: i}) == {'a': 0, 'b': 1}")]
    [InlineData("claims.groups.exists(g, g.startsWith('op')) && claims.all(k, k.size() > 0) && claims.roles.split(',').exists_one(r, r == 'a')")]
    public void Comprehensions_of_one_and_two_variables_work_as_documented(string expression) => AssertTrue(expression);

    [Theory]
    [InlineData("user.username.startsWith('system:')", true)]
    [InlineData("user.groups.exists(g, g == 'dev') && 'dev' in user.groups", true)]
    [InlineData("user.extra['example.com/x'][0] == 'y'", true)]
    [InlineData("has(user.uid)", false)]
    public void Rules_over_the_user_see_its_four_members(string expression, bool expected)
    {
        var result = CelEnvironments.KubernetesUser.Run(
            expression, "user", """{"username":"system:x","groups":["dev"],"extra":{"example.com/x":["y"]}}""");

        Assert.Equal(expected, result.Value.AsBool);
    }

    [Fact]
    public void A_member_that_users_do_not_have_is_found_before_anything_runs()
    {
        var issue = Assert.Single(CelEnvironments.KubernetesUser.Mistakes("user.nmae == 'x'"));

        Assert.Contains("undefined field 'nmae'", issue.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[1, 'a'].size() == 2")]
    [InlineData("{'a': 1, 'b': 'c'}.size() == 2")]
    [InlineData("claims.sub.reverse() == ''")]
    [InlineData("claims.sub.extract('{x}') == ''")]
    [InlineData("user.username == 'x'")]
    public void What_Kubernetes_would_refuse_is_refused(string expression) => Assert.NotEmpty(CelEnvironments.KubernetesClaims.Mistakes(expression));

    private static void AssertTrue(string expression)
    {
        var result = CelEnvironments.KubernetesClaims.Run(expression, "claims", Claims);

        Assert.True(result.IsTrue, result.Value.ToString());
    }
}
