"""Which web addresses may be called when the address comes from data: a test's config, a scan job.

Whoever may edit such data must not be able to make Airflow call what only Airflow can reach. Only
public addresses on the usual ports are open; COMP_AI_PROBE_ALLOW opens more. Judged is the address
that a name resolved to, and `web.fetch` connects to that very address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

import requests

from compai_client import SettingsError
from compai_dags.settings import Settings

SETTING = "COMP_AI_PROBE_ALLOW"
PORTS = (80, 443, 8080, 8443)
_DEFAULT_PORT = {"http": 80, "https": 443}
_UNUSABLE = re.compile(r"[\x00-\x20\x7f\\]")
_HOST_ENTRY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*))(?::([0-9]{1,5}))?")

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class AddressRefusedError(Exception):
    """The address must not be called, or is none; nothing was sent to it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A web address taken apart, as it goes on the wire: host in ASCII, path percent-encoded."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    def __str__(self) -> str:
        """Without the query: that may hold what nobody should read."""
        return f"{self.origin}{self.path}"

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def path_and_query(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> str:
        return f"{self.origin}{self.path_and_query}"


def target_of(url: str) -> Target:
    """Raises AddressRefusedError; the text does not repeat the address."""
    if _UNUSABLE.search(url):
        raise AddressRefusedError("holds a blank, a backslash or a control character")
    try:
        given = urlsplit(url)
        if given.scheme not in _DEFAULT_PORT or not given.netloc:
            raise AddressRefusedError("is no absolute http or https address")
        if "@" in given.netloc:
            raise AddressRefusedError("holds a user name or password")
        if given.port == 0:  # which requests would take for none
            raise AddressRefusedError("is no valid address")
        prepared = requests.PreparedRequest()
        prepared.prepare_url(url, None)
        # From here on this is the only reading of the address: two parsers may disagree.
        parts = urlsplit(prepared.url or "")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except (ValueError, UnicodeError):
        # requests' own errors of addresses are ValueErrors
        raise AddressRefusedError("is no valid address") from None
    if not host or not host.isascii() or parts.scheme not in _DEFAULT_PORT:
        raise AddressRefusedError("is no valid address")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port or _DEFAULT_PORT[parts.scheme],
        path=parts.path or "/",
        query=parts.query,
    )


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a range of addresses is for. `by_name`: listing a host's name opens it as well."""

    network: IPNetwork
    name: str
    by_name: bool = False


def _kinds(name: str, *networks: str, by_name: bool = False) -> tuple[_Kind, ...]:
    return tuple(_Kind(network=ip_network(n), name=name, by_name=by_name) for n in networks)


# The registries of special-purpose addresses (RFC 6890 and what came after); the first one counts.
# Where metadata of a machine is, secrets are: no name opens that, whatever it resolves to.
_SPECIAL = (
    *_kinds(
        "a cloud's metadata address",
        "169.254.169.254/32", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128",
    ),
    *_kinds("an unspecified address", "0.0.0.0/8", "::/128"),
    *_kinds("a loopback address", "127.0.0.0/8", "::1/128", by_name=True),
    *_kinds(
        "a private address",
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
        by_name=True,
    ),
    *_kinds("a shared (carrier-grade NAT) address", "100.64.0.0/10", by_name=True),
    *_kinds("a link-local address", "169.254.0.0/16", "fe80::/10"),
    *_kinds("a multicast address", "224.0.0.0/4", "ff00::/8"),
    *_kinds("an IPv4 address in IPv6", "::/96", "::ffff:0:0/96", "64:ff9b::/96", "2002::/16"),
    *_kinds(
        "a reserved address",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "240.0.0.0/4",
        "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
        "fec0::/10",
    ),
)  # fmt: skip
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_OTHER = _Kind(network=IPv6Network("::/0"), name="no public address")


def _kind_of(address: IPAddress) -> _Kind | None:
    """None for a public address."""
    for kind in _SPECIAL:
        if address.version == kind.network.version and address in kind.network:
            return kind
    is_public = address.is_global and (address.version == 4 or address in _GLOBAL_IPV6)
    return None if is_public else _OTHER


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What COMP_AI_PROBE_ALLOW opens; a port of None stands for every port."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[IPNetwork, int | None], ...] = ()

    @classmethod
    def read(cls, settings: Settings) -> Allowed:
        return cls.parse(settings.text(SETTING) or "")

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """`host`, `host:port`, an address or a network such as 10.1.0.0/16, separated by commas.

        Raises SettingsError.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[tuple[IPNetwork, int | None]] = []
        for number, entry in enumerate(text.split(","), start=1):
            if not (entry := entry.strip()):
                continue
            name, port = _entry(entry, number)
            if isinstance(name, str):
                hosts.add((name, port))
            else:
                networks.append((name, port))
        return cls(hosts=frozenset(hosts), networks=tuple(networks))

    def check(self, target: Target, addresses: Sequence[str]) -> None:
        """Raises AddressRefusedError unless every address of the target's host may be called.

        One that may not is enough: which one is taken is up to whoever answers for the name.
        """
        is_named = not self.hosts.isdisjoint({(target.host, None), (target.host, target.port)})
        for text in addresses:
            address = ip_address(text.partition("%")[0])
            if self._lists(address, target.port):
                continue
            kind = _kind_of(address)
            if kind is None and not is_named and target.port not in PORTS:
                raise AddressRefusedError(
                    f"{target}: port {target.port} is none of {', '.join(map(str, PORTS))}. If it "
                    f"is meant, add {_bracketed(target.host)}:{target.port} to {SETTING}"
                )
            if kind is not None and not (is_named and kind.by_name):
                entry = _bracketed(target.host) if kind.by_name else "the address itself"
                raise AddressRefusedError(
                    f"{target}: the host has {kind.name}. If it is meant, add {entry} to {SETTING}"
                )

    def _lists(self, address: IPAddress, port: int) -> bool:
        return any(
            address.version == network.version
            and address in network
            and listed_port in (None, port)
            for network, listed_port in self.networks
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _entry(entry: str, number: int) -> tuple[str | IPNetwork, int | None]:
    try:
        return ip_network(entry), None
    except ValueError:
        pass  # neither an address nor a network
    match = _HOST_ENTRY.fullmatch(entry)
    port = int(match[2]) if match and match[2] else None
    if match is None or (port is not None and not 0 < port < 65536):
        raise SettingsError(
            SETTING,
            f"entry {number} is neither a host, a host:port, an address nor a network "
            "(a network ends in zeros: 10.1.0.0/16)",
        )
    name = match[1].strip("[]").lower()
    try:
        return ip_network(name), port
    except ValueError:
        return name.rstrip("."), port
