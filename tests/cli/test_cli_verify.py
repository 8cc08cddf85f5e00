"""``anchorline verify`` as a third party runs it: with files, a card and a block, and nothing of the service.

Receipts come from the prepared home. Exit codes are those of docs/spec/verdict.md; each is a promise to scripts.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anchor.bitcoin.local import LocalRegtest
from anchor.proof.bitcoin.hashes import hash_hex
from tests.cli.commands import REPORT, Done, World, run, spawn


def block_of(world: World) -> str:
    """Return the block that the receipt's anchor is in, as ``--block`` takes it."""
    [anchor] = json.loads(world.receipt.read_bytes())["anchors"]
    regtest = LocalRegtest(world.home / "regtest")
    try:
        block_hash = regtest.block_hash(anchor["height"])
    finally:
        regtest.close()
    assert block_hash is not None
    return f"regtest:{anchor['height']}:{hash_hex(block_hash)}"


def verdict(done: Done) -> tuple[int, str, list[str]]:
    """Return exit code, outcome and reasons of a ``--json`` verdict, whose own exit code must be the process's."""
    assert done.exit_code == done.facts["exit_code"], done
    return done.exit_code, done.facts["outcome"], done.facts["reasons"]


def test_a_file_is_intact_with_card_and_block(world: World) -> None:
    """File, receipt, card and one block hash are all that a verifier needs; JSON states what was proved."""
    done = run("verify", world.report, world.receipt, "--log", world.card, "--block", block_of(world), "--json")
    assert (0, "intact", []) == verdict(done)
    assert list(range(1, 14)) == [step["number"] for step in done.facts["steps"]]
    assert {"ok", "absent"} == {step["state"] for step in done.facts["steps"]}
    assert ("regtest", 1, 302) == tuple(done.facts["facts"][name] for name in ("network", "leaf_index", "tree_size"))
    assert [] == done.facts["missing"]


def test_the_text_says_what_was_proved_and_what_was_not(world: World) -> None:
    """The text for people has the time in ISO 8601, the worth of the network's work, and no claim of truth."""
    done = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers)
    assert (0, "") == (done.exit_code, done.err)
    assert done.text.startswith("INTACT: report.txt\n")
    assert "unchanged since block 102 of regtest" in done.text
    assert "not that they are true, nor who wrote them" in done.text
    assert "Proof of work on regtest is worth nothing" in done.text
    assert done.text.split("which says ")[1][:20].endswith("Z")


def test_a_changed_file_does_not_verify(world: World) -> None:
    """One byte more is enough: exit code 1, and the reason has its stable name."""
    world.report.write_bytes(REPORT + b"!")
    done = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers, "--json")
    assert (1, "failed", ["content-changed"]) == verdict(done)


def test_a_receipt_alone_says_that_content_was_not_compared(world: World) -> None:
    """Without the file the receipt can still be intact, and says that no content was compared."""
    done = run("verify", world.receipt, "--log", world.card, "--headers", world.headers, "--json")
    assert (0, "intact", []) == verdict(done)
    assert ["content not compared: neither a file nor content in the receipt"] == done.facts["missing"]


def test_a_receipt_can_carry_its_content(world: World) -> None:
    """With --content the receipt holds the bytes, and they are compared with what was recorded."""
    world.ok("receipt", "acme:1", "--content", "-o", world.receipt)
    done = run("verify", world.receipt, "--log", world.card, "--headers", world.headers, "--json")
    assert (0, "intact", []) == verdict(done)
    assert [] == done.facts["missing"]


def test_a_file_on_standard_input_is_compared(world: World) -> None:
    """``-`` is the file."""
    arguments = ("verify", "-", world.receipt, "--log", world.card, "--headers", world.headers)
    assert (0, 1) == (run(*arguments, stdin=REPORT).exit_code, run(*arguments, stdin=REPORT[1:]).exit_code)


def test_a_pending_receipt_is_incomplete(world: World) -> None:
    """An entry that is not sealed yet has a receipt, which is incomplete: exit code 3."""
    world.ok("receipt", "acme:302", "-o", world.receipt)
    done = run("verify", world.receipt, "--log", world.card, "--json")
    assert (3, "incomplete", []) == verdict(done)
    assert "not sealed yet: ask for an upgrade later" in done.facts["missing"]


def test_a_sealed_receipt_without_anchor_is_incomplete(world: World) -> None:
    """Sealed and not anchored is incomplete too, whatever blocks the verifier brings."""
    world.ok("seal")
    world.ok("receipt", "acme:302", "-o", world.receipt)
    done = run("verify", world.receipt, "--log", world.card, "--headers", world.headers, "--json")
    assert (3, "incomplete", []) == verdict(done)


