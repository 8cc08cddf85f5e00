"""Go as referee: golang.org/x/mod's sumdb/note and sumdb/tlog against ``checkpoint``, ``merkle`` and ``chains.mirror``.

The helper in ``tests/referees/go`` is built once a session; it answers with that library's code alone. Needs Go and
the library's sources, which Debian has as golang-go and golang-golang-x-mod-dev; REFEREE_GOPATH names another GOPATH.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from anchor.proof import merkle
from anchor.proof.checkpoint import Checkpoint, Note, NoteSignature, chain_origin, key_id, verifier_key
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, VerificationError
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, new_service
from tests.simulators.world import fast_check, public_bytes, signing_key, tell

pytestmark = pytest.mark.go

SOURCE = Path(__file__).parent / "go"
LIBRARY = Path("src", "golang.org", "x", "mod", "sumdb", "note", "note.go")
NAME = "log.example/anchorline"
KEY = signing_key("referee")
SIZES = range(1, 34)


class Referee:
    """The helper process: ``ask`` sends one question and returns the answer."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=10)

    def ask(self, question: str, **fields: Any) -> dict[str, Any]:
        """Return text, path and error of the answer; an empty error is none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"ask": question, **fields}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def find_gopath(go: str) -> Path | None:
    """Return a GOPATH that holds the library: the one named, Go's own, or where Debian's package put it."""
    named = os.environ.get("REFEREE_GOPATH")
    own = subprocess.run([go, "env", "GOPATH"], capture_output=True, text=True, check=True).stdout.strip()
    candidates = [Path(named)] if named else [Path(own), *debian_gopaths()]
    return next((path for path in candidates if (path / LIBRARY).is_file()), None)


def debian_gopaths() -> list[Path]:
    dpkg = shutil.which("dpkg")
    if dpkg is None:
        return []
    listed = subprocess.run([dpkg, "-L", "golang-golang-x-mod-dev"], capture_output=True, text=True, check=False).stdout
    return [Path(line).parents[len(LIBRARY.parts) - 1] for line in listed.split("\n") if line.endswith(str(LIBRARY))]


@pytest.fixture(scope="session")
def referee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Referee]:
    """Build the helper and keep it running; skip where Go or the library is missing."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: notes and trees are not compared with golang.org/x/mod")
    gopath = find_gopath(go)
    if gopath is None:
        pytest.skip("the sources of golang.org/x/mod are not installed (golang-golang-x-mod-dev, or REFEREE_GOPATH)")
    program = tmp_path_factory.mktemp("referee") / "referee"
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(gopath), "GOFLAGS": ""}
    subprocess.run([go, "build", "-o", program, "."], cwd=SOURCE, env=environment, check=True)
    with Referee(program) as running:
        yield running


def leaves_of(size: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(size)]


def hashes_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(leaf) for leaf in leaves_of(size)]


def hexes(values: tuple[bytes, ...] | list[bytes]) -> list[str]:
    return [value.hex() for value in values]


# Notes


def our_note(text: str) -> Note:
    line = NoteSignature(NAME, key_id(NAME, public_bytes(KEY)), KEY.sign(text.encode()))
    return Note(text, (line,))


def test_go_opens_our_checkpoints(referee: Referee) -> None:
    """Go opens a checkpoint of the directory and one of a chain with our verifier key, and finds our text."""
    vkey = verifier_key(NAME, public_bytes(KEY))
    for origin in (NAME, chain_origin(NAME, sha256(b"chain"))):
        note = our_note(Checkpoint(origin, 1234, sha256(b"root")).encode())
        assert {"text": note.text, "path": None, "error": ""} == referee.ask("open", key=vkey, note=note.encode())


def test_go_opens_every_checkpoint_of_the_story(referee: Referee) -> None:
    """Go opens the notes that our receipts carry, before and after the checkpoint key was rotated."""
    story = tell()
    keys = [signing_key("world/CHECKPOINT"), signing_key("world/CHECKPOINT/0")]
    for number, seal in enumerate(story.world.seals):
        vkey = verifier_key(story.world.origin, public_bytes(keys[number >= 2]))
        assert seal.note.text == referee.ask("open", key=vkey, note=seal.note.encode())["text"]


