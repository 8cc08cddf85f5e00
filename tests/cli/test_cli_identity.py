"""Identities through the command line: from ``identity new`` to the verdict on a receipt alone.

One home of its own, made once; the tests go on where the one before ended only through what it sealed, and each makes
its own identity.
"""

import inspect
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.proof.archive import check_archive
from anchor.proof.blocks import HeaderChain
from anchor.signing import check_signature
from chains.commands.identities import identity_new
from chains.identity_stating import DEFAULT_WAIT_BLOCKS
from chains.stand_alone import Folder
from tests.cli.commands import ORIGIN, World, own_folders, run
from tests.signers import new_token, running_agent
from tests.simulators.did_server import serving_did

PASSWORD = "beam and girder"  # of keys that are made here


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home with a chain of orders and a funded thread."""
    world = World(tmp_path_factory.mktemp("identity"))
    with own_folders(world.folder / "xdg"):
        world.ok("init", "--embedded", "--origin", ORIGIN)
        world.ok("chain", "create", "orders")
        world.ok("tick", "--mine", "101")
        world.ok("seal")
        password = world.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        (world.folder / "order.txt").write_bytes(b"order 7\n")
        yield world


def begun(world: World, name: str, *options: str | Path) -> Path:
    """Begin an identity and seal it; return the file of its key."""
    key = world.folder / f"{name}.key"
    world.ok("identity", "new", name, "--key", key, "--no-password", *options)
    world.ok("seal")
    return key


def order(world: World, key: Path | str, identity: str) -> str:
    """Record the order, signed; return its entry hash."""
    added = world.ok("add", "orders", world.folder / "order.txt", "--sign", key, "--identity", identity, "--json")
    return str(added.facts["entries"][0]["entry_hash"])


def author(world: World, entry: str, *options: str) -> tuple[int, str, str | None, str]:
    """Return what is said of the author, of the receipt alone: the exit code, and state, reason and text of step 3."""
    receipt = world.folder / "receipt"
    world.ok("receipt", entry, "--output", receipt, *options)
    done = run("verify", world.folder / "order.txt", receipt, "--log", world.card, "--json")
    step = done.facts["steps"][2]
    return done.exit_code, step["state"], step["reason"], step["text"]


def test_a_stolen_key_is_refused_by_the_writer_and_entries_before_verify(made: World) -> None:
    """What was signed in an earlier seal stays valid, and says that the key was stolen later; nothing new is taken."""
    key = begun(made, "acme", "--did-web", "did:web:acme.example")
    press = made.folder / "press.key"
    shown = made.ok("identity", "add-key", "acme", "--sign", key, "--key", press, "--no-password", "--json").facts
    assert [["entries", "keys"], ["entries"]] == [item["for"] for item in shown["keys"]]
    assert [False, True] == [item["waits_for_seal"] for item in shown["keys"]]
    early = made.run("add", "orders", made.folder / "order.txt", "--sign", press, "--identity", "acme")
    assert 1 == early.exit_code
    assert "counts in later ones only" in early.err
    made.ok("seal")
    before = order(made, press, "acme")
    made.ok("seal")
    assert ("ok", None) == author(made, before)[1:3]
    tied = order(made, press, "acme")
    made.ok("identity", "revoke", "acme", "--sign", key, "--old", press, "--reason", "stolen")
    late = made.run("add", "orders", made.folder / "order.txt", "--sign", press, "--identity", "acme")
    assert 1 == late.exit_code
    assert "because it was stolen" in late.err
    made.ok("seal")
    made.ok("tick", "--now")
    made.ok("tick", "--mine", "6")
    state, reason, text = author(made, before)[1:]
    assert ("ok", None) == (state, reason)
    assert "which calls itself did:web:acme.example (not checked here)" in text
    assert "because it was stolen" in text
    assert (7, "failed", "author-key-not-valid") == author(made, tied)[:3]


def test_how_much_of_a_wait_is_proved_is_counted_from_the_anchor_of_the_announcement(made: World) -> None:
    """Whoever has the whole log, here or exported, is told how many of the blocks came after it for certain."""
    begun(made, "waiting", "--wait-blocks", "144")
    new = made.folder / "waited.key"
    recover = ("identity", "recover", "waiting", "--key", new, "--no-password")
    made.ok(*recover, "--announce")
    made.ok("seal")
    made.ok("tick", "--mine", "20")  # the anchor is later than the block that the seal names
    made.ok("tick", "--now")
    made.ok("tick", "--mine", "150")
    attempts = made.ok("status", "--json").facts["attempts"]
    anchored = max(each["block"]["height"] for each in attempts if each["block"])
    made.ok("add", "orders", made.folder / "order.txt")  # a statement is judged by the block of the newest seal
    made.ok("seal")
    made.ok(*recover, "--complete")
    made.ok("seal")
    headers = made.folder / "waited.headers"
    made.ok("headers", "export", headers)
    made.ok("export", made.folder / "waited.tar")
    with tarfile.open(made.folder / "waited.tar") as tar:
        tar.extractall(made.folder / "waited", filter="data")
    [inside] = (made.folder / "waited").iterdir()
    brought = ("--archive", made.folder / "waited.tar", "--log", made.card)
    said = [
        made.ok("audit", "--headers", headers, "--json").facts["remarks"],
        run("verify", *brought, "--headers", headers, "--json").facts["remarks"],
        check_archive(Folder(inside), [HeaderChain.decode(headers.read_bytes())], check_signature).remarks,
    ]
    words = [[each for each in remarks if "the recovery that the log announced waited" in each] for remarks in said]
    assert [1, 1, 1] == [len(each) for each in words]
    assert words[0] == words[1] == words[2]
    [word] = words[0]
    before, _, counted = word.partition(f"; the announcement was anchored in block {anchored}: ")
    last = int(before.split(" to ")[1].split(",")[0])
    assert counted == f"{last - anchored} of these blocks came after it for certain"
    entry = order(made, new, "waiting")
    made.ok("seal")
    made.ok("receipt", entry, "--output", made.folder / "receipt")
    proved = run("verify", made.folder / "receipt", "--log", made.card, "--headers", headers, "--json").facts["steps"][
        2
    ]
    assert ("ok", True) == (proved["state"], f"block {anchored}: {counted}" in proved["text"]), proved["text"]
    unasked = run("verify", *brought, "--json").facts["remarks"]
    assert [True] == ["as the log says" in each for each in unasked if "that the log announced waited" in each]


def test_the_expected_author_is_pinned(made: World) -> None:
    """By card, id, name or key: his own entry holds, and everybody else's has exit code 7."""
    mine, other = begun(made, "pinned"), begun(made, "other")
    card = made.folder / "pinned.json"
    made.ok("identity", "card", "pinned", "--output", card)
    made.ok("identity", "trust", card, "--name", "Acme Ltd")
    shown = made.ok("identity", "show", "pinned", "--json").facts
    key, entries = shown["keys"][0]["did"], (order(made, mine, "pinned"), order(made, other, "other"))
    made.ok("seal")
    made.ok("tick", "--now")
    made.ok("tick", "--mine", "6")
    headers = made.folder / "headers.txt"
    made.ok("headers", "export", headers)
    for pin in (str(card), shown["chain_id"], "Acme Ltd", key):
        found = []
        for entry in entries:
            receipt = made.folder / "receipt"
            made.ok("receipt", entry, "--output", receipt)
            brought = ("--log", made.card, "--headers", headers, "--identity", pin)
            done = run("verify", made.folder / "order.txt", receipt, *brought, "--json")
            found.append((done.exit_code, done.facts["finding"]))
        assert [(0, "intact"), (7, "another-author")] == found


