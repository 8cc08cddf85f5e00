"""Networks from a file in the browser: ``verify.html`` knows the rules that ``anchorline verify --networks`` knows.

Input is the file of ``tests/unit/bitcoin/test_network_file.py``, with changes, and the receipt of a log on a regtest of
its own.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from anchor.bitcoin.network_file import networks_from
from anchor.errors import SettingsError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.receipt import LogCard
from tests.browser.conftest import Visiting
from tests.browser.test_browser_page import drop, headline, says, states
from tests.simulators.world import World
from tests.unit.bitcoin.test_network_file import FILE, GENESIS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NOTE = "Proof of work on testnet5 is worth little."
OWN = b"mine"
# Block 0 of regtest, as Bitcoin Core has it.
REGTEST_GENESIS = (
    f"01000000{'00' * 32}3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000"
)
OWN_NETWORK = f"""# a regtest of my own
[networks.own-regtest]
genesis_header = "{REGTEST_GENESIS}"
message_start = "{OWN.hex()}"   # chosen
pow_limit_bits = "207fffff"
proof_of_work_note = "Proof of work on \\"own-regtest\\" is worth nothing."
address_hrp = "bcrt"
p2p_port = 18444
rpc_port = 18443
retargets = false
"""
UNREADABLE = """(kind) => {
  const file = new File(["gone"], "gone.txt");
  file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotFoundError")) });
  return takeFile(kind, file);
}"""
"""Choose a file that the browser cannot read: somebody removed it since."""
FILES = {
    "a network": FILE,
    "a regtest of one's own": OWN_NETWORK,
    "two networks": FILE + OWN_NETWORK,
    "Windows' line ends": FILE.replace("\n", "\r\n"),
    "without a required field": FILE.replace("p2p_port = 58333\n", ""),
    "without a field of a verifier": FILE.replace('message_start = "0a0b0c0d"\n', ""),
    "an unknown field": f"{FILE}\nmore = 1\n",
    "a field twice": f"{FILE}\nleast_version = 5\n",
    "a table twice": FILE + FILE,
    "a known name": FILE.replace("testnet5]", "mainnet]"),
    "a name in capitals": FILE.replace("testnet5]", "Testnet5]"),
    "a second name of a network": OWN_NETWORK.replace(OWN.hex(), "fabfb5da"),
    "two names of one network": FILE + FILE.replace("testnet5", "testnet6"),
    "a genesis without its work": FILE.replace(GENESIS, GENESIS[:-1] + "1"),
    "a genesis in capitals": FILE.replace(GENESIS, GENESIS.upper()),
    "a genesis cut short": FILE.replace(GENESIS, GENESIS[:-2]),
    "a message start that is a number": FILE.replace('"0a0b0c0d"', "168496141"),
    "bits in a longer form": FILE.replace("1e0377ae", "1f000377"),
    "negative bits": FILE.replace("1e0377ae", "1d80ffff"),
    "bits of zero": FILE.replace("1e0377ae", "00000000"),
    "bits of more than 256 bits": FILE.replace("1e0377ae", "2300ffff"),
    "an empty note": FILE.replace(NOTE, ""),
    "a note of two lines": FILE.replace(NOTE, "two\\nlines"),
    "a long note": FILE.replace(NOTE, "x" * 501),
    "nothing": "",
    "no table": 'genesis_header = "00"\n',
    "another table": f"[other]\na = 1\n{FILE}",
    "no TOML": f"{FILE}\nmore\n",
}


def read_here(text: str) -> Any:
    """Return the rules that a file adds, or that it is refused."""
    try:
        known = networks_from(tomllib.loads(text), "file")
    except (SettingsError, tomllib.TOMLDecodeError):
        return "refused"
    added = [each.rules for name, each in known.items() if name not in NETWORKS]
    return [
        [
            rules.name,
            rules.genesis_hash.hex(),
            rules.message_start.hex(),
            f"{rules.pow_limit:x}",
            rules.proof_of_work_note,
        ]
        for rules in added
    ]


def test_files_of_networks(loaded: Page) -> None:
    """A file gives the same rules in both, or is refused by both."""
    answers = loaded.evaluate("networksIn", list(FILES.values()))
    found = ["refused" if isinstance(answer, str) else answer for answer in answers]
    assert {name: read_here(text) for name, text in FILES.items()} == dict(zip(FILES, found, strict=True))
    assert 4 == sum(answer != "refused" for answer in found)


def test_what_is_not_written_plainly_is_refused(loaded: Page) -> None:
    """TOML that the page does not read is refused with the line, not read otherwise than it is meant."""
    plain = 'message_start = "0a0b0c0d"'
    forms = ["message_start = '0a0b0c0d'", 'message_start = """0a0b0c0d"""', '"message_start" = "0a0b0c0d"']
    answers = loaded.evaluate("networksIn", [FILE.replace(plain, form) for form in forms])
    assert ["malformed"] * len(forms) == answers


def test_a_log_on_a_network_of_its_own(visit: Visiting, tmp_path: Path) -> None:
    """A receipt of an unknown network is not checked; with the file of networks its block is, by headers or by name."""
    world = World(message_start=OWN)
    world.fund_thread()
    written = world.write_first("own", b"on my own network")
    sealed = world.seal()
    anchor = world.anchor(sealed)
    receipt = world.receipt(written, sealed, [anchor])
    assert isinstance(world.card, LogCard)
    (tmp_path / "own.receipt").write_bytes(receipt.encode())
    (tmp_path / "card.json").write_bytes(world.card.encode())
    (tmp_path / "networks.toml").write_text(OWN_NETWORK)
    headers = "".join(f"{header.hex()}\n" for header in world.headers)
    (tmp_path / "headers.txt").write_text(f"own-regtest 1\n{headers}")
    page = visit().page
    drop(page, tmp_path, ["own.receipt", "card.json", "headers.txt"])
    headline(page, "Could not be checked")
    says(page, "#headers-found", "expected one of mainnet")
    says(page, "#steps", "is unknown to this version")
    drop(page, tmp_path, ["networks.toml"])
    says(page, "#networks-found", "adds own-regtest")
    says(page, "#headers-found", "headers of own-regtest")
    page.fill("#depth", "1")
    headline(page, "Intact")
    says(page, "#meaning", 'Proof of work on "own-regtest" is worth nothing.')
    page.fill("#block", hash_hex(anchor.decoded_header.hash))
    says(page, "#steps > li:nth-child(12)", "you (the given block)")
    assert "failed" not in states(page)
    page.set_input_files("#networks-file", tmp_path / "card.json")
    says(page, "#networks-found", "line 1")
    headline(page, "Could not be checked")
    page.set_input_files("#networks-file", tmp_path / "networks.toml")
    headline(page, "Intact")
    page.evaluate(UNREADABLE, "networks")
    says(page, "#networks-found", "gone.txt")
    headline(page, "Could not be checked")
