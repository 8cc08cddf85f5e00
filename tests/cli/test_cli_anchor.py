"""``seal``, ``tick``, ``status``, ``headers``, ``receipt``, ``upgrade`` and ``log card`` on a log that goes on.

Every home has its own embedded regtest. What one command says is compared with what the next one sees.
"""

import json
from pathlib import Path

import pytest

from anchor.proof.blocks import HeaderChain
from anchor.proof.receipt import LogCard, Receipt
from tests.cli.commands import REPORT, World, run


def test_a_seal_makes_one_checkpoint_and_then_nothing(world: World) -> None:
    """Where something changed there is a checkpoint; a second seal has nothing to do, and says so."""
    facts = world.ok("seal", "--json").facts
    assert (True, 2) == (facts["sealed"], facts["seal_number"])
    assert {"sealed", "size", "root", "seal_number"} == set(facts)
    checkpoint = world.ok("status", "--json").facts["checkpoint"]
    assert {name: facts[name] for name in checkpoint} == checkpoint
    assert {"sealed": False} == world.ok("seal", "--json").facts
    assert "Nothing had changed.\n" == world.ok("seal").text


def test_an_anchor_goes_from_built_to_final(world: World) -> None:
    """Sent, in a block, final: each tick shows where the attempt stands."""
    world.ok("seal")
    sent = world.ok("tick", "--now", "--json").facts
    assert "send" == sent["did"]
    newest = sent["attempts"][-1]
    assert {"attempt", "state", "txid", "checkpoint_size", "fee_sat", "block"} == set(newest)
    assert (3, "broadcast", None) == tuple(newest[name] for name in ("attempt", "state", "block"))
    waiting = world.ok("tick", "--now", "--json").facts
    assert ("wait", "seen") == (waiting["did"], waiting["attempts"][-1]["state"])
    assert "attempt 3 is in the mempool" in waiting["why"]
    mined = world.ok("tick", "--mine", "1", "--json").facts["attempts"][-1]
    assert ("confirmed", newest["txid"], 109) == (mined["state"], mined["txid"], mined["block"]["height"])
    assert "final" == world.ok("tick", "--mine", "5", "--json").facts["attempts"][-1]["state"]


def test_an_anchor_is_not_due_at_once_unless_asked(world: World) -> None:
    """Without --now the pace of the settings holds, and the text says for how long."""
    world.ok("seal")
    facts = world.ok("tick", "--json").facts
    assert "wait" == facts["did"]
    assert "the next anchor is due in" in facts["why"]
    assert "everything sealed is anchored" not in facts["why"]


def test_mining_is_for_the_embedded_regtest(tmp_path: Path) -> None:
    """A home on a node refuses --mine before or because nothing can be mined there."""
    home = tmp_path / "home"
    (tmp_path / "cookie").write_text("user:word")
    node = ("--core-url", "http://127.0.0.1:1", "--core-cookie-file", tmp_path / "cookie")
    assert 0 == run("init", "--home", home, "--network", "regtest", *node).exit_code
    done = run("tick", "--mine", "1", "--home", home)
    assert (2, b"") == (done.exit_code, done.out)
    assert "--mine works on the embedded regtest only" in done.err


def test_a_node_that_is_down_stops_anchoring_and_not_recording(tmp_path: Path) -> None:
    """Entries are taken and promised without Bitcoin; sealing and anchoring say what did not answer."""
    home = tmp_path / "home"
    (tmp_path / "cookie").write_text("user:word")
    node = ("--core-url", "http://127.0.0.1:1", "--core-cookie-file", tmp_path / "cookie")
    assert 0 == run("init", "--home", home, "--network", "regtest", *node).exit_code
    assert 0 == run("chain", "create", "c", "--home", home).exit_code
    assert 0 == run("add", "c", "-", "--home", home, stdin=b"x").exit_code
    for command in ("seal", "tick"):
        done = run(command, "--home", home)
        assert (1, b"") == (done.exit_code, done.out)
        assert "http://127.0.0.1:1: expected a Bitcoin node, got no answer" in done.err
    status = run("status", "--home", home, "--json")
    assert (0, 2, None) == (status.exit_code, status.facts["unsealed"], status.facts["wallet"]["balance_sat"])
    assert "got no answer" in status.facts["source_error"]


def test_status_counts_what_is_there(world: World) -> None:
    """Chains, entries, checkpoint, attempts and wallet, as JSON and for people."""
    facts = world.ok("status", "--json").facts
    counts = {"chains": 2, "entries": 305, "unsealed": 1, "network": "regtest", "origin": "log.example/test"}
    assert counts == {name: facts[name] for name in counts}
    assert (6, 1, None) == (facts["checkpoint"]["size"], facts["checkpoint"]["seal_number"], facts["source_error"])
    assert [2, 1] == [attempt["attempt"] for attempt in facts["attempts"]]
    assert facts["wallet"]["balance_sat"] > 0 < facts["wallet"]["anchors_left"]
    text = world.ok("status").text
    for part in ("2 chains, 305 entries, 1 not sealed yet", "checkpoint of 6 leaves (seal 1)", facts["log_id"]):
        assert part in text
    assert facts["wallet"]["address"] in text