def test_every_auditor_judges_the_authors(made: World) -> None:
    """The audit of the home, the check of its export, and the script in it: all judge each entry, and name a tie."""
    key = begun(made, "audited")
    order(made, key, "audited")
    made.ok("seal")
    tied = (made.folder / "tied.txt", made.folder / "audited 2.key")
    tied[0].write_bytes(b"order 8\n")
    made.ok("add", "orders", tied[0], "--sign", key, "--identity", "audited")
    rotate = ("--sign", key, "--old", key, "--key", tied[1], "--reason", "stolen", "--no-password")
    made.ok("identity", "rotate", "audited", *rotate)
    made.ok("seal")
    audited = made.ok("audit", "--json").facts
    assert audited["named_entries"] > 1
    assert any("because it was stolen" in remark for remark in audited["remarks"])
    export = made.folder / "everything.tar"
    made.ok("export", export)
    with tarfile.open(export) as tar:
        tar.extractall(made.folder / "unpacked", filter="data")
    [inside] = (made.folder / "unpacked").iterdir()
    verified = run("verify", "--archive", export, "--log", made.card, "--json").facts
    assert [] == verified["faults"]
    assert (audited["named_entries"], len(audited["remarks"])) == (verified["named_entries"], len(verified["remarks"]))
    alone = check_archive(Folder(inside), check=check_signature)
    assert (audited["named_entries"], len(audited["remarks"])) == (alone.named_entries, len(alone.remarks))


