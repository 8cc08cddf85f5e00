"""Makes ``identity.json``: statements of identities, and what histories of them come to; most can go wrong.

Input is the holders of ``tests/simulators/identities.py``. ``python -m tests.vectors.make_identity_vectors`` in the
repository's root writes the file; ``tests/unit/proof/test_identity.py`` runs every case, and fails where this script
would write another. Which keys count, and which entries do not, is written by hand.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from anchor.proof.certificate_proof import CertificateProof, ProofAlgorithm
from anchor.proof.codec import sha256
from anchor.proof.did import did_key
from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.identity import Ending, Key, Operation, Purpose, Statement, identity_chain_id
from tests.simulators.identities import began, entry_of, first_entry_of, key, key_set, public, signed

FILE = Path(__file__).with_name("identity.json")
ABOUT = (
    "Identities: docs/spec/identity.md. statement wants the parts of a statement, history what the entries of an "
    "identity's chain come to (keys by their since and until, numbers of seals; null: still valid), which of them "
    "count for nothing, and which signatures under entries count. Bytes are hex, 64-bit numbers decimal texts."
)
Json = dict[str, Any]
LOG = sha256(b"the log of the vectors")
SERVICE = "the log's promise key"
HOUR_MS = 3_600_000
# Of the entries in the first case of bindings.
IGNORED = [2, 3, 4, 6, 7, 9, 10]
SMALL = b"\x01" + bytes(31)
"""The neutral point: lax rules take ``SMALL + 32 zeros`` as its signature over anything."""


class Telling:
    """A chain of statements, each in a seal of its own unless it says so; a seal is an hour and six blocks."""

    def __init__(self, begin: Statement) -> None:
        self.chain_id = identity_chain_id(begin)
        self.tip = begin.hash
        self.number = 0
        self.height = 100
        self.rows: list[Json] = []
        self.add(first_entry_of(begin))

    def add(self, entry: Entry, *, same_seal: bool = False, blocks: int = 6) -> None:
        if not same_seal and self.rows:
            self.number += 1
            self.height += blocks
        self.rows.append(
            {
                "entry": entry.encode().hex(),
                "seal_number": self.number,
                "sealed_at_ms": str(self.number * HOUR_MS),
                "block_height": self.height,
                "promise_key": public(SERVICE).hex(),
            }
        )

    def state(
        self,
        operation: Operation,
        *names: str,
        moves: bool = True,
        same_seal: bool = False,
        blocks: int = 6,
        previous: bytes | None = None,
        **parts: Any,
    ) -> Statement:
        statement = Statement(operation, self.tip if previous is None else previous, **parts)
        made = signed(statement, self.chain_id, *names)
        self.add(entry_of(self.chain_id, made.encode()), same_seal=same_seal, blocks=blocks)
        self.tip = made.hash if moves else self.tip
        return made

    def case(
        self,
        description: str,
        keys: Mapping[str, tuple[int, int | None]] | str,
        ignored: Sequence[int] = (),
        judged: Sequence[tuple[str, int, bool]] = (),
        log: bytes = LOG,
        bound: Sequence[Sequence[Any]] = (),
    ) -> Json:
        """Return the case; ``judged``: a holder, the seal of an entry that he signed, and whether it counts."""
        shown: Any = keys
        if not isinstance(keys, str):
            spans = {public(name).hex(): list(span) for name, span in keys.items()}
            shown = {"keys": dict(sorted(spans.items())), "ignored": list(ignored)}
            shown |= {"bound": bound} if bound else {}
        verdicts = [
            {"key": public(name).hex(), "seal_number": seal, "sealed_at_ms": str(seal * HOUR_MS), "want": want}
            for name, seal, want in judged
        ]
        return _case(
            description,
            "history",
            chain_id=self.chain_id.hex(),
            log_id=log.hex(),
            entries=self.rows,
            judged=verdicts,
            **({"want_error": shown} if isinstance(shown, str) else {"want": shown}),
        )


PROOF = CertificateProof(ProofAlgorithm.ECDSA_P256_SHA256, b"", bytes(range(64)))
"""A proof that no certificate's key made: whether it holds, a history does not say."""