def test_a_log_that_nobody_pinned_is_incomplete_unless_any_will_do(world: World) -> None:
    """Without a card the bytes existed by then, in whose log is not said: 3; with --any-log that is enough: 0."""
    arguments = ("verify", world.report, world.receipt, "--headers", world.headers)
    assert (3, 0) == (run(*arguments).exit_code, run(*arguments, "--any-log").exit_code)


def test_a_card_once_trusted_pins_the_log_from_then_on(world: World) -> None:
    """``log trust`` keeps a card for this user, and verify finds it by the log's id."""
    assert 0 == run("log", "trust", world.card).exit_code
    assert 0 == run("verify", world.report, world.receipt, "--headers", world.headers).exit_code


def test_trusting_a_card_says_whose_it_is(world: World) -> None:
    """``log trust --json`` names origin, log id and where the card is kept."""
    facts = run("log", "trust", world.card, "--json").facts
    assert ("log.example/test", True) == (facts["origin"], Path(facts["kept_in"]).is_file())
    assert facts["log_id"] == world.ok("status", "--json").facts["log_id"]


def test_a_receipt_of_another_log_does_not_verify(world: World, tmp_path: Path) -> None:
    """Another operator's log never passes as this one."""
    assert 0 == run("init", "--embedded", "--home", tmp_path / "other", "--origin", "log.example/test").exit_code
    card = tmp_path / "other" / "log-card.json"
    done = run("verify", world.report, world.receipt, "--log", card, "--headers", world.headers, "--json")
    assert (1, "failed", ["another-log"]) == verdict(done)


def test_nobody_asked_about_the_block_means_not_checked(world: World) -> None:
    """Without block, headers or node it cannot be said whether the block is on the best chain: exit code 4."""
    done = run("verify", world.report, world.receipt, "--log", world.card, "--json")
    assert (4, "not checked", []) == verdict(done)


def test_headers_that_do_not_reach_the_block_mean_not_checked(world: World) -> None:
    """A headers file that ends below the anchor's block has nothing to say about it."""
    lines = world.headers.read_text().splitlines(keepends=True)
    world.headers.write_text("".join(lines[:50]))
    done = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers, "--json")
    assert (4, "not checked", []) == verdict(done)


def test_a_block_that_is_not_deep_enough_is_incomplete(world: World) -> None:
    """More confirmations than the headers show are a matter of time: exit code 3."""
    arguments = ("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers)
    assert (0, 3) == (run(*arguments, "--depth", "7").exit_code, run(*arguments, "--depth", "8").exit_code)


def test_withheld_content_cannot_be_compared(world: World) -> None:
    """A receipt that withholds salt and digest proves the entry, not the file at hand: exit code 5."""
    world.ok("receipt", "acme:1", "--withhold", "-o", world.receipt)
    done = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers, "--json")
    assert (5, "content erased or withheld", []) == verdict(done)


def test_another_block_at_that_height_does_not_verify(world: World) -> None:
    """The block that the verifier trusts is the one that counts."""
    height = block_of(world).split(":")[1]
    done = run("verify", world.report, world.receipt, "--any-log", "--block", f"regtest:{height}:{'0' * 64}", "--json")
    assert (1, "failed", ["block-is-not-the-given-one"]) == verdict(done)


@pytest.mark.parametrize("network", ["mainnet", "testnet3", "testnet4", "signet"])
def test_a_receipt_of_another_network_does_not_verify(world: World, network: str) -> None:
    """Whoever gives a block of another network than the receipt's is told so; a regtest proof never passes."""
    block = block_of(world).replace("regtest", network)
    done = run("verify", world.report, world.receipt, "--log", world.card, "--block", block, "--json")
    assert (1, "failed", ["another-network"]) == verdict(done)
    [text] = [step["text"] for step in done.facts["steps"] if step["state"] == "failed"]
    assert f"you gave a block of {network}; this receipt is of regtest" == text