def test_a_tie_is_the_finding_of_its_entry_in_a_part_of_a_log_too(made: World) -> None:
    """An export of some chains stands where the log rightly took an entry: what its seal says against it is named."""
    key = begun(made, "parting")
    made.ok("chain", "create", "calls")
    made.ok("add", "calls", made.folder / "order.txt", "--sign", key, "--identity", "parting")
    made.ok("identity", "revoke", "parting", "--sign", key, "--old", key, "--reason", "stolen")
    made.ok("seal")
    made.ok("tick", "--now")
    made.ok("tick", "--mine", "6")
    facts, remarks = [], []
    for name, options in (("whole", []), ("part", ["--chain", "calls"])):
        made.ok("export", made.folder / f"{name}.tar", *options)
        facts.append(run("verify", "--archive", made.folder / f"{name}.tar", "--any-log", "--json").facts)
        with tarfile.open(made.folder / f"{name}.tar") as tar:
            tar.extractall(made.folder / name, filter="data")
        [inside] = (made.folder / name).iterdir()
        remarks.append(check_archive(Folder(inside), check=check_signature).remarks)
    [whole, part] = facts
    [said] = part["remarks"]
    assert "entry 1: the signature holds, and key " in said
    assert "because it was stolen" in said
    assert ([], [], 1, "not checked") == (whole["faults"], part["faults"], part["named_entries"], part["outcome"])
    assert said in whole["remarks"]
    assert [said] == remarks[1]
    assert said in remarks[0]


def test_a_domain_vouches_for_the_keys(made: World, tmp_path: Path) -> None:
    """What did-document writes makes check-did content; after a rotation it does not, and says which keys differ."""
    with serving_did(tmp_path) as server:
        key = begun(made, "vouched", "--did-web", server.did)
        check = ("identity", "check-did", "vouched", "--tls-roots", server.root, "--json")
        missing = made.run(*check)
        assert (1, 0) == (missing.exit_code, len(server.body))
        document = tmp_path / "did.json"
        assert server.did[8:17] in made.ok("identity", "did-document", "vouched", server.did, "-o", document).text
        server.body = document.read_bytes()
        [answer] = made.ok(*check).facts["names"]
        assert "vouches for the keys that sign entries now" in answer["text"]
        new = made.folder / "vouched 2.key"
        made.ok("identity", "rotate", "vouched", "--sign", key, "--old", key, "--key", new, "--no-password")
        made.ok("seal")
        changed = made.run(*check)
        [answer] = changed.facts["names"]
        assert (1, 1, 1) == (changed.exit_code, len(answer["only_identity"]), len(answer["only_document"]))
        server.status = 404
        assert 4 == made.run(*check).exit_code
    assert "did:key:z6Mk" in made.ok("identity", "show", "vouched", "--did").text


