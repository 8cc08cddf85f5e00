"""Tests of the pages in ``docs/spec``: every example on them is what the code makes, reads and accepts.

Input is the pages and the story of ``tests/simulators/world.py``, whose values they show. Whoever changes a format
changes its page.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.bitcoin.header import Header
from anchor.proof.blocks import GivenBlock, HeaderChain
from anchor.proof.breach import Kind
from anchor.proof.chain_life import Closing
from anchor.proof.checkpoint import Checkpoint, Note, key_id, verifier_key
from anchor.proof.codec import sha256
from anchor.proof.did import did_key
from anchor.proof.disclosure import Disclosure
from anchor.proof.dispute import Evidence, judge
from anchor.proof.dispute import ExitCode as DisputeCode
from anchor.proof.dispute import Outcome as Judged
from anchor.proof.entry import Entry, chain_id_of, check_author, content_commitment
from anchor.proof.errors import Reason
from anchor.proof.heads import HeadsProof, check_absent, check_newest, heads_root
from anchor.proof.identity import Statement, identity_chain_id
from anchor.proof.identity_history import Place, begin
from anchor.proof.json_fields import FieldsDocument
from anchor.proof.leaves import HeadLeaf, KeyLeaf, SealLeaf, ThreadLeaf, decode_leaf
from anchor.proof.manifest import Document
from anchor.proof.manifest_proof import ManifestProof
from anchor.proof.merkle import leaf_hash, root_of
from anchor.proof.policy import NOBODY, Policy
from anchor.proof.promise import Promise, check_promise
from anchor.proof.promise_run import PromiseRun, promises_of
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.strictjson import loads
from anchor.proof.verify import NAMES, ExitCode, Finding, Outcome, State, Verifier, verify, verify_bytes
from chains.client.encrypting import ReaderKey, open_envelope
from chains.client.envelope import MAX_BOX, Envelope, EnvelopeFault, largest_box
from chains.client.errors import Untruth
from chains.client.policy_document import policy_of, policy_to_json
from chains.client.saved import SavedExchange
from tests.simulators.accused import ACCUSATIONS
from tests.simulators.documents import PERSON
from tests.simulators.policies import keys
from tests.simulators.world import fast_check, tell

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "docs" / "spec"
PAGES = (
    *("entry", "chain-and-directory", "heads-tree", "checkpoint", "promise", "receipt", "log-card", "headers"),
    *("verdict", "strict-json", "mirror", "thread", "dispute", "exchange", "manifest", "identity", "fields"),
)
STORY = tell()
SHAPE = STORY.shapes["anchored at its own checkpoint"]
SEALED = SHAPE.receipt.sealed
assert SEALED is not None


def page(name: str) -> str:
    return (SPEC / f"{name}.md").read_text()


def blocks_of(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)


def hex_of(name: str) -> dict[str, bytes]:
    """Return the bytes that a page takes apart, by their titles."""
    shown = {}
    for block in blocks_of(name, "hex"):
        title, *lines = block.splitlines()
        shown[title.removeprefix("# ")] = bytes.fromhex("".join(line.split("#")[0] for line in lines))
    return shown


def example(name: str) -> Any:
    [block] = blocks_of(name, "json")
    return json.loads(block)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_parts_and_its_vectors_are_there(name: str) -> None:
    """A whole example comes first; vectors and pages that a page names exist."""
    headings = re.findall(r"^## (.*)$", page(name), re.MULTILINE)
    assert headings[0] == "A whole example"
    assert headings[-1] == "Vectors"
    assert any(heading.startswith("What MUST") for heading in headings)
    named = re.findall(r"`(tests/[^`]*|anchor/[^`]*)`", page(name))
    assert any(path.startswith("tests/") for path in named)
    for path in named:
        assert (ROOT / path).exists()
    for link in re.findall(r"\]\(([^)]*)\)", page(name)):
        assert (SPEC / link).is_file()


def test_entry_page() -> None:
    """The entries on the page are the story's: one signed, one that gives its chain an id."""
    shown = hex_of("entry")
    signed, first = Entry.decode(shown["entry"]), Entry.decode(shown["first entry"])
    assert SHAPE.receipt.entry == signed
    assert check_author(signed, fast_check)
    assert f"`{signed.hash.hex()}`" in page("entry")
    assert content_commitment(SHAPE.receipt.content.salt, sha256(b"order 3")) == signed.content_commitment
    assert f"`{SHAPE.receipt.content.salt.hex()}`" in page("entry")
    assert STORY.shapes["first entry"].receipt.entry == first
    assert chain_id_of(first.external_ids) == first.chain_id