def cases() -> Iterator[Json]:
    """Return every case."""
    yield from _statements()
    yield from _plain()
    yield from _refused()
    yield from _recoveries()
    yield from _announcements()
    yield from _bindings()
    yield from _no_identity()


def _case(description: str, check: str, **fields: Any) -> Json:
    return {"description": description, "check": check, **fields}


def _begin(**changed: Any) -> Statement:
    keys = key_set(key("boss"), key("press", Purpose.ENTRIES), **changed)
    recovery = changed.get("recovery", ())
    return began(LOG, keys, "boss", "press", *recovery, called=("did:web:acme.example",))


# --- statements


def shown(statement: Statement) -> Json:
    """Return what a reader finds in a statement."""
    found: Json = {
        "operation": int(statement.operation),
        "hash": statement.hash.hex(),
        "previous": statement.previous.hex(),
        "about": statement.about.hex(),
        "ending": int(statement.ending),
        "names": list(statement.names),
        "signers": [public_key.hex() for public_key, _ in statement.signatures],
    }
    if statement.proof is not None:
        proof = statement.proof
        found["proof"] = [int(proof.algorithm), proof.attributes.hex(), proof.signature.hex()]
    if statement.key is not None:
        found["key"] = _key(statement.key)
    if statement.key_set is not None:
        found["key_set"] = {
            "keys": [_key(item) for item in statement.key_set.keys],
            "threshold": statement.key_set.threshold,
            "recovery": [item.hex() for item in statement.key_set.recovery],
            "wait_blocks": statement.key_set.wait_blocks,
        }
    return found


def _key(item: Any) -> Json:
    return {
        "public_key": item.public_key.hex(),
        "purposes": int(item.purposes),
        "not_after_ms": str(item.not_after_ms),
        "did": did_key(item.public_key),
    }


def _statements() -> Iterator[Json]:
    chain_id = sha256(b"a chain")
    full = key_set(
        *(key(f"k{number}") for number in range(8)), recovery=[f"r{number}" for number in range(8)], wait_blocks=2016
    )
    begin = _begin()
    statements = {
        "a begin": begin,
        "add a key that expires": Statement(Operation.ADD, begin.hash, key=key("new", Purpose.ENTRIES, HOUR_MS)),
        "rotate": Statement(Operation.ROTATE, begin.hash, public("press"), Ending.REPLACED, key("new")),
        "revoke": Statement(Operation.REVOKE, begin.hash, public("press"), Ending.STOLEN),
        "recover with as many keys as there may be": Statement(Operation.RECOVER, begin.hash, key_set=full),
        "announce": Statement(Operation.ANNOUNCE, begin.hash, ending=Ending.LOST, key_set=key_set(key("new"))),
        "object": Statement(Operation.OBJECT, begin.hash, sha256(b"an announcement")),
        "complete": Statement(Operation.COMPLETE, begin.hash, sha256(b"an announcement")),
        "bind a certificate": Statement(Operation.BIND, begin.hash, sha256(b"a certificate"), proof=PROOF),
        "bind by a proof with attributes": Statement(
            Operation.BIND, begin.hash, sha256(b"a certificate"), proof=CertificateProof(255, bytes(1024), bytes(512))
        ),
        "unbind": Statement(Operation.UNBIND, begin.hash, sha256(b"a certificate"), Ending.UNUSED),
    }
    for name, unsigned in statements.items():
        statement = unsigned if unsigned.signatures else signed(unsigned, chain_id, "boss", "new")
        yield _case(name, "statement", statement=statement.encode().hex(), want=shown(statement))
    many = signed(statements["recover with as many keys as there may be"], chain_id, *(f"s{n}" for n in range(24)))
    yield _case("24 signatures", "statement", statement=many.encode().hex(), want=shown(many))
    yield from _malformed(begin, signed(statements["revoke"], chain_id, "boss"))
    yield from _malformed_proofs(signed(statements["bind a certificate"], chain_id, "boss"))