def test_go_ignores_a_cosigner_as_we_do(referee: Referee) -> None:
    """A line by an unknown name does not keep Go from opening the note."""
    note = our_note(Checkpoint(NAME, 1, sha256(b"root")).encode())
    cosigner = NoteSignature("cosigner.example", b"\x01\x02\x03\x04", bytes(72))
    cosigned = Note(note.text, (cosigner, *note.signatures))
    vkey = verifier_key(NAME, public_bytes(KEY))
    assert note.text == referee.ask("open", key=vkey, note=cosigned.encode())["text"]


def test_go_refuses_what_we_refuse(referee: Referee) -> None:
    """Whichever character of a note is changed, Go and we agree whether it still opens."""
    vkey, key = verifier_key(NAME, public_bytes(KEY)), public_bytes(KEY)
    text = our_note(Checkpoint(NAME, 1, sha256(b"root")).encode()).encode()
    opened = 0
    for at in range(len(text)):
        for character in (chr(ord(text[at]) ^ 1), " ", "\n", "\x00", "+"):
            changed = text[:at] + character + text[at + 1 :]
            ours = opens(changed, key)
            assert ours == (referee.ask("open", key=vkey, note=changed)["error"] == "")
            opened += ours
    unchanged = sum(text[at] in " \n+" for at in range(len(text)))
    assert opened == unchanged


def opens(note: str, key: bytes) -> bool:
    """Say whether a note is well formed and signed by ``key``, as ``verify`` would."""
    try:
        read = Note.decode(note)
    except MalformedError:
        return False
    wanted = NAME, key_id(NAME, key)
    lines = [line for line in read.signatures if (line.name, line.key_id) == wanted]
    return bool(lines) and all(fast_check(key, read.text.encode(), line.signature) for line in lines)


def test_we_read_what_go_signs(referee: Referee) -> None:
    """Go's notes are ours byte for byte: same name, key id and signature, since Ed25519 is deterministic."""
    encoded = base64.b64encode(b"\x01" + KEY.private_bytes_raw()).decode()
    identity = key_id(NAME, public_bytes(KEY)).hex()
    private = f"PRIVATE+KEY+{NAME}+{identity}+{encoded}"
    for size in (0, 1, 2**35, 2**63 - 1):
        text = Checkpoint(NAME, size, sha256(b"root")).encode()
        answer = referee.ask("sign", key=private, note=text)
        assert answer["error"] == ""
        assert our_note(text).encode() == answer["text"]
        assert size == Checkpoint.decode(Note.decode(answer["text"]).text).size


# Trees


@pytest.mark.parametrize("size", SIZES)
def test_go_makes_the_same_roots_and_paths(referee: Referee, size: int) -> None:
    """Go's root, every record proof and every tree proof are ours."""
    leaves, hashes = hexes(leaves_of(size)), hashes_of(size)
    assert merkle.root_of(hashes).hex() == referee.ask("root", leaves=leaves, size=size)["text"]
    for index in range(size):
        path = referee.ask("prove record", leaves=leaves, size=size, index=index)["path"]
        assert hexes(merkle.inclusion_path(hashes, index)) == path
        old = index + 1
        tree_path = referee.ask("prove tree", leaves=leaves, size=size, index=old)["path"]
        assert hexes(merkle.consistency_path(hashes, old)) == tree_path


def refuses_record(path: tuple[bytes, ...], size: int, root: bytes, index: int, leaf: bytes) -> bool:
    try:
        merkle.check_inclusion(leaf, index, size, path, root)
    except VerificationError:
        return True
    return False