def test_identity_page() -> None:
    """The statement on the page is that of the vectors, and begins the identity that the page names."""
    statement = Statement.decode(hex_of("identity")["begin"])
    cases = json.loads((ROOT / "tests" / "vectors" / "identity.json").read_text())["cases"]
    assert cases[0]["statement"] == statement.encode().hex()
    chain_id, [key, _] = identity_chain_id(statement), statement.signatures
    history = begin(chain_id, statement.about, statement, Place(0, 0, 0), fast_check)
    assert statement.hash == history.tip
    for shown in (statement.hash.hex(), chain_id.hex(), did_key(key[0])):
        assert f"`{shown}`" in page("identity")


def test_envelope_page() -> None:
    """The envelope on the page is that of the vectors, and its reader opens it to what the page says."""
    shown, text = hex_of("envelope")["envelope"], page("envelope")
    cases = json.loads((ROOT / "tests" / "vectors" / "envelope.json").read_text())["cases"]
    case = next(each for each in cases if each["description"] == "a birthday")
    assert case["envelope"] == shown.hex()
    opened = open_envelope(
        Envelope.decode(shown),
        Entry.decode(bytes.fromhex(case["entry"])),
        ReaderKey(bytes.fromhex(case["private_key"])),
    )
    for value in (case["reader"], case["private_key"], opened.salt.hex(), opened.content.decode()):
        assert f"`{value}`" in text
    assert f"\n{case['entry']}\n" in text
    assert f"| {largest_box(0)} to {MAX_BOX} |" in text
    assert {f"`{fault}`" for fault in EnvelopeFault} <= set(re.findall(r"`[a-z-]+`", text))


def test_directory_page() -> None:
    """The directory on the page has the root and the log id that it says, and the leaves taken apart are in it."""
    [block] = blocks_of("chain-and-directory", "directory")
    leaves = [bytes.fromhex(line) for line in block.splitlines()]
    assert [leaf.encode() for leaf in STORY.world.directory[: len(leaves)]] == leaves
    text = page("chain-and-directory")
    assert f"`{root_of([leaf_hash(leaf) for leaf in leaves]).hex()}`" in text
    assert f"`{leaf_hash(leaves[0]).hex()}`" in text
    shown = hex_of("chain-and-directory")
    assert leaves[0] == shown["leaf 0"]
    for title, kind in (("thread", ThreadLeaf), ("head", HeadLeaf), ("seal", SealLeaf), ("key", KeyLeaf)):
        assert isinstance(decode_leaf(shown[title]), kind)
        assert shown[title] in [leaf.encode() for leaf in STORY.world.directory]


def test_manifest_page() -> None:
    """Document and proof on the page are those of the vectors, in the only form of the document."""
    document, proof = blocks_of("manifest", "json")
    shown = ManifestProof.decode(proof.encode())
    shown.check()
    assert document.encode() == shown.document == Document.decode(shown.document).encode()
    assert (b'{"beam":8}\n', proof) == (shown.rows[0].row, shown.encode().decode())


def test_fields_page() -> None:
    """Document, disclosure and leaf on the page are those of the vectors' two of five fields."""
    document, disclosure = blocks_of("fields", "json")
    shown = Disclosure.decode(disclosure.encode())
    shown.check()
    assert document.encode() == shown.document == FieldsDocument.decode(shown.document).encode()
    assert (3, disclosure) == (shown.withheld, shown.encode().decode())
    first = shown.shown[0]
    assert {"leaf": first.field.leaf(first.salt)} == hex_of("fields")
    assert PERSON.count(b":") - 1 == FieldsDocument.decode(shown.document).fields