def _malformed_proofs(bind: Statement) -> Iterator[Json]:
    raw = bind.encode()
    for name, part in {
        "algorithm 0": b"\0" + PROOF.encode()[1:],
        "attributes of 1,025 bytes": b"\3" + b"\x04\x01" + bytes(1025) + b"\0\1" + bytes(1),
        "a signature of 513 bytes": b"\3" + b"\0\0" + b"\x02\x01" + bytes(513),
        "no signature": b"\3" + bytes(4),
        "a signature that is cut": b"\3" + b"\0\0" + b"\x02\x00" + bytes(64),
    }.items():
        made = raw.replace(PROOF.encode(), part)
        yield _case(f"a proof with {name}", "statement", statement=made.hex(), want_error="malformed")


def _malformed(begin: Statement, revoke: Statement) -> Iterator[Json]:
    def refused(description: str, raw: bytes, want: str = "malformed") -> Json:
        return _case(description, "statement", statement=raw.hex(), want_error=want)

    raw, short = begin.encode(), revoke.encode()
    yield refused("nothing", b"")
    yield refused("cut", raw[:-1])
    yield refused("a byte too many", raw + b"\0")
    yield refused("more than 4,000 bytes", raw + bytes(4001))
    yield refused("another version", b"\x02" + raw[1:], "unknown-version")
    yield refused("another operation", raw[:1] + b"\x0b" + raw[2:], "unknown-version")
    yield refused("operation 0", raw[:1] + b"\x00" + raw[2:], "unknown-version")
    yield refused("an unknown reason", short[:66] + b"\x05" + short[67:])
    yield refused("no signature", revoke.unsigned + b"\0")
    signature = short[68:]
    yield refused("the same signature twice", revoke.unsigned + b"\x02" + signature * 2)
    names_at = 2 + 64
    web = b"did:web:acme.example"
    name_at = names_at + 2
    assert raw[name_at : name_at + len(web)] == web
    for other in (
        b"did:web:Acme.example",
        b"did:web:acme example",
        b"did:key:acme.example",
        b"did:web:acme.examp\xe9e",
    ):
        yield refused(f"a name {other!r}", raw.replace(web, other))
    keys_at = name_at + len(web)
    assert raw[keys_at] == 2
    one, other = raw[keys_at + 1 : keys_at + 42], raw[keys_at + 42 : keys_at + 83]
    rest = raw[keys_at + 83 :]
    yield refused("keys out of order", raw[:keys_at] + b"\x02" + other + one + rest)
    yield refused("a key twice", raw[:keys_at] + b"\x02" + one + one + rest)
    yield refused("no key", raw[:keys_at] + b"\x00" + rest)
    press = one if one[32] == Purpose.ENTRIES else other
    yield refused("no key that may change keys", raw[:keys_at] + b"\x01" + press + rest)
    for purposes in (0, 4):
        changed = one[:32] + bytes((purposes,)) + one[33:]
        yield refused(f"purposes {purposes}", raw[:keys_at] + b"\x02" + changed + other + rest)
    recovery = public("paper")
    for name, tail in {
        "a threshold without recovery keys": b"\x01\x00" + bytes(4),
        "no threshold for recovery keys": b"\x00\x01" + recovery + bytes(4),
        "a threshold of more keys than there are": b"\x02\x01" + recovery + bytes(4),
        "recovery keys that are keys": b"\x01\x01" + one[:32] + bytes(4),
        "a wait of less than a day": b"\x00\x00" + (143).to_bytes(4, "big"),
        "nine recovery keys": b"\x01\x09" + b"".join(bytes((n,)) * 32 for n in range(9)) + bytes(4),
    }.items():
        assert rest[:6] == bytes(6)
        yield refused(name, raw[: keys_at + 83] + tail + rest[6:])


