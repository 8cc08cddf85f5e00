"""Networks that this version does not know, from a file of the operator's: a record in TOML, and no code.

The file is written by hand from the network's specification; every field is checked here. Whoever opens a home looks
the configured name up in the result; what a record must say stands in docs/operate/networks.md.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from anchor.bitcoin.header_rules import HeaderRules
from anchor.bitcoin.networks import NETWORKS, Network
from anchor.bitcoin.web_address import checked_url
from anchor.errors import SettingsError
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.bitcoin.work import bits_from_target, check_work, target_from_bits
from anchor.proof.errors import MalformedError, VerificationError

# A record has some twenty lines; a larger file is not one of networks.
_MAX_BYTES = 65_536
_MAX_NETWORKS = 32
_MAX_URLS = 8
_MAX_NOTE = 500
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
# BIP 173 allows more; these are what a person can tell apart. Mainnet's own would make addresses look like money.
_HRP = re.compile(r"[a-z][a-z0-9]{0,15}")
_MAINNET_HRP = "bc"
_HEADER_HEX = re.compile(r"[0-9a-f]{160}")
_EIGHT_HEX = re.compile(r"[0-9a-f]{8}")
_DUST_SAT = 294  # of a P2WPKH output, by Bitcoin Core's policy; a thread coin below could never be spent
_MAX_MONEY_SAT = 21_000_000 * 100_000_000
_MAX_RATE_SAT_PER_VB = 10_000.0
# As on every network since 2016: periods of two weeks, and versions since BIP 65.
_TWO_WEEKS = 2016
_NEWEST_VERSION = 4

_Check = Callable[[Any], Any]


def load_networks(path: Path) -> Mapping[str, Network]:
    """Return the built-in networks and those of the file at ``path`` (TOML, at most 64 KiB), by name.

    Raises SettingsError, which names file, network and field, for a file that cannot be read, an unknown, missing
    or malformed field, and a record that redefines a network.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise SettingsError(
                f"{path}: expected a file of networks of at most {_MAX_BYTES} bytes, found a larger one"
            )
        values = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: expected a file of networks, which cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: expected TOML: {error}") from error
    return networks_from(values, str(path))


def networks_from(values: Mapping[str, Any], where: str) -> Mapping[str, Network]:
    """Return the built-in networks and those of ``values``, which is the file as ``tomllib`` reads it.

    ``where`` begins every message. Raises SettingsError as ``load_networks`` does.
    """
    records = values.get("networks")
    if set(values) != {"networks"} or not isinstance(records, dict):
        raise SettingsError(f"{where}: expected tables [networks.NAME] and nothing else, found {', '.join(values)!r}")
    if not 1 <= len(records) <= _MAX_NETWORKS:
        raise SettingsError(f"{where}: expected 1 to {_MAX_NETWORKS} networks, found {len(records)}")
    networks = dict(NETWORKS)
    for name, fields in records.items():
        network = _network(name, fields, f"{where}: networks.{name}")
        _check_new(network, networks, f"{where}: networks.{name}")
        networks[name] = network
    return MappingProxyType(networks)


def _network(name: str, fields: object, where: str) -> Network:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{where}: expected a name of lower-case letters, digits and hyphens (at most 32)")
    if not isinstance(fields, dict):
        raise SettingsError(f"{where}: expected a table, found {fields!r:.80}")
    for field in fields:
        if field not in _FIELDS:
            raise SettingsError(f"{where}: unknown field {field!r}; known are {', '.join(_FIELDS)}")
    for field in _REQUIRED:
        if field not in fields:
            raise SettingsError(f"{where}: field {field!r} is missing")
    checked = {field: _checked(field, value, where) for field, value in fields.items()}
    network = _assembled(name, checked, where)
    _check_order(network, where)
    return network


def _assembled(name: str, checked: dict[str, Any], where: str) -> Network:
    """Return the record in its three layers: what verifiers know, what headers must keep to, what the service needs."""
    genesis, message_start, pow_limit, note = (checked.pop(field) for field in _RULES)
    rules = NetworkRules(name, sha256d(genesis), message_start, pow_limit, note)
    try:
        check_work(Header.decode(genesis), pow_limit)
        headers = HeaderRules(
            network=rules,
            genesis=genesis,
            period=checked.pop("period", _TWO_WEEKS),
            retargets=checked.pop("retargets", True),
            eases_after_s=checked.pop("eases_after_s", None),
            is_bip94=checked.pop("is_bip94", False),
            versions=((1, checked.pop("least_version", _NEWEST_VERSION)),),
            unseen=checked.pop("unseen", ""),
        )
    except (MalformedError, VerificationError) as error:
        raise SettingsError(f"{where}: {error}") from error
    return Network(headers=headers, **checked)