def test_heads_tree_page() -> None:
    """The proofs on the page hold under the root that the third seal of the story has."""
    value = example("heads-tree")
    root = bytes.fromhex(value["heads_root"])
    seal = STORY.world.directory[STORY.world.seals[2].index]
    assert isinstance(seal, SealLeaf)
    assert root == seal.heads_root
    items = [(bytes.fromhex(item["chain_id"]), bytes.fromhex(item["leaf_hash"])) for item in value["heads"]]
    assert root == heads_root(items)
    newest, absent = ((value[name], proof_of(value[name])) for name in ("newest", "absent"))
    chain_id = bytes.fromhex(newest[0]["chain_id"])
    assert chain_id == check_newest(newest[1], chain_id, root).chain_id
    check_absent(absent[1], bytes.fromhex(absent[0]["chain_id"]), root)


def proof_of(value: dict[str, Any]) -> HeadsProof:
    return HeadsProof(bytes.fromhex(value["terminal"]) or None, tuple(map(bytes.fromhex, value["siblings"])))


def test_checkpoint_page() -> None:
    """The note on the page is the story's second checkpoint, signed by the key that the page names."""
    [text] = blocks_of("checkpoint", "text")
    note = Note.decode(text)
    assert STORY.world.seals[1].note == note
    origin, key = STORY.world.origin, STORY.world.log.checkpoint_key.value
    assert f"`{verifier_key(origin, key)}`" in page("checkpoint")
    assert Checkpoint.decode(note.text).origin == origin
    [line] = note.signatures
    assert (origin, key_id(origin, key)) == (line.name, line.key_id)
    assert fast_check(key, note.text.encode(), line.signature)


def test_promise_page() -> None:
    """The promise on the page holds, and the bytes taken apart are its note and its leaf."""
    alone, together = (json.loads(block) for block in blocks_of("promise", "json"))
    promise = Promise.from_json(alone)
    assert [promise] == list(promises_of(PromiseRun.from_json(together), [promise.leaf]))
    check_promise(promise, STORY.world.log.log_id, STORY.world.log.promise_key.value, fast_check)
    assert {"note": promise.note.encode(), "leaf": promise.leaf.encode()} == hex_of("promise")


def test_dispute_page() -> None:
    """The evidence on the page is the one that its accuser makes, and every kind, outcome and exit code is on it."""
    [text] = blocks_of("dispute", "json")
    evidence = Evidence.decode(text.encode())
    assert ACCUSATIONS["one place promised to two entries"]() == evidence
    assert Judged.EQUIVOCATION == judge(evidence, LogCard(evidence.log), fast_check).outcome
    for kind in Kind:
        assert f"| `{kind}` |" in page("dispute")
    for outcome in Judged:
        assert f"| `{outcome}` | {DisputeCode[outcome.name]:d} |" in page("dispute")


def test_exchange_page() -> None:
    """The saved exchange on the page is read, and its name for what was wrong is one of the client's."""
    [text] = blocks_of("exchange", "json")
    assert SavedExchange.decode(text.encode()).untruth in set(Untruth)


def test_log_card_page() -> None:
    """The card on the page is the story's."""
    [text] = blocks_of("log-card", "json")
    assert STORY.world.card.encode().decode() == text


def test_headers_page() -> None:
    """The headers on the page are a chain that ends with the block that the page names."""
    [text] = blocks_of("headers", "headers")
    chain = HeaderChain.decode(text.encode())
    [name] = re.findall(r"`(regtest:[0-9]+:[0-9a-f]{64})`", page("headers"))
    given = GivenBlock.decode(name)
    last = chain.at(given.height)
    assert last is not None
    assert (given.hash, 1) == (last.hash, last.confirmations)