def test_a_rotated_key_goes_on(made: World) -> None:
    """A new key takes the place of the old one for the same purposes; the file of neither is overwritten."""
    key = begun(made, "rota")
    new = made.folder / "rota 2.key"
    made.ok("identity", "rotate", "rota", "--sign", key, "--old", key, "--key", new, "--no-password")
    made.ok("seal")
    entry = order(made, new, "rota")
    made.ok("seal")
    assert ("ok", None) == author(made, entry)[1:3]
    refused = made.run("identity", "revoke", "rota", "--sign", key, "--old", new)
    assert 1 == refused.exit_code
    keys = made.ok("identity", "show", "rota", "--json").facts["keys"]
    assert ["replaced", None] == [item["reason"] for item in keys]
    assert "since seal" in made.ok("identity", "show", "rota").text


def test_recovery_keys_take_an_identity_back(made: World) -> None:
    """Two recovery keys of three end all keys; one alone does not."""
    papers = [made.folder / f"paper {number}" for number in range(3)]
    begun(made, "three", *(option for paper in papers for option in ("--recovery", paper)), "--threshold", "2")
    new = made.folder / "three 2.key"
    made.ok("seal")
    alone = made.run("identity", "recover", "three", "--recovery", papers[0], "--key", new, "--no-password")
    assert 1 == alone.exit_code
    both = ("--recovery", papers[0], "--recovery", papers[2])
    done = made.ok("identity", "recover", "three", *both, "--key", new, "--reason", "stolen", "--no-password", "--json")
    assert ["stolen", None] == [item["reason"] for item in done.facts["keys"]]
    assert 3 == len(done.facts["recovery"])


def test_who_lost_the_only_key_waits(made: World) -> None:
    """The log announces; before its time nothing is complete, and the old key can object."""
    key = begun(made, "lone", "--wait-blocks", "144")
    new = made.folder / "lone 2.key"
    announce = ("identity", "recover", "lone", "--announce", "--key", new, "--no-password")
    made.ok(*announce)
    made.ok("identity", "object", "lone", "--sign", key)
    shown = made.ok(*announce, "--json").facts
    made.ok("seal")
    assert shown["announced"]["complete_from_block"] >= 144
    complete = ("identity", "recover", "lone", "--complete", "--key", new)
    early = made.run(*complete)
    assert 1 == early.exit_code
    assert "waits until block" in early.err
    made.ok("tick", "--mine", "150")
    made.ok("chain", "create", "another")
    made.ok("seal")
    made.ok(*complete)
    made.ok("seal")
    keys = made.ok("identity", "show", "lone", "--json").facts["keys"]
    assert ["lost", None] == [item["reason"] for item in keys]
    entry = order(made, new, "lone")
    made.ok("seal")
    assert ("ok", None) == author(made, entry)[1:3]


def test_key_files_are_encrypted(made: World) -> None:
    """A new key file opens with its password only, and is readable by its owner only."""
    key, password = made.folder / "closed.key", made.folder / "password"
    made.ok("identity", "new", "closed", "--key", key, "--password-file", password)
    assert b"ENCRYPTED" in key.read_bytes()
    assert 0o600 == key.stat().st_mode & 0o777
    made.ok("seal")
    signed = ("add", "orders", made.folder / "order.txt", "--sign", key, "--identity", "closed")
    assert "--password-file" in made.run(*signed).err
    made.ok(*signed, "--password-file", password)