# --- histories


def _plain() -> Iterator[Json]:
    told = Telling(_begin())
    told.state(Operation.ADD, "boss", "web", key=key("web", Purpose.ENTRIES))
    told.state(Operation.ROTATE, "boss", "press 2", about=public("press"), ending=Ending.REPLACED, key=key("press 2"))
    told.state(Operation.REVOKE, "press 2", about=public("web"), ending=Ending.STOLEN)
    judged = [
        *[("press", 0, False), ("press", 1, True), ("press", 2, False), ("press", 3, False)],
        *[("web", 1, False), ("web", 2, True), ("web", 3, False), ("web", 4, False)],
        *[("press 2", 2, False), ("press 2", 3, True), ("boss", 4, True), ("nobody", 4, False)],
    ]
    spans = {"boss": (0, None), "press": (0, 2), "press 2": (2, None), "web": (1, 3)}
    yield told.case("added, rotated and revoked: a tie in one seal counts against the signer", spans, judged=judged)

    told = Telling(_begin())
    told.state(Operation.ADD, "boss", "web", key=key("web"))
    told.state(Operation.ADD, "web", "app", key=key("app"), same_seal=True)
    told.state(Operation.REVOKE, "boss", about=public("web"), same_seal=True)
    told.state(Operation.ADD, "web", "more", key=key("more"), same_seal=True, moves=False)
    spans = {"boss": (0, None), "press": (0, None), "web": (1, 1), "app": (1, None)}
    judged = [("web", 1, False), ("web", 2, False), ("app", 1, False), ("app", 2, True)]
    yield told.case("within a seal statements have the order of their chain", spans, [4], judged)

    told = Telling(_begin())
    told.state(Operation.ADD, "boss", "web", key=key("web", not_after_ms=3 * HOUR_MS))
    told.state(Operation.ADD, "web", "app", key=key("app"))
    told.state(Operation.ADD, "web", "more", key=key("more"), moves=False)
    spans = {"boss": (0, None), "press": (0, None), "web": (1, None), "app": (2, None)}
    judged = [("web", 2, True), ("web", 3, False)]
    yield told.case("a key that is too old signs nothing and changes no keys", spans, [3], judged)

    told = Telling(began(LOG, key_set(key("boss", Purpose.KEYS)), "boss"))
    yield told.case("a key for keys signs no entries", {"boss": (0, None)}, judged=[("boss", 1, False)])


def _refused() -> Iterator[Json]:
    told = Telling(_begin())
    first = told.tip
    told.state(Operation.ADD, "press", "web", key=key("web"), moves=False)
    told.state(Operation.ADD, "boss", key=key("web"), moves=False)
    told.state(Operation.ADD, "web", key=key("web"), moves=False)
    told.state(Operation.ADD, "boss", "web", "stranger", key=key("web"), moves=False)
    told.state(Operation.REVOKE, "boss", about=public("nobody"), moves=False)
    told.state(Operation.ADD, "boss", "web", key=key("web"), previous=sha256(b"another"), moves=False)
    told.state(Operation.RECOVER, "boss", "new", key_set=key_set(key("new")), moves=False)
    told.state(Operation.ADD, "boss", "press", key=key("press"), moves=False)
    good = signed(Statement(Operation.ADD, told.tip, key=key("web")), told.chain_id, "boss", "web")
    wrong = replace(good, signatures=tuple((name, bytes(63) + b"\1") for name, _ in good.signatures))
    told.add(entry_of(told.chain_id, wrong.encode()))
    small = Statement(Operation.ADD, told.tip, key=Key(SMALL, Purpose.ENTRIES))
    small = signed(small, told.chain_id, "boss")
    forged = replace(small, signatures=tuple(sorted([*small.signatures, (SMALL, SMALL + bytes(32))])))
    told.add(entry_of(told.chain_id, forged.encode()))
    other = signed(Statement(Operation.ADD, told.tip, key=key("web")), sha256(b"another chain"), "boss", "web")
    told.add(entry_of(told.chain_id, other.encode()))
    told.add(entry_of(told.chain_id, good.encode()[:-1]))
    told.add(replace(entry_of(told.chain_id, b""), extensions=()))
    told.add(first_entry_of(_begin()))
    told.state(Operation.REVOKE, "boss", about=public("press"), ending=Ending.LOST)
    told.add(entry_of(told.chain_id, good.encode()))
    told.state(Operation.REVOKE, "boss", about=public("press"), ending=Ending.LOST, moves=False)
    told.state(Operation.ADD, "boss", "press", key=key("press"), moves=False)
    told.state(Operation.REVOKE, "boss", about=public("boss"), previous=first, moves=False)
    spans = {"boss": (0, None), "press": (0, 15)}
    yield told.case("what is not signed as it must be counts for nothing", spans, [*range(1, 15), 16, 17, 18, 19])

    told = Telling(_begin())
    told.add(entry_of(told.chain_id, b"\x02 a later version"))
    yield told.case("a statement of a later version might end a key", "unknown-version")


