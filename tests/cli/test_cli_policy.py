"""``chain create --policy``, ``policy`` and ``draft``: who may write into a chain, on the command line."""

import json
import os
import re
import tarfile
from pathlib import Path

import pytest

from anchor.hashing.chosen import HASHING
from anchor.proof.archive import check_archive
from anchor.proof.archive_files import ArchiveError
from anchor.proof.did import did_key
from anchor.proof.entry import Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.merkle import leaf_hash
from anchor.proof.policy import Party, PartyKind, Policy, Rule
from anchor.proof.promise import ANONYMOUS
from anchor.signing import SigningKey, check_signature
from chains.client.draft import Draft
from chains.client.own_entry import Form, Sent, make_entry
from chains.home import Home
from chains.reader import Reader
from chains.stand_alone import Folder
from chains.work import Submission
from chains.writer import batch_of
from tests.cli.commands import World, run


@pytest.fixture
def keys(world: World) -> dict[str, str]:
    """Key files of three holders, and their public keys in hex."""
    found = {}
    for name in ("ann", "bob", "cat"):
        key = SigningKey.generate()
        key.save(world.folder / f"{name}.key")
        found[name] = key.public_key.hex()
    return found


def file_of(world: World, name: str) -> Path:
    return world.folder / f"{name}.key"


def opened(world: World, keys: dict[str, str], *more: str) -> None:
    """Open a chain of which ann changes the policy, and into which ann or bob writes CSV."""
    parties = ["--admin", f"key:{keys['ann']}", "--writer", f"key:{keys['ann']}", "--writer", f"key:{keys['bob']}"]
    options = [*parties, "--writers-needed", "1", "--only-type", "text/csv", *more]
    world.ok("chain", "create", "orders", *options, "--sign", file_of(world, "ann"))


def test_a_chain_is_opened_under_a_policy_which_its_entries_must_follow(world: World, keys: dict[str, str]) -> None:
    """Who may write can, who may not is told which rule forbids it; show, change and the receipts say the same."""
    opened(world, keys)
    world.ok("add", "orders", world.report, "--media-type", "text/csv", "--sign", file_of(world, "bob"))
    for options, why in (
        (["--media-type", "text/csv"], "1 of the 2 parties that may write must sign an entry, 0 did"),
        (["--media-type", "text/csv", "--sign", file_of(world, "cat")], "parties that may write must sign"),
        (["--sign", file_of(world, "bob")], "its media type is ''"),
    ):
        refused = world.run("add", "orders", world.report, *options)
        assert 1 == refused.exit_code
        assert why in refused.err
    facts = world.ok("policy", "show", "orders", "--json").facts
    assert [did_key(bytes.fromhex(keys["ann"]))] == facts["in_force"]["policy"]["administrators"]["parties"]
    assert [keys["ann"]] == facts["in_force"]["signed_by"]
    assert None is facts["in_force"]["sealed_at_ms"]
    for name in ("bob", "cat"):
        refused = world.run("policy", "change", "orders", "--writer", "anybody", "--sign", file_of(world, name))
        assert 1 == refused.exit_code
        assert "1 of the 1 parties that may change the policy must sign it, 0 did; nothing was written" in refused.err
    ann = file_of(world, "ann")
    world.ok("policy", "change", "orders", "--writer", "anybody", "--only-type", "any", "--sign", ann, "--reason", "go")
    world.ok("add", "orders", world.report)
    world.ok("seal")
    text = world.ok("policy", "show", "orders").text
    assert "policy in force, stated by entry 2:" in text
    assert "Who may write: anybody" in text
    assert "Media type of an entry: any" in text
    facts = world.ok("policy", "show", "orders", "--json").facts
    assert [0, 2] == [each["leaf_index"] for each in facts["history"]]
    assert all(each["sealed_at_ms"] for each in facts["history"])
    world.ok("audit")


