"""Which addresses may be called: what a name resolved to decides, and only a setting opens more."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from compai_client import SettingsError
from compai_dags.web_guard import AddressRefusedError, Allowed, target_of

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:4700:4700::1111"


def allowing(text: str | None) -> Allowed:
    return Allowed.parse(text or "")


def judge(url: str, *addresses: str, allow: str | None = None) -> None:
    allowing(allow).check(target_of(url), addresses)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("127.0.0.1", "a loopback address"),
        ("127.8.8.8", "a loopback address"),
        ("::1", "a loopback address"),
        ("10.0.0.8", "a private address"),
        ("172.31.255.255", "a private address"),
        ("192.168.1.1", "a private address"),
        ("fd12::1", "a private address"),
        ("100.64.0.1", "a shared (carrier-grade NAT) address"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("169.254.169.254", "a cloud's metadata address"),
        ("168.63.129.16", "a cloud's metadata address"),
        ("100.100.100.200", "a cloud's metadata address"),
        ("fd00:ec2::254", "a cloud's metadata address"),
        ("0.0.0.1", "an unspecified address"),
        ("::", "an unspecified address"),
        ("224.0.0.251", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("255.255.255.255", "a reserved address"),
        ("192.0.0.192", "a reserved address"),
        ("198.18.0.1", "a reserved address"),
        ("203.0.113.9", "a reserved address"),
        ("2001:db8::1", "a reserved address"),
        ("::ffff:127.0.0.1", "an IPv4 address in IPv6"),
        ("::ffff:93.184.215.14", "an IPv4 address in IPv6"),
        ("::7f00:1", "an IPv4 address in IPv6"),
        ("64:ff9b::7f00:1", "an IPv4 address in IPv6"),
        ("2002:7f00:1::", "an IPv4 address in IPv6"),
        ("4000::1", "no public address"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str, what: str) -> None:
    with pytest.raises(AddressRefusedError) as refused:
        judge("https://docs.example.com/a?key=1", address)
    assert str(refused.value).startswith(f"https://docs.example.com/a: the host has {what}. ")


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "8.8.8.8", "100.128.0.1", "172.32.0.1"])
def test_a_public_address_is_not_refused(address: str) -> None:
    judge("https://docs.example.com/a", address)


def test_one_wrong_address_among_public_ones_is_enough() -> None:
    with pytest.raises(AddressRefusedError, match="a private address"):
        judge("https://docs.example.com/a", PUBLIC, "10.0.0.8")


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0", "[::1]", "[::ffff:7f00:1]"]
)
def test_however_an_address_is_written_it_is_judged_by_what_it_is(host: str) -> None:
    target = target_of(f"http://{host}/")
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    with pytest.raises(AddressRefusedError):
        allowing(None).check(target, [str(entry[4][0]) for entry in found])


@pytest.mark.parametrize("port", [22, 25, 3000, 6379, 9200])
def test_a_public_host_is_open_on_the_usual_ports_only(port: int) -> None:
    with pytest.raises(AddressRefusedError) as refused:
        judge(f"https://docs.example.com:{port}/", PUBLIC)
    assert str(refused.value) == (
        f"https://docs.example.com:{port}/: port {port} is none of 80, 443, 8080, 8443. If it is "
        f"meant, add docs.example.com:{port} to COMP_AI_PROBE_ALLOW"
    )
    judge(f"https://docs.example.com:{port}/", PUBLIC, allow=f"docs.example.com:{port}")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://docs.example.com/a", "is no absolute http or https address"),
        ("file:///etc/passwd", "is no absolute http or https address"),
        ("javascript:alert(1)", "is no absolute http or https address"),
        ("docs.example.com/a", "is no absolute http or https address"),
        ("//docs.example.com/a", "is no absolute http or https address"),
        ("https:///a", "is no absolute http or https address"),
        ("", "is no absolute http or https address"),
        ("https://kim:pw@docs.example.com/", "holds a user name or password"),
        ("https://docs.example.com@10.0.0.8/", "holds a user name or password"),
        ("http://docs.example.com\\@10.0.0.8/", "holds a blank, a backslash"),
        ("https://docs.example.com/a b", "holds a blank, a backslash"),
        ("https://docs.example.com/\r\nHost: x", "holds a blank, a backslash"),
        ("https://docs.example.com:0/", "is no valid address"),
        ("https://docs.example.com:99999/", "is no valid address"),
        ("https://docs.example.com:x/", "is no valid address"),
        ("https://[::1/", "is no valid address"),
        ("https://*.example.com/", "is no valid address"),
        ("https://./", "is no valid address"),
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str, problem: str) -> None:
    with pytest.raises(AddressRefusedError) as refused:
        target_of(url)
    assert str(refused.value).startswith(problem)
    assert "kim" not in str(refused.value), "an address with a password is not repeated"


def test_a_target_is_what_goes_on_the_wire() -> None:
    target = target_of("HTTPS://Bücher.Example.com./a ü".replace(" ", "%20") + "?q=ä#part")
    assert target.url == "https://xn--bcher-kva.example.com/a%20%C3%BC?q=%C3%A4"
    assert str(target) == "https://xn--bcher-kva.example.com/a%20%C3%BC", "without the query"
    assert target_of("http://[2606:4700::1]:8080").url == "http://[2606:4700::1]:8080/"


@pytest.mark.parametrize(
    "allow",
    [
        "siem.internal",
        "SIEM.internal.",
        "siem.internal:9200",
        "10.0.0.0/8",
        "10.0.0.8",
        "10.0.0.8:9200",
        "other.example, ,siem.internal:9200,",
    ],
)
def test_the_setting_opens_a_host_a_port_or_a_network(allow: str) -> None:
    judge("http://siem.internal:9200/", "10.0.0.8", allow=allow)


@pytest.mark.parametrize(
    "allow",
    ["siem.internal:9201", "internal", "xsiem.internal", "10.0.0.9", "10.0.0.8:9201", "fd00::/8"],
)
def test_the_setting_opens_nothing_else(allow: str) -> None:
    with pytest.raises(AddressRefusedError, match=r"add siem\.internal to COMP_AI_PROBE_ALLOW"):
        judge("http://siem.internal:9200/", "10.0.0.8", allow=allow)


def test_no_name_opens_the_metadata_of_a_machine() -> None:
    """Whoever can change what the name resolves to would otherwise get its credentials."""
    with pytest.raises(AddressRefusedError, match="add the address itself to COMP_AI_PROBE_ALLOW"):
        judge("http://siem.internal/", "169.254.169.254", allow="siem.internal")
    judge("http://siem.internal/", "169.254.169.254", allow="169.254.169.254")


@pytest.mark.parametrize(
    ("allow", "number"),
    [("10.0.0.1/8", 1), ("a.example,https://b.example", 2), ("a b", 1), ("a.example:0", 1),
     ("a.example:70000", 1), ("*.example.com", 1), ("[::1", 1)],
)  # fmt: skip
def test_an_entry_that_cannot_be_read_is_named(allow: str, number: int) -> None:
    with pytest.raises(SettingsError) as wrong:
        allowing(allow)
    assert str(wrong.value) == (
        f"COMP_AI_PROBE_ALLOW entry {number} is neither a host, a host:port, an address nor a "
        "network (a network ends in zeros: 10.1.0.0/16)"
    )


def test_an_ipv6_host_with_a_port_can_be_listed() -> None:
    judge("http://[::1]:9200/", "::1", allow="[::1]:9200")
    judge("http://[::1]:9200/", "::1", allow="::1")
    with pytest.raises(AddressRefusedError):
        judge("http://[::1]:9201/", "::1", allow="[::1]:9200")


def test_it_is_a_setting_and_unset_opens_nothing(task: Any) -> None:
    assert Allowed.read(task.settings) == Allowed()
    task.variables["COMP_AI_PROBE_ALLOW"] = "siem.internal:9200"
    assert Allowed.read(task.settings).hosts == {("siem.internal", 9200)}