def _recoveries() -> Iterator[Json]:
    papers = ("paper 1", "paper 2", "paper 3")
    told = Telling(_begin(recovery=papers, threshold=2))
    told.state(Operation.ROTATE, "boss", "thief", about=public("press"), key=key("thief"))
    told.state(Operation.REVOKE, "thief", about=public("boss"), ending=Ending.LOST)
    new = key_set(key("boss 2"), recovery=papers, threshold=2)
    fields: Json = {"key_set": new, "ending": Ending.STOLEN}
    told.state(Operation.RECOVER, "paper 1", "paper 3", "boss 2", **fields)
    told.state(Operation.ADD, "thief", "more", key=key("more"), moves=False)
    again = key_set(key("boss 3"))
    told.state(Operation.RECOVER, "paper 1", "boss 3", key_set=again, moves=False)
    told.state(Operation.RECOVER, "thief", "boss 2", "boss 3", key_set=again, moves=False)
    told.state(Operation.RECOVER, "paper 2", "paper 3", "boss 3", key_set=again, ending=Ending.LOST)
    told.state(Operation.RECOVER, "paper 2", "paper 3", "boss 4", key_set=key_set(key("boss 4")), moves=False)
    spans = {"boss": (0, 2), "press": (0, 1), "thief": (1, 3), "boss 2": (3, 7), "boss 3": (7, None)}
    judged = [("thief", 2, True), ("thief", 3, False), ("boss", 1, True), ("boss 3", 8, True)]
    yield told.case("a threshold of recovery keys takes an identity back", spans, [4, 5, 6, 8], judged)

    told = Telling(_begin(recovery=("paper",)))
    told.state(Operation.ADD, "boss", "paper", key=key("paper"), moves=False)
    told.state(Operation.ADD, "paper", "new", key=key("new"), moves=False)
    fields = {"key_set": key_set(key("boss 2"), recovery=["press"])}
    told.state(Operation.RECOVER, "paper", "boss 2", "press", moves=False, **fields)
    told.state(Operation.RECOVER, "paper", "press", key_set=key_set(key("press")), moves=False)
    spans = {"boss": (0, None), "press": (0, None)}
    yield told.case("a recovery key is nothing else, and no key comes back", spans, [1, 2, 3, 4])