def test_several_sign_a_draft_one_after_the_other(world: World, keys: dict[str, str]) -> None:
    """One prepares, each signs a copy or the same file, one submits; nothing is recorded before all have signed."""
    draft, copy = world.folder / "orders.draft", world.folder / "copy.draft"
    admins = [part for name in ("ann", "bob", "cat") for part in ("--admin", f"key:{keys[name]}")]
    signers = ["--signer", did_key(bytes.fromhex(keys["bob"])), "--signer", keys["cat"]]
    create: list[str | Path] = ["chain", "create", "orders", *admins, "--admins-needed", "2", "--prepare", draft]
    few = world.run(*create, "--sign", file_of(world, "ann"))
    assert 1 == few.exit_code
    assert "2 of the 3 parties that may change the policy must sign it, 1 did; nothing was written" in few.err
    assert not draft.exists()
    facts = world.ok(*create, *signers, "--json").facts
    assert sorted([keys["bob"], keys["cat"]]) == facts["lacking"]
    early = world.run("draft", "submit", draft)
    assert 1 == early.exit_code
    assert "2 of 2 signatures are lacking" in early.err
    stranger = run("draft", "sign", draft, "--sign", file_of(world, "ann"))
    assert 2 == stranger.exit_code
    assert "is none of the 2 that it names" in stranger.err
    copy.write_bytes(draft.read_bytes())
    run("draft", "sign", draft, "--sign", file_of(world, "bob"))
    run("draft", "sign", copy, "--sign", file_of(world, "cat"))
    shown = run("draft", "show", draft).text
    assert "that states its policy:" in shown
    assert f"lacks {keys['cat']}" in shown
    assert "Chain orders: " in world.ok("draft", "submit", draft, copy).text
    again = world.run("draft", "submit", draft, copy)
    assert 1 == again.exit_code
    assert "exists already" in again.err

    world.ok("policy", "change", "orders", "--writer", f"key:{keys['ann']}", "--prepare", draft, *signers)
    for name in ("bob", "cat"):
        assert 0 == run("draft", "sign", draft, "--sign", file_of(world, name)).exit_code
    world.ok("draft", "submit", draft)
    assert 1 == len(world.ok("policy", "show", "orders", "--json").facts["in_force"]["policy"]["writers"]["parties"])
    world.ok("audit")


def test_several_keys_at_hand_sign_what_is_written(world: World, keys: dict[str, str]) -> None:
    """Files, lines and corrections are signed by all keys that are named; one key twice is one too few."""
    both = ["--writer", f"key:{keys['ann']}", "--writer", f"key:{keys['bob']}"]
    world.ok("chain", "create", "orders", *both, "--sign", file_of(world, "ann"))
    signed = [part for name in ("ann", "bob") for part in ("--sign", str(file_of(world, name)))]
    assert "2 of the 2 parties that may write" in world.run("add", "orders", world.report, *signed[:2]).err
    assert "none twice" in world.run("add", "orders", world.report, *signed[:2], *signed[:2]).err
    world.ok("add", "orders", "--lines", *signed, stdin=b"one\ntwo\n")
    world.ok("amend", "orders:1", world.report, *signed, "--reason", "a slip of the hand")
    world.ok("retract", "orders:2", *signed)
    draft = world.folder / "order.draft"
    early = world.run("add", "orders", world.report, "--prepare", draft, "--sign", file_of(world, "ann"))
    assert "2 of the 2 parties that may write must sign an entry, 1 did; nothing was written" in early.err
    apart: list[str | Path] = ["--prepare", draft, "--sign", file_of(world, "ann"), "--signer", keys["bob"]]
    assert 2 == world.run("add", "orders", world.report, "--lines", *apart).exit_code
    world.ok("add", "orders", world.report, *apart, "--id", "beam-7", "--media-type", "text/plain")
    assert "28 bytes of content of type text/plain, SHA-256" in run("draft", "show", draft).text
    assert 0 == run("draft", "sign", draft, "--sign", file_of(world, "bob")).exit_code
    world.ok("draft", "submit", draft)
    assert 1 == len(world.ok("chain", "find", "beam-7", "--json").facts["entries"])
    assert 2 == world.run("add", "orders", world.report, *signed, "--identity", "port").exit_code
    world.ok("seal")
    world.ok("audit")