def refuses_tree(path: tuple[bytes, ...], size: int, root: bytes, old: int, old_root: bytes) -> bool:
    try:
        merkle.check_consistency(old, size, old_root, root, path)
    except VerificationError:
        return True
    return False


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_go_and_we_agree_on_every_record_proof(referee: Referee, size: int) -> None:
    """Good proofs, and proofs for another index, size, leaf or path: Go accepts exactly those that we accept."""
    hashes = hashes_of(size)
    root = merkle.root_of(hashes)
    accepted = 0
    for index in range(size):
        path = merkle.inclusion_path(hashes, index)
        for other_path in (path, path[:-1], (*path, root), tuple(map(sha256, path))):
            for other_index in range(size + 1):
                for other_size in (size, size + 1):
                    ours = not refuses_record(other_path, other_size, root, other_index, hashes[index])
                    answer = referee.ask(
                        "check record",
                        path=hexes(other_path),
                        size=other_size,
                        root=root.hex(),
                        index=other_index,
                        hash=hashes[index].hex(),
                    )
                    assert ours == (answer["error"] == "")
                    accepted += ours
    assert accepted >= size


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_go_and_we_agree_on_every_tree_proof(referee: Referee, size: int) -> None:
    """Good proofs, and proofs between other sizes or with another path: Go accepts exactly those that we accept."""
    hashes = hashes_of(size)
    root = merkle.root_of(hashes)
    accepted = 0
    for old in range(1, size + 1):
        path, old_root = merkle.consistency_path(hashes, old), merkle.root_of(hashes[:old])
        for other_path in (path, path[:-1], (*path, root), tuple(map(sha256, path))):
            for other_old in range(1, size + 1):
                ours = not refuses_tree(other_path, size, root, other_old, old_root)
                answer = referee.ask(
                    "check tree",
                    path=hexes(other_path),
                    size=size,
                    root=root.hex(),
                    index=other_old,
                    hash=old_root.hex(),
                )
                assert ours == (answer["error"] == "")
                accepted += ours
    assert accepted >= size


# A published log


@pytest.fixture
def mirrored(tmp_path: Path) -> Iterator[tuple[Service, Path]]:
    """A home with a chain of 600 entries, its mirror grown in three runs, the entries of the chain among it."""
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path / "home", bitcoin) as service:
        service.open_chain("acme")
        for count in (199, 200, 200):
            service.add("acme", *(b"%d" % number for number in range(count)))
            service.seal()
            chosen = [service.home.chains.named("acme")]
            service.mirror(tmp_path / "mirror").write(service.home.checkpoint_key, chosen)
        yield service, tmp_path / "mirror"


def prefixes(service: Service) -> dict[str, str]:
    """Return the number of leaves that each published log has, by its place in the mirror."""
    return {".": "7", f"chain/{service.home.chains.named('acme').chain_id.hex()}": "600"}


def test_go_reads_the_mirror(referee: Referee, mirrored: tuple[Service, Path]) -> None:
    """Go opens the checkpoints of directory and chain, authenticates every tile, and finds the leaves behind them."""
    service, folder = mirrored
    log = service.home.directory.log
    vkey = verifier_key(log.origin, log.checkpoint_key.value)
    for prefix, size in prefixes(service).items():
        answer = referee.ask("published", key=vkey, folder=str(folder / prefix), index=1)
        assert {"text": size, "path": None, "error": ""} == answer


def test_go_refuses_a_changed_mirror(referee: Referee, mirrored: tuple[Service, Path]) -> None:
    """One bit in any tile or bundle that the checkpoint needs, and Go refuses: the comparison can fail."""
    service, folder = mirrored
    log = service.home.directory.log
    vkey = verifier_key(log.origin, log.checkpoint_key.value)
    prefix = list(prefixes(service))[1]
    for name in ("tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001", "checkpoint"):
        path = folder / prefix / name
        kept = path.read_bytes()
        path.write_bytes(kept[:-7] + bytes([kept[-7] ^ 1]) + kept[-6:])
        assert referee.ask("published", key=vkey, folder=str(folder / prefix), index=1)["error"], name
        path.write_bytes(kept)
    assert "" == referee.ask("published", key=vkey, folder=str(folder / prefix), index=1)["error"]