@pytest.mark.ssh
def test_a_key_in_an_agent_signs(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity's only key is in an ssh-agent: it begins the identity, and signs an entry that holds."""
    with running_agent() as agent:
        agent.add(agent.make("press"))
        monkeypatch.setenv("SSH_AUTH_SOCK", agent.address)
        assert ("ok", None) == signed_by(made, "guarded", "agent:press")
        refused = made.run("identity", "revoke", "guarded", "--sign", "agent:boss", "--old", "agent:press")
        assert "found 0" in refused.err


@pytest.mark.softhsm
def test_a_key_is_made_in_a_token_and_signs(made: World, tmp_path: Path) -> None:
    """The identity's key is made inside a token, which signs an entry that holds; the PIN is in a file."""
    with new_token(tmp_path) as uri:
        boss = uri.format("boss")
        assert ("ok", None) == signed_by(made, "inside", boss)
        refused = made.run("identity", "revoke", "inside", "--sign", uri.format("x"), "--old", boss)
        assert "found 0 private" in refused.err


def signed_by(world: World, name: str, key: str) -> tuple[str, str | None]:
    """Begin an identity with a key that is elsewhere, and sign with it; return what step 3 says."""
    world.ok("identity", "new", name, "--key", key, "--no-password")
    world.ok("seal")
    entry = order(world, key, name)
    world.ok("seal")
    return author(world, entry)[1:3]


def test_the_wait_of_the_command_is_that_of_the_library() -> None:
    """The command has the number written out, so that its help loads nothing of identities."""
    assert DEFAULT_WAIT_BLOCKS == inspect.signature(identity_new).parameters["wait_blocks"].default


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["identity", "show", "orders"], "does not begin as an identity"),
        (["identity", "revoke", "acme", "--sign", "none", "--old", "none"], "no such key file"),
        (["identity", "recover", "acme", "--key", "none"], "choose one"),
        (["add", "orders", "--identity", "orders"], "name the key, or its file, with --sign"),
        (["identity", "new", "x", "--key", "x.key", "--no-password", "--did-web", "acme"], "did:web:DOMAIN"),
        (["chain", "create", "x", "--id", "anchorline/identity/1"], "is an identity"),
        (["identity", "did-document", "orders", "acme"], "did:web:DOMAIN"),
        (["identity", "card", "orders"], "does not begin as an identity"),
        (["identity", "trust", "order.txt", "--name", "x"], "identity card"),
        (["identity", "trust", "order.txt", "--name", "../x"], "can name a file"),
        (["verify", "order.txt", "--identity", "nobody"], "kept with `identity trust`"),
        (["verify", "order.txt", "--identity", "did:web:acme.example"], "can name a file"),
        (["verify", "--archive", "x", "--identity", "00" * 32], "no --identity"),
    ],
)
def test_what_makes_no_sense_is_refused(
    made: World, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever cannot be meant is refused with what was expected."""
    monkeypatch.chdir(made.folder)
    done = made.run(*arguments)
    assert done.exit_code in (1, 2)
    assert says in done.err


def test_a_receipt_of_a_mirror_shows_the_author_s_keys_or_says_that_it_does_not(made: World) -> None:
    """Whose identity is published is checked offline; of another a line says so, and verify, too."""
    entry = order(made, begun(made, "public"), "public")
    made.ok("seal")
    seen = made.folder / "seen"
    made.ok("mirror", seen, "--chain", "orders")
    command = ("receipt", entry, "--mirror", seen, "--output", made.folder / "mirrored")
    bare = made.run(*command)
    assert (0, True) == (bare.exit_code, "this mirror has its hashes, and not its entries" in bare.err)
    assert ("not checked", None) == _step_3(made)
    made.ok("mirror", seen, "--chain", "orders", "--chain", "public")
    whole = made.run(*command)
    assert (0, "") == (whole.exit_code, whole.err)
    assert ("ok", None) == _step_3(made)


def _step_3(made: World) -> tuple[str, str | None]:
    done = run("verify", made.folder / "mirrored", "--log", made.card, "--json")
    step = done.facts["steps"][2]
    return step["state"], step["reason"]