def test_a_policy_can_name_identities_by_their_names_here(world: World, keys: dict[str, str]) -> None:
    """An identity is named on the command line by its name; show names it so, too."""
    world.ok("identity", "new", "port", "--key", file_of(world, "bob"), "--no-password")
    ann = file_of(world, "ann")
    early = world.run("chain", "create", "orders", "--writer", "port", "--sign", ann)
    assert "which is not sealed yet; seal it first" in early.err
    world.ok("seal")
    world.ok("chain", "create", "orders", "--writer", "port", "--sign", ann)
    world.ok("add", "orders", world.report, "--sign", file_of(world, "bob"), "--identity", "port")
    assert "Who may write: port (identity:" in world.ok("policy", "show", "orders").text
    unknown = world.run("policy", "change", "orders", "--writer", "nemo", "--sign", ann)
    assert (2, True) == (unknown.exit_code, "no chain called 'nemo'" in unknown.err)


def test_a_chain_may_want_keyed_ids_only(world: World, keys: dict[str, str]) -> None:
    """Neither an id in clear nor one that can be guessed is taken, whatever the content is; audit agrees."""
    create = ("chain", "create", "ward", "--visibility", "private", "--writer", "anybody", "--need-id", "only-keyed")
    world.ok(*create, "--sign", file_of(world, "ann"))
    search = world.folder / "search.key"
    world.ok("search-key", "new", search, "--no-password")
    refused = world.run("add", "ward", world.report, "--id", "patient-4711")
    assert (1, True) == (refused.exit_code, "an external id that is not keyed" in refused.err)
    world.ok("add", "ward", world.report, "--keyed-id", "patient:4711", "--search-key", search)
    world.ok("add", "ward", "-", stdin=b"no id at all")
    assert "keyed ones only" in world.ok("policy", "show", "ward").text
    assert 0 == world.run("audit").exit_code


def test_check_says_what_a_file_means_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    """A document that show prints is one that check and create read; each fault is named."""
    file, key = tmp_path / "policy.json", did_key(SigningKey.generate().public_key)
    whole = {"format": "anchorline-policy/1", "administrators": {"parties": [key]}, "id_kinds": ["only-keyed", "keyed"]}
    file.write_text(json.dumps(whole))
    assert "Who may correct entries of others: nobody" in run("policy", "check", file).text
    facts = run("policy", "check", file, "--json").facts
    assert {"needed": 1, "parties": [key]} == facts["policy"]["administrators"]
    assert ("anybody", ["keyed", "only-keyed"]) == (facts["policy"]["writers"], facts["policy"]["id_kinds"])
    file.write_text(json.dumps(facts["policy"]))
    assert facts == run("policy", "check", file, "--json").facts
    for change, why in (
        ({"format": "anchorline-policy/2"}, "written by a newer Anchorline"),
        ({"administrators": "nobody"}, "at least one party that may change it"),
        ({"administrators": {"parties": [key, key]}}, "is named twice"),
        ({"administrators": {"parties": ["acme"]}}, "expected a party as did:key"),
        ({"administrators": {"needed": 2, "parties": [key]}}, "expected a threshold of 1 to 1 parties, found 2"),
        ({"writers": "nobody"}, "expected writers, or anybody"),
        ({"id_kinds": ["hidden"]}, "expected clear, hashed, keyed"),
        ({"media_types": ["a\n"]}, "printable ASCII"),
        ({"readers": "anybody"}, "unknown field 'readers'"),
    ):
        file.write_text(json.dumps(whole | change))
        refused = run("policy", "check", file)
        assert 1 == refused.exit_code
        assert why in refused.err
    assert 2 == run("policy", "check", tmp_path / "none").exit_code