GARBAGE = {
    "empty": b"",
    "text": b"not a receipt\n",
    "binary": bytes(range(256)),
    "other JSON": b"{}",
    "a list": b"[" * 1000,
    "newer": b'{"format":"anchorline-receipt/2"}',
    "a number": b"1" * 5000,
    "surrogate": b'{"format":"\\ud800"}',
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_not_a_receipt(world: World, name: str) -> None:
    """What is no receipt fails by name, in text and as JSON, and never with a traceback."""
    world.receipt.write_bytes(GARBAGE[name])
    done = run("verify", world.report, world.receipt, "--json")
    assert (1, "failed", ["malformed"]) == verdict(done)
    text = run("verify", world.report, world.receipt)
    assert text.text.startswith(f"DOES NOT VERIFY: {world.receipt} is not a well-formed receipt: ")
    assert (1, "") == (text.exit_code, text.err)


def test_a_receipt_by_a_newer_version_says_so(world: World) -> None:
    """An unknown version is refused by name."""
    world.receipt.write_bytes(world.receipt.read_bytes().replace(b"anchorline-receipt/1", b"anchorline-receipt/2"))
    done = run("verify", world.receipt)
    assert "written by a newer Anchorline" in done.text
    assert 1 == done.exit_code


def test_a_receipt_cut_short_is_malformed(world: World) -> None:
    """Half a receipt is none."""
    whole = world.receipt.read_bytes()
    for size in (1, len(whole) // 2, len(whole) - 2):
        world.receipt.write_bytes(whole[:size])
        assert (1, "failed", ["malformed"]) == verdict(run("verify", world.receipt, "--json"))


def test_one_changed_digit_anywhere_in_a_receipt_never_passes(world: World) -> None:
    """A receipt with one hex digit changed never verifies as intact, wherever the digit stands (every 41st place)."""
    whole = world.receipt.read_bytes()
    tried = 0
    for at in range(0, len(whole), 41):
        if whole[at : at + 1] in b"0123456789abcdef":
            other = b"0" if whole[at : at + 1] != b"0" else b"1"
            world.receipt.write_bytes(whole[:at] + other + whole[at + 1 :])
            done = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers)
            assert 1 == done.exit_code, (at, whole[at - 40 : at + 40], done.text)
            tried += 1
    assert tried > 40


BAD_INPUTS = [
    "no such file",
    "no such receipt",
    "file is a folder",
    "receipt is a folder",
    "unreadable file",
    "below a file",
    "three files",
    "no such card",
    "card is no card",
    "card is a receipt",
    "no such headers",
    "headers are none",
    "block without network",
    "block without hash",
    "block with a word",
    "node without cookie",
    "cookie without node",
    "node is no address",
    "depth of nothing",
]


def bad_inputs(world: World) -> dict[str, tuple[list[str | Path], str]]:
    """Return command lines of verify that make no sense, with what the message must say."""
    loop = world.folder / "loop"
    loop.symlink_to(loop)
    receipt, card = world.receipt, world.card
    return {
        "no such file": ([world.folder / "none", receipt], "none: No such file or directory"),
        "no such receipt": ([world.report, world.folder / "none"], "none: No such file or directory"),
        "file is a folder": ([world.folder, receipt], "is recorded by a manifest, whose list"),
        "receipt is a folder": ([world.report, world.folder], "Is a directory"),
        "unreadable file": ([loop, receipt], "loop: Too many levels of symbolic links"),
        "below a file": ([world.report / "x", receipt], "Not a directory"),
        "three files": ([world.report, receipt, card], "a file and its receipt; got 3 files"),
        "no such card": ([receipt, "--log", world.folder / "none"], "none: No such file or directory"),
        "card is no card": ([receipt, "--log", world.report], "log card: expected JSON"),
        "card is a receipt": ([receipt, "--log", receipt], "log card"),
        "no such headers": ([receipt, "--headers", world.folder / "none"], "none: No such file or directory"),
        "headers are none": ([receipt, "--headers", world.report], "headers file: expected a first line"),
        "block without network": ([receipt, "--block", "102"], "expected one of mainnet, testnet3, testnet4"),
        "block without hash": ([receipt, "--block", "regtest:102"], "expected a hash of 64 lower-case hex digits"),
        "block with a word": ([receipt, "--block", "regtest:x:00"], "NETWORK:HEIGHT:HASH"),
        "node without cookie": ([receipt, "--node-url", "http://127.0.0.1:1"], "needs --node-cookie-file"),
        "cookie without node": ([receipt, "--node-cookie-file", card], "name it with --node-url"),
        "node is no address": ([receipt, "--node-url", "nodé", "--node-cookie-file", card], "expected an address like"),
        "user without node": ([receipt, "--node-user", "u"], "name it with --node-url"),
        "user without password": (
            [receipt, "--node-url", "http://127.0.0.1:1", "--node-user", "u"],
            "expected the node's password in the environment variable ANCHORLINE_CORE_PASSWORD",
        ),
        "no such password file": (
            [receipt, "--node-url", "http://127.0.0.1:1", "--node-user", "u", "--node-password-file", "none"],
            "none: expected the node's password, cannot read",
        ),
        "server is no address": ([receipt, "--esplora-url", "esplora"], "expected an address like"),
        "server with a password": (
            [receipt, "--esplora-url", "https://u:secret@esplora.invalid"],
            "expected no password in the address",
        ),
        "server twice": (
            [receipt, "--esplora-url", "http://127.0.0.1:1", "--esplora-url", "http://127.0.0.1:1/"],
            "expected each address once",
        ),
        "depth of nothing": ([receipt, "--depth", "0"], "--depth"),
    }


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_what_the_verifier_brings_must_be_right(world: World, name: str) -> None:
    """A command line that makes no sense is exit code 2: never 1, which would say that the receipt is false."""
    arguments, message = bad_inputs(world)[name]
    done = run("verify", *arguments)
    assert 2 == done.exit_code, done
    assert message in done.err
    assert b"" == done.out
    assert "Traceback" not in done.err


def test_headers_that_are_not_linked_are_refused(world: World) -> None:
    """A headers file with one header left out is the verifier's mistake, not the receipt's."""
    lines = world.headers.read_text().splitlines(keepends=True)
    world.headers.write_text("".join(lines[:50] + lines[51:]))
    done = run("verify", world.receipt, "--headers", world.headers)
    assert (2, b"") == (done.exit_code, done.out)
    assert "headers file, line 51: not linked to the header before" in done.err


def test_a_silent_node_means_not_checked(world: World) -> None:
    """A node that does not answer says nothing about the receipt: exit code 4, also as JSON."""
    (world.folder / "cookie").write_text("user:word")
    node = ("--node-url", "http://127.0.0.1:1", "--node-cookie-file", world.folder / "cookie")
    assert (4, "not checked", []) == verdict(run("verify", world.receipt, "--log", world.card, *node, "--json"))
    text = run("verify", world.receipt, "--log", world.card, *node)
    assert text.text.startswith("COULD NOT BE CHECKED: http://127.0.0.1:1: expected a Bitcoin node, got no answer")


def test_verify_needs_no_home_and_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    """In an empty home directory verify works, and writes nothing anywhere."""
    empty = tmp_path / "empty"
    empty.mkdir()
    work = tmp_path / "work"
    work.mkdir()
    for path in (world.report, world.receipt, world.card, world.headers):
        shutil.copy(path, work)
    before = sorted(work.iterdir())
    environment = {"HOME": str(empty), **{f"XDG_{kind}_HOME": str(empty) for kind in ("DATA", "CONFIG", "STATE")}}
    done = spawn(
        *("verify", world.report.name, world.receipt.name, "--log", world.card.name, "--headers", world.headers.name),
        cwd=work,
        environment=environment,
    )
    assert (0, "") == (done.exit_code, done.err)
    assert ([], before) == (list(empty.iterdir()), sorted(work.iterdir()))


def test_verify_opens_no_socket(world: World) -> None:
    """A process in which nothing may touch a socket verifies all the same; only a node is then not reached."""
    program = (
        "import sys\n"
        "def refuse(event, _):\n"
        "    if event.startswith('socket.'): raise OSError(101, 'no network here')\n"
        "sys.addaudithook(refuse)\n"
        "import cli; cli.main()\n"
    )
    arguments = ["verify", str(world.report), str(world.receipt), "--log", str(world.card)]
    assert 0 == _python(program, [*arguments, "--headers", str(world.headers)]).returncode
    (world.folder / "cookie").write_text("user:word")
    node = ["--node-url", "http://127.0.0.1:1", "--node-cookie-file", str(world.folder / "cookie")]
    assert 4 == _python(program, [*arguments, *node]).returncode


def _python(program: str, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=False, timeout=60)


def test_verify_loads_neither_database_nor_bitcoin_code(world: World) -> None:
    """Verifying imports the proofs, of these what the receipt has, and nothing of the service behind them."""
    program = (
        "import atexit, sys, cli\n"
        "atexit.register(lambda: print(' '.join(sorted(sys.modules)), file=sys.stderr))\n"
        "cli.main()\n"
    )
    done = _python(program, ["verify", str(world.report), str(world.receipt), "--any-log"])
    loaded = set(done.stderr.decode().split())
    assert "anchor.proof.verify" in loaded
    forbidden = {
        "sqlite3",
        "sqlite_utils",
        "pymerkle",
        "pbk",
        "embit",
        "httpx",
        "apscheduler",
        "pydantic",
        "anchor.storage.sqlite",
        "anchor.thread_verdict",
        "anchor.proof.identity_history",
        "anchor.proof.opentimestamps",
        "cryptography.hazmat.primitives.serialization",
    }
    assert set() == forbidden & loaded


def test_the_network_can_be_taken_away_whole(world: World) -> None:
    """In a network namespace of its own, without any interface, verify works."""
    if not _can_unshare():
        pytest.skip("this user may not make a network namespace (unshare -n)")
    arguments = ("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers)
    assert 0 == spawn(*arguments, cwd=world.folder, preexec_fn=_unshare_network).exit_code


CLONE_NEWNET = 0x40000000


def _unshare_network() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def _can_unshare() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    child = os.fork()
    if child == 0:
        try:
            _unshare_network()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