def _check_new(network: Network, known: Mapping[str, Network], where: str) -> None:
    """A record must not change what a name means, nor give a known network a second name with other rules."""
    if network.name in known:
        raise SettingsError(f"{where}: {network.name} is known already and cannot be redefined; choose another name")
    for other in known.values():
        if _identity(network) == _identity(other):
            raise SettingsError(
                f"{where}: genesis_header and message_start are those of {other.name}; "
                f"set the network to {other.name!r}, or correct the record"
            )


def _identity(network: Network) -> tuple[bytes, bytes]:
    return network.rules.genesis_hash, network.rules.message_start


def _check_order(network: Network, where: str) -> None:
    if network.final_depth > network.watch_depth:
        raise SettingsError(
            f"{where}: expected watch_depth of at least final_depth, found {network.watch_depth} and "
            f"{network.final_depth}; an anchor is watched until it is final, and longer"
        )
    rates = (network.fee_floor_sat_per_vb, network.fee_fallback_sat_per_vb, network.fee_cap_sat_per_vb)
    if sorted(rates) != list(rates):
        raise SettingsError(
            f"{where}: expected fee_floor_sat_per_vb, fee_fallback_sat_per_vb and fee_cap_sat_per_vb in ascending "
            f"order, found {', '.join(f'{rate:g}' for rate in rates)}"
        )


def _checked(field: str, value: object, where: str) -> Any:
    try:
        return _FIELDS[field](value)
    except (MalformedError, VerificationError, SettingsError) as error:
        raise SettingsError(f"{where}: {field}: {error}") from error


# Fields, one by one; each raises MalformedError or its kin, to which ``_checked`` adds the place


def _genesis_header(value: object) -> bytes:
    return bytes.fromhex(_matching(value, _HEADER_HEX, "160 lower-case hex digits, the 80 bytes of block 0's header"))


def _message_start(value: object) -> bytes:
    return bytes.fromhex(_matching(value, _EIGHT_HEX, "8 lower-case hex digits"))


def _pow_limit(value: object) -> int:
    """Return the target of compact bits, as in a header of the lowest difficulty: 1d00ffff on mainnet."""
    bits = int(_matching(value, _EIGHT_HEX, "8 lower-case hex digits"), 16)
    limit = target_from_bits(bits)
    if bits_from_target(limit) != bits:
        _refuse("compact bits in their shortest form", value)
    return limit


def _note(value: object) -> str:
    text = _text(value)
    if not 1 <= len(text) <= _MAX_NOTE or not text.isprintable():
        _refuse(f"one line of 1 to {_MAX_NOTE} characters", value)
    return text


def _hrp(value: object) -> str:
    text = _matching(value, _HRP, "1 to 16 lower-case letters and digits, such as 'tb'")
    if text == _MAINNET_HRP:
        _refuse("another prefix than mainnet's", value)
    return text


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        _refuse("true or false", value)
    return value


def _urls(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_URLS:
        _refuse(f"a list of at most {_MAX_URLS} addresses", value)
    urls = tuple(checked_url(_text(each)) for each in value)
    if len(set(urls)) != len(urls):
        _refuse("each address once", value)
    return urls


def _whole(least: int, most: int) -> _Check:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            _refuse(f"a whole number from {least} to {most}", value)
        return value

    return check


def _rate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("a number", value)
    if not isfinite(value) or not 0 < value <= _MAX_RATE_SAT_PER_VB:
        _refuse(f"a rate above 0 and at most {_MAX_RATE_SAT_PER_VB:g} sat/vB", value)
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        _refuse("text", value)
    return value


def _matching(value: object, pattern: re.Pattern[str], expected: str) -> str:
    text = _text(value)
    if not pattern.fullmatch(text):
        _refuse(expected, value)
    return text


def _refuse(expected: str, found: object) -> NoReturn:
    raise MalformedError(f"expected {expected}, found {found!r:.80}")


# What a verifier knows, in the order in which ``_assembled`` takes it.
_RULES: Mapping[str, _Check] = {
    "genesis_header": _genesis_header,
    "message_start": _message_start,
    "pow_limit_bits": _pow_limit,
    "proof_of_work_note": _note,
}
_FIELDS: Mapping[str, _Check] = {
    **_RULES,
    "address_hrp": _hrp,
    "p2p_port": _whole(1, 65_535),
    "rpc_port": _whole(1, 65_535),
    "period": _whole(2, 100_000),
    "retargets": _truth,
    "eases_after_s": _whole(1, 1_000_000),
    "is_bip94": _truth,
    "least_version": _whole(1, 0x7FFFFFFF),
    "unseen": _note,
    "watch_depth": _whole(1, 100_000),
    "final_depth": _whole(1, 100_000),
    "fee_floor_sat_per_vb": _rate,
    "fee_fallback_sat_per_vb": _rate,
    "fee_cap_sat_per_vb": _rate,
    "coin_floor_sat": _whole(_DUST_SAT, _MAX_MONEY_SAT),
    "spending_cap_sat": _whole(0, _MAX_MONEY_SAT),
    "esplora_urls": _urls,
}
_REQUIRED = (*_RULES, "address_hrp", "p2p_port", "rpc_port")