def test_what_makes_no_sense_is_said(world: World, keys: dict[str, str]) -> None:
    """A policy that nobody signs, a signer elsewhere without a draft, a change of an open chain, a changed draft."""
    ann = file_of(world, "ann")
    for arguments, exit_code, why in (
        (["chain", "create", "x", "--writer", "anybody"], 2, "nobody signs it: sign with --sign KEY"),
        (["chain", "create", "x", "--signer", keys["ann"]], 2, "write the draft for him with --prepare"),
        (["chain", "create", "x", "--sign", ann, "--need-id", "y"], 2, "--need-id: expected clear"),
        (["chain", "create", "x", "--sign", ann, "--admin", f"key:{keys['bob']}"], 1, "must sign it, 0 did"),
        (["policy", "change", "acme", "--sign", ann], 2, "nothing to change"),
        (["policy", "change", "acme", "--writer", "anybody", "--sign", ann], 1, "chain acme has no policy"),
    ):
        refused = world.run(*arguments)
        assert exit_code == refused.exit_code, arguments
        assert why in refused.err
    assert "it is open" in world.ok("policy", "show", "acme").text
    draft = world.folder / "x.draft"
    world.ok("chain", "create", "x", "--writer", "anybody", "--prepare", draft, "--sign", ann)
    [(key, signature)] = Draft.decode(draft.read_bytes()).signatures.items()
    draft.write_text(draft.read_text().replace(signature.hex(), signature[::-1].hex()))
    refused = world.run("draft", "submit", draft)
    assert (2, True) == (refused.exit_code, f"the signature by key {key.hex()} does not hold over it" in refused.err)


def test_a_policy_binds_writers_and_not_the_duties_of_the_log(world: World, keys: dict[str, str]) -> None:
    """Erasures, holds and another owner need no writer's key, and receipts say so; a closing takes administrators."""
    opened(world, keys)
    world.ok("add", "orders", world.report, "--media-type", "text/csv", "--sign", file_of(world, "bob"))
    world.ok("hold", "set", "orders:1", "--reason", "a lawsuit")
    assert 1 == world.run("erase", "orders:1", "--reason", "asked for").exit_code
    world.ok("hold", "lift", "orders:1", "--reason", "it is over")
    world.ok("erase", "orders:1", "--reason", "asked for")
    world.ok("org", "create", "buyer")
    world.ok("chain", "transfer", "offer", "orders", "buyer")
    world.ok("chain", "transfer", "accept", "orders", "buyer")
    close: list[str | Path] = ["chain", "close", "orders", "--reason", "the end"]
    cases: list[tuple[list[str | Path], str]] = [
        ([], "1 of the 1 parties that may change the policy must sign what closes the chain, 0 did"),
        (["--sign", file_of(world, "bob")], "must sign what closes the chain, 0 did"),
        (["--sign", file_of(world, "ann"), "--moved-to", bytes(32).hex()], "cannot go on in another log"),
    ]
    for options, why in cases:
        refused = world.run(*close, *options)
        assert 1 == refused.exit_code
        assert why in refused.err
    draft = world.folder / "end.draft"
    world.ok(*close, "--prepare", draft, "--signer", keys["ann"])
    assert "that closes the chain, for ever: the end" in run("draft", "show", draft).text
    assert 0 == run("draft", "sign", draft, "--sign", file_of(world, "ann")).exit_code
    world.ok("draft", "submit", draft)
    world.ok("erase", "orders:0", "--reason", "asked for, too")
    world.ok("seal")
    world.ok("audit")
    without = "which the log may do without a writer's signature"
    for index, said in (
        (2, f"it states a legal hold, {without}"),
        (3, f"it states the end of a legal hold, {without}"),
        (4, f"it states an erasure, {without}"),
        (5, f"it states another owner of the chain, {without}"),
        (6, "it closes the chain; 1 of 1 parties must sign, 1 did"),
        (7, f"it states an erasure, {without}"),
    ):
        receipt = world.folder / f"{index}.receipt"
        world.ok("receipt", f"orders:{index}", "--output", receipt)
        steps = run("verify", receipt, "--log", world.card, "--json").facts["steps"]
        [step] = [each for each in steps if each["number"] == 17]
        assert ("ok", said) == (step["state"], step["text"].partition(": ")[2])