def test_the_card_names_the_thread_once_it_is_funded(world: World, tmp_path: Path) -> None:
    """Before funding the card has no thread; afterwards the file in the home and ``log card`` name its first coin."""
    new = tmp_path / "new"
    assert 0 == run("init", "--embedded", "--home", new).exit_code
    assert LogCard.decode(run("log", "card", "--home", new).out).thread is None
    card = world.ok("log", "card").out
    assert card == world.card.read_bytes()
    assert 1 == len(LogCard.decode(card).thread or ())


def test_headers_are_those_of_the_best_chain(world: World) -> None:
    """The file starts where asked and links up to the tip."""
    facts = world.ok("headers", "export", world.headers, "--from", "100", "--json").facts
    expected = {"network": "regtest", "first_height": 100, "headers": 9, "file": str(world.headers)}
    assert expected == facts
    chain = HeaderChain.decode(world.headers.read_bytes())
    assert (100, 9) == (chain.first_height, len(chain.hashes))


# --- receipts


def test_a_receipt_is_found_by_hash_and_by_place(world: World) -> None:
    """The same receipt comes for an entry hash and for CHAIN:INDEX, to a file and to standard output."""
    entry_hash = world.ok("chain", "show", "acme", "--start", "1", "--json").facts["entries"][0]["entry_hash"]
    receipt = world.receipt.read_bytes()
    assert receipt == world.ok("receipt", entry_hash).out
    assert receipt == world.ok("receipt", "acme:1", "-o", "-").out


def test_a_receipt_shows_of_the_content_what_was_asked(world: World) -> None:
    """Digest and salt by default, the bytes with --content, nothing with --withhold."""
    shown = Receipt.decode(world.ok("receipt", "acme:1").out).content
    whole = Receipt.decode(world.ok("receipt", "acme:1", "--content").out).content
    withheld = Receipt.decode(world.ok("receipt", "acme:1", "--withhold").out).content
    assert (None, REPORT, None) == (shown.data, whole.data, withheld.data)
    assert (16, 0) == (len(shown.salt), len(withheld.salt))


def test_a_receipt_can_be_made_against_a_later_checkpoint(world: World) -> None:
    """An entry behind an anchor is provable through every later one."""
    receipt = Receipt.decode(world.ok("receipt", "acme:1", "--checkpoint", "6").out)
    assert receipt.sealed is not None
    assert (6, 1) == (receipt.sealed.checkpoint.size, len(receipt.sealed.anchors))
    world.receipt.write_bytes(receipt.encode())
    done = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers)
    assert 0 == done.exit_code


def test_an_upgrade_completes_a_receipt_step_by_step(world: World) -> None:
    """Unsealed, sealed, anchored: the same file grows, and verify's exit code goes from 3 to 0."""
    pending = world.folder / "pending.receipt"
    world.ok("receipt", "acme:302", "-o", pending)
    stages = [world.ok("upgrade", pending, "--json").facts]
    world.ok("seal")
    stages.append(world.ok("upgrade", pending, "--json").facts)
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    stages.append(world.ok("upgrade", pending, "--json").facts)
    world.ok("headers", "export", world.headers)
    assert [(False, False), (True, False), (True, True)] == [(item["sealed"], item["anchored"]) for item in stages]
    assert [False, True, True] == [item["changed"] for item in stages]
    done = run("verify", "-", pending, "--log", world.card, "--headers", world.headers, stdin=b"not sealed yet")
    assert 0 == done.exit_code, done
    assert f"{pending}: anchored\n" == world.ok("upgrade", pending).text


def test_an_upgrade_keeps_what_the_old_receipt_showed(world: World) -> None:
    """A receipt that withholds its content still does after an upgrade."""
    pending = world.folder / "pending.receipt"
    world.ok("receipt", "acme:302", "--withhold", "-o", pending)
    world.ok("seal")
    world.ok("upgrade", pending)
    assert {"state": "withheld"} == json.loads(pending.read_bytes())["content"]


def test_a_receipt_of_another_log_is_not_upgraded(world: World, tmp_path: Path) -> None:
    """The home does not know the entry; the file stays as it was."""
    other = tmp_path / "other"
    assert 0 == run("init", "--embedded", "--home", other).exit_code
    before = world.receipt.read_bytes()
    done = run("upgrade", world.receipt, "--home", other)
    assert (1, b"", before) == (done.exit_code, done.out, world.receipt.read_bytes())
    assert "no entry" in done.err


def test_an_ots_export_says_what_it_discloses(world: World) -> None:
    """Off mainnet the file's name says the network, and the warnings go to standard error."""
    target = world.folder / "report.txt.ots"
    done = world.run("receipt", "acme:1", "--ots", "--network-not-in-file", "-o", target)
    assert (0, b"") == (done.exit_code, done.out)
    assert (world.folder / "report.txt.regtest.ots").read_bytes().startswith(b"\x00OpenTimestamps\x00\x00Proof\x00")
    assert not target.exists()
    assert "does not say so" in done.err
    assert "it discloses the entry and the salt of its content" in done.err


@pytest.mark.parametrize("command", ["seal", "tick", "status", "audit"])
def test_text_and_json_are_two_views_of_the_same(world: World, command: str) -> None:
    """Every command prints text for people by default, and one JSON document with --json."""
    text = world.ok(command)
    assert not text.text.startswith("{")
    assert isinstance(world.ok(command, "--json").facts, dict)