def _announcements() -> Iterator[Json]:
    def lost() -> Telling:
        return Telling(began(LOG, key_set(key("only"), wait_blocks=144), "only"))

    new: Json = {"key_set": key_set(key("new"), wait_blocks=144), "ending": Ending.LOST}
    told = lost()
    announced = told.state(Operation.ANNOUNCE, SERVICE, "new", moves=False, **new)
    told.state(Operation.COMPLETE, "new", about=announced.hash, blocks=143, moves=False)
    told.state(Operation.COMPLETE, "only", about=announced.hash, blocks=1, moves=False)
    told.state(Operation.COMPLETE, "new", about=announced.hash, blocks=0)
    told.state(Operation.COMPLETE, "new", about=announced.hash, moves=False)
    judged = [("only", 3, True), ("only", 4, False), ("new", 4, False), ("new", 5, True)]
    yield told.case("who lost his only key waits", {"only": (0, 4), "new": (4, None)}, [2, 3, 5], judged)

    told = lost()
    announced = told.state(Operation.ANNOUNCE, SERVICE, "new", moves=False, **new)
    told.state(Operation.OBJECT, "new", about=announced.hash, moves=False)
    told.state(Operation.OBJECT, "only", about=announced.hash)
    told.state(Operation.COMPLETE, "new", about=announced.hash, blocks=200, moves=False)
    told.add(entry_of(told.chain_id, announced.encode(), b"again"))
    yield told.case("the holder of the old key objects", {"only": (0, None)}, [2, 4, 5])

    told = lost()
    announced = told.state(Operation.ANNOUNCE, SERVICE, "new", moves=False, **new)
    told.state(Operation.ADD, "only", "web", key=key("web"))
    told.state(Operation.COMPLETE, "new", about=announced.hash, blocks=200, moves=False)
    spans = {"only": (0, None), "web": (2, None)}
    yield told.case("a statement of the old key, made without knowing, objects as well", spans, [3])

    told = lost()
    first = told.state(Operation.ANNOUNCE, SERVICE, "new", moves=False, **new)
    later: Json = {"key_set": key_set(key("newer")), "ending": Ending.LOST}
    second = told.state(Operation.ANNOUNCE, SERVICE, "newer", moves=False, blocks=100, **later)
    told.add(entry_of(told.chain_id, first.encode(), b"again"))
    told.state(Operation.COMPLETE, "new", about=first.hash, blocks=100, moves=False)
    told.state(Operation.COMPLETE, "newer", about=second.hash, blocks=38)
    keys = {"only": (0, 5), "newer": (5, None)}
    yield told.case("a later announcement takes the place of one, which cannot be said again", keys, [3, 4])

    told = lost()
    told.state(Operation.ANNOUNCE, "new", moves=False, **new)
    told.state(Operation.ANNOUNCE, SERVICE, moves=False, **new)
    told.state(Operation.ANNOUNCE, "another log's key", "new", moves=False, **new)
    yield told.case("only the log announces, and only keys that somebody holds", {"only": (0, None)}, [1, 2, 3])

    told = Telling(_begin(recovery=("paper",)))
    told.state(Operation.ANNOUNCE, SERVICE, "new", moves=False, **new)
    yield told.case("an identity that allows no announcement", {"boss": (0, None), "press": (0, None)}, [1])

    told = Telling(_begin(recovery=("paper",), wait_blocks=144))
    kept = key_set(key("new"), recovery=("paper", "paper 2"))
    told.state(Operation.ANNOUNCE, SERVICE, "new", moves=False, key_set=kept)
    announced = told.state(Operation.ANNOUNCE, SERVICE, "new", "paper 2", moves=False, key_set=kept)
    told.state(Operation.COMPLETE, "new", about=announced.hash, blocks=144)
    ended = {"boss": (0, 3), "press": (0, 3), "new": (3, None)}
    yield told.case("a recovery key that stays need not sign, a new one must", ended, [1])

    told = Telling(_begin(recovery=("paper 1", "paper 2"), wait_blocks=144))
    announced = told.state(Operation.ANNOUNCE, SERVICE, "new", moves=False, **new)
    told.state(Operation.OBJECT, "paper 1", about=announced.hash, moves=False)
    told.state(Operation.OBJECT, "paper 1", "paper 2", about=announced.hash)
    told.state(Operation.COMPLETE, "new", about=announced.hash, blocks=200, moves=False)
    yield told.case("recovery keys object", {"boss": (0, None), "press": (0, None)}, [2, 4])


