using System.Net;
using Lanyard.Identity.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Federation;

[Line("2.3")]
public sealed class AddressRulesTests
{
    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.255.255.255")]
    [InlineData("100.64.0.1")]
    [InlineData("100.127.255.255")]
    [InlineData("127.0.0.1")]
    [InlineData("127.255.255.254")]
    [InlineData("169.254.169.254")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.0.0.8")]
    [InlineData("192.168.1.1")]
    [InlineData("198.19.255.255")]
    [InlineData("224.0.0.1")]
    [InlineData("240.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("fe80::1")]
    [InlineData("fc00::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("fec0::1")]
    [InlineData("ff02::1")]
    [InlineData("2001:db8::1")]
    [InlineData("100::1")]
    public void A_special_address_is_not_public(string address) => Assert.False(AddressRules.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("::ffff:127.0.0.1", "mapped")]
    [InlineData("::ffff:169.254.169.254", "mapped")]
    [InlineData("::10.0.0.1", "compatible, which nobody routes")]
    [InlineData("::8.8.8.8", "compatible, which nobody routes")]
    [InlineData("::ffff:0:8.8.8.8", "translated (SIIT)")]
    [InlineData("64:ff9b::10.0.0.1", "NAT64")]
    [InlineData("64:ff9b::169.254.169.254", "NAT64")]
    [InlineData("64:ff9b:1::8.8.8.8", "NAT64 for local use")]
    [InlineData("2002:7f00:1::", "6to4")]
    [InlineData("2002:c0a8:101::1", "6to4")]
    [InlineData("2001:0:a00:1::", "Teredo")]
    public void A_special_address_in_the_clothes_of_another_is_not_public(string address, string clothes) =>
        Assert.False(AddressRules.IsPublic(IPAddress.Parse(address)), clothes);

    [Theory]
    [InlineData("8.8.8.8")]
    [InlineData("9.255.255.255")]
    [InlineData("11.0.0.0")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.0")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.0")]
    [InlineData("192.167.255.255")]
    [InlineData("223.255.255.255")]
    [InlineData("2606:4700::1111")]
    [InlineData("2a00:1450::1")]
    [InlineData("::ffff:8.8.8.8")]
    [InlineData("64:ff9b::8.8.8.8")]
    public void The_neighbours_of_special_ranges_are_public(string address) => Assert.True(AddressRules.IsPublic(IPAddress.Parse(address)));
}