def test_receipt_and_verdict_pages() -> None:
    """The receipt on its page, with the card and the block of the other pages, has the verdict of the fourth."""
    [text] = blocks_of("receipt", "json")
    [card] = blocks_of("log-card", "json")
    [block] = re.findall(r"`--block ([^`]*)`", page("receipt"))
    blocks = (GivenBlock.decode(block),)
    verdict = verify_bytes(text.encode(), Verifier(sha256(b"order 3"), LogCard.decode(card.encode()), blocks=blocks))
    assert Outcome.INTACT == verdict.outcome
    assert example("verdict") == verdict.to_json()
    assert SHAPE.receipt == Receipt.decode(text.encode())


def test_verdict_page_names_everything() -> None:
    """Steps, states, outcomes, exit codes and reasons stand on the page; so do the three reserved exit codes."""
    text = page("verdict")
    for number, name in NAMES.items():
        assert f"| {number} | {name} |" in text
    for word in (*State, *Outcome):
        assert f"`{word}`" in text
    for code in range(9):
        assert re.search(rf"^\| {code} \| ", text.partition("| exit code | what |")[2], re.MULTILINE)
    assert {code for code in range(9) if code not in set(ExitCode)} == {8}
    for reason in Reason:
        assert f"`{reason}`" in text
    rows = re.findall(r"^\| `([^`]+)` \| (\d) \| ", text.partition("## Findings")[2], re.MULTILINE)
    assert list(Finding) == [finding for finding, _ in rows]


def test_policy_page() -> None:
    """The statement on the page is read, means what the page says, and is written back as it came."""
    [shown] = blocks_of("policy", "hex")
    value = bytes.fromhex("".join(line.partition("#")[0] for line in shown.splitlines()))
    policy = Policy.decode(value)
    assert Policy(keys(1, "ann"), keys(2, "ann", "bob", "cat"), NOBODY, ("text/csv",), (1,)) == policy
    assert value == policy.encode()
    assert policy == policy_of(example("policy"))
    assert example("policy") == policy_to_json(policy)


def test_chain_life_page() -> None:
    """The closing on the page is read, means what the page says, and is written back as it came."""
    [example] = blocks_of("chain-life", "hex")
    value = bytes.fromhex("".join(line.partition("#")[0] for line in example.splitlines()))
    closing = Closing.decode(value)
    assert Closing(1750000019456, "we move", b"\x5a" * 32) == closing
    assert value == closing.encode()


def test_findings_have_the_exit_codes_of_the_page() -> None:
    """The table of findings on the page gives each vector's exit code."""
    text = page("verdict")
    cases = json.loads((ROOT / "tests" / "vectors" / "receipts.json").read_text())["cases"]
    rows = {f"| `{case['want']['finding']}` | {case['want']['exit_code']} |" for case in cases if "want" in case}
    assert set() == {row for row in rows if row not in text}


@pytest.mark.parametrize("case", json.loads((ROOT / "tests" / "vectors" / "receipts.json").read_text())["cases"][:60])
def test_outcomes_have_the_exit_codes_of_the_page(case: dict[str, Any]) -> None:
    """The table of outcomes on the page gives each vector's exit code."""
    if "want" in case:
        row = f"| `{case['want']['outcome']}` | {case['want']['exit_code']} |"
        assert row in page("verdict")


def test_strict_json_page() -> None:
    """The example on the page is read, and means what it says."""
    [text] = blocks_of("strict-json", "json")
    assert loads(text.encode(), "example", 1000)["text"] == "A \U0001f600"


def test_attestation_page() -> None:
    """The anchor on the page is over the receipt's checkpoint, and makes the receipt attested by its block alone."""
    [anchor] = map(json.loads, blocks_of("attestation", "json"))
    [text] = blocks_of("receipt", "json")
    receipt = Receipt.decode((json.dumps(json.loads(text) | {"anchors": [anchor]})).encode())
    assert receipt.sealed is not None
    header = Header.decode(bytes.fromhex(anchor["header"]))
    block = GivenBlock("regtest", 700_000, header.hash)
    verdict = verify(receipt, Verifier(any_log=True, blocks=(block,), check_signature=fast_check))
    assert Outcome.ATTESTED == verdict.outcome