def _bindings() -> Iterator[Json]:
    one, other = sha256(b"a certificate"), sha256(b"another one")
    told = Telling(_begin())
    told.state(Operation.BIND, "boss", about=one, proof=PROOF)
    told.state(Operation.BIND, "boss", about=one, proof=PROOF, moves=False)
    told.state(Operation.BIND, "press", about=other, proof=PROOF, moves=False)
    told.state(Operation.BIND, "boss", "press", about=other, proof=PROOF, moves=False)
    told.state(Operation.BIND, "boss", about=other, proof=PROOF, same_seal=True)
    told.state(Operation.UNBIND, "press", about=one, moves=False)
    told.state(Operation.UNBIND, "boss", about=sha256(b"no certificate"), moves=False)
    told.state(Operation.UNBIND, "boss", about=one, ending=Ending.REPLACED)
    told.state(Operation.UNBIND, "boss", about=one, moves=False)
    told.state(Operation.BIND, "boss", about=one, proof=PROOF, moves=False)
    told.state(Operation.ADD, "boss", "web", key=key("web"))
    spans = {"boss": (0, None), "press": (0, None), "web": (10, None)}
    bound = [[one.hex(), 1, 7], [other.hex(), 4, None]]
    yield told.case("a certificate is bound once, and unbound by a key that changes keys", spans, IGNORED, bound=bound)

    told = Telling(_begin())
    for number in range(17):
        told.state(Operation.BIND, "boss", about=sha256(b"%d" % number), proof=PROOF, moves=number < 16)
    bound = [[sha256(b"%d" % number).hex(), number + 1, None] for number in range(16)]
    yield told.case("more certificates than there may be", {"boss": (0, None), "press": (0, None)}, [17], bound=bound)

    told = Telling(_begin(recovery=("paper",)))
    told.state(Operation.BIND, "boss", about=one, proof=PROOF)
    told.state(Operation.RECOVER, "paper", "new", key_set=key_set(key("new")), ending=Ending.LOST)
    told.state(Operation.UNBIND, "boss", about=one, moves=False)
    ended = {"boss": (0, 2), "press": (0, 2), "new": (2, None)}
    yield told.case("a recovery ends keys and no binding", ended, [3], bound=[[one.hex(), 1, None]])


def _no_identity() -> Iterator[Json]:
    wrong = "author-key-history-wrong"
    told = Telling(_begin())
    yield told.case("an identity of another log", wrong, log=sha256(b"another log"))
    told = Telling(_begin())
    told.rows.clear()
    yield told.case("an empty chain", wrong)
    told.add(entry_of(told.chain_id, _begin().encode()))
    yield told.case("a first entry without the external ids", wrong)
    for description, statement in {
        "a first entry that is not signed by all its keys": replace(_begin(), signatures=_begin().signatures[:1]),
        "a first entry that begins nothing": signed(
            Statement(Operation.REVOKE, bytes(32), public("boss")), sha256(b"a chain"), "boss"
        ),
    }.items():
        yield Telling(statement).case(description, wrong)
    told = Telling(_begin())
    told.chain_id = sha256(b"another chain")
    yield told.case("another identity than the one that is meant", wrong)
    told = Telling(_begin())
    first = Entry.decode(bytes.fromhex(told.rows[0]["entry"]))
    told.rows[0]["entry"] = replace(first, extensions=(Extension(ExtensionType.STATEMENT, b"\1\1"),)).encode().hex()
    yield told.case("a first entry whose statement cannot be read", wrong)
    told.rows[0]["entry"] = replace(first, extensions=()).encode().hex()
    yield told.case("a first entry without a statement", wrong)


def text() -> str:
    """Return the file."""
    return json.dumps({"about": ABOUT, "cases": list(cases())}, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