def test_several_keys_sign_what_is_stated_of_entries_and_chains(world: World, keys: dict[str, str]) -> None:
    """Where two must write together, they co-sign together, here or by a draft; what the log states names both, too."""
    opened(world, keys, "--writers-needed", "2")
    both: list[str | Path] = ["--sign", file_of(world, "ann"), "--sign", file_of(world, "bob")]
    world.ok("policy", "change", "orders", "--only-type", "any", *both[:2])
    world.ok("add", "orders", world.report, *both)
    alone = world.run("cosign", "orders:2", *both[:2])
    assert (1, True) == (alone.exit_code, "2 of the 2 parties that may write must sign an entry, 1 did" in alone.err)
    signed = world.ok("cosign", "orders:2", *both, "--json").facts
    together = sorted((keys["ann"], keys["bob"]))
    assert together == signed["keys"]
    draft = world.folder / "second.draft"
    world.ok("cosign", "orders:2", *both[:2], "--signer", keys["bob"], "--prepare", draft)
    assert f"that co-signs entry {signed['co_signs']}" in run("draft", "show", draft).text
    assert 0 == run("draft", "sign", draft, "--sign", file_of(world, "bob")).exit_code
    world.ok("draft", "submit", draft)
    world.ok("hold", "set", "orders:2", "--reason", "a lawsuit", *both)
    held = world.run("erase", "orders:2", "--reason", "asked for", *both)
    assert (1, True) == (held.exit_code, f"by keys {', '.join(together)}, because a lawsuit" in held.err)
    world.ok("hold", "lift", "orders:2", "--reason", "it is over", *both)
    world.ok("erase", "orders:2", "--reason", "asked for", *both)
    world.ok("org", "create", "buyer")
    world.ok("chain", "transfer", "offer", "orders", "buyer")
    world.ok("chain", "transfer", "accept", "orders", "buyer", *both)
    world.ok("seal")
    world.ok("audit")
    receipt = world.folder / "cosigned.receipt"
    world.ok("receipt", "orders:2", "--output", receipt)
    verdict = run("verify", receipt, "--log", world.card, "--json").facts
    assert together * 2 == [item["key"] for item in verdict["facts"]["co_signatures"]]
    assert (together[0], together) == (verdict["facts"]["erasure"]["key"], verdict["facts"]["erasure"]["keys"])
    texts = {step["number"]: step["text"] for step in verdict["steps"]}
    assert texts[18].endswith(f"signed by keys {', '.join(together)}")
    named = world.run("erase", "orders:1", "--reason", "x", *both, "--identity", "port")
    assert (2, True) == (named.exit_code, "several were named with --sign: leave it out" in named.err)
    assert 2 == world.run("cosign", "orders:2").exit_code


def exported(world: World, name: str, *options: str) -> tuple[Path, Folder]:
    """Seal and export; return the archive, and the folder that is in it. A part of a log needs an anchor."""
    world.ok("seal")
    if options:
        world.ok("tick", "--now")
        world.ok("tick", "--mine", "6")
    archive = world.folder / f"{name}.tar"
    world.ok("export", archive, *options)
    with tarfile.open(archive) as tar:
        tar.extractall(world.folder / name, filter="data")
    [inside] = (world.folder / name).iterdir()
    return archive, Folder(inside)


def ruled(world: World, keys: dict[str, str]) -> None:
    """Open a chain under a policy with an identity in it, and let everything be written there that may be."""
    opened(world, keys, "--corrector", f"key:{keys['ann']}")
    world.ok("identity", "new", "port", "--key", file_of(world, "cat"), "--no-password")
    world.ok("seal")
    world.ok("policy", "change", "orders", "--writer", "port", "--only-type", "any", "--sign", file_of(world, "ann"))
    world.ok("add", "orders", world.report, "--sign", file_of(world, "cat"), "--identity", "port")
    world.ok("erase", "orders:2", "--reason", "asked for")
    world.ok("retract", "orders:2", "--sign", file_of(world, "cat"))


def test_exports_hold_every_entry_to_the_policy_of_its_chain(world: World, keys: dict[str, str]) -> None:
    """What was rightly written is no fault, for ``verify --archive`` and the script inside; a tie is remarked."""
    ruled(world, keys)
    rotate: list[str | Path] = [
        "--sign",
        file_of(world, "cat"),
        "--old",
        file_of(world, "cat"),
        "--key",
        world.folder / "dan.key",
    ]
    world.ok("identity", "rotate", "port", *rotate, "--reason", "stolen", "--no-password")
    archive, folder = exported(world, "honest")
    verified = run("verify", "--archive", archive, "--log", world.card, "--json").facts
    assert [] == verified["faults"]
    tied = [remark for remark in verified["remarks"] if "by its seal the entry does not follow the policy" in remark]
    assert ["entry 2", "entry 4"] == [remark.split(": ")[0].split(", ")[1] for remark in tied]
    assert sorted(verified["remarks"]) == sorted(check_archive(folder, check=check_signature).remarks)
    part, part_folder = exported(world, "part", "--chain", "orders")
    verified_part = run("verify", "--archive", part, "--log", world.card, "--json").facts
    assert [] == verified_part["faults"]
    assert set(tied) < set(verified_part["remarks"]) <= set(verified["remarks"])
    assert verified_part["remarks"] == check_archive(part_folder, check=check_signature).remarks


@pytest.mark.parametrize("what", ["entry", "content", "head", "open"])
def test_what_a_lying_operator_writes_past_a_policy_is_named_by_whoever_has_the_export(
    world: World, keys: dict[str, str], what: str
) -> None:
    """An unsigned entry, words beside an erasure, a head that names an older policy, a policy stated too late."""
    ruled(world, keys)
    with Home.open(world.home) as home:
        chain = home.chains.named("acme" if what == "open" else "orders")
        first = leaf_hash(next(iter(Reader(home.engine, home.chains, home.lookup).entries(chain, 0, 1))).raw)
        if what == "head":
            with home.engine.transaction():
                home.engine.execute("DELETE FROM stated_policy WHERE leaf_index > 0")
        else:
            said = ErasureStatement(Act.ERASE, Scope.ENTRY, 1, "words").encode()
            links = (Link(Relation.ERASES, chain.chain_id, first),)
            policy = Policy(Rule(1, (Party(PartyKind.KEY, bytes(32)),))).encode()
            form = {"content": Form(links=links, erasure=said), "open": Form(policy=policy)}.get(what, Form())
            own = make_entry(chain.chain_id, b"words", form, os.urandom, Sent.CONTENT)
            batch = batch_of([Submission(own.raw, own.salt, content=b"words")], HASHING.leaves([own.raw]))
            with home.engine.transaction():
                run_ = home.chains.append_rows(chain, batch, ANONYMOUS)
                home.writer.promise([(chain.chain_id, run_, batch.hashes)], home.clock())
    archive, folder = exported(world, what)
    why = {
        "entry": ", entry 5: the entry does not follow the policy of its chain: 1 of the 1 parties that may write",
        "content": ", entry 5: states an erasure, and carries content besides",
        "head": "names another policy than its entries",
        "open": ": states a policy, and its chain has none",
    }[what]
    verified = run("verify", "--archive", archive, "--log", world.card, "--json").facts
    assert [True] == [why in fault for fault in verified["faults"]], verified["faults"]
    with pytest.raises(ArchiveError, match=re.escape(why)):
        check_archive(folder, check=check_signature)
    if what == "entry":
        _, part = exported(world, "part", "--chain", "orders")
        with pytest.raises(ArchiveError, match="entry 5: its receipt does not verify: policy-not-followed"):
            check_archive(part, check=check_signature)
    audited = world.run("audit")
    assert 1 == audited.exit_code
