"""Makes ``policy.json``: receipts of chains under a policy, followed and not followed; most can go wrong.

Input is small logs that are built here; cases have the form of ``receipts.json``, and what each wants is written by
hand. ``python -m tests.vectors.make_policy_vectors`` in the repository's root writes the file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from anchor.proof.chain_life import Closing, Transfer
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType, ExternalId, IdKind, Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.errors import Reason
from anchor.proof.identity import Ending, Operation, Purpose, Statement, identity_chain_id
from anchor.proof.identity_evidence import IdentityEvidence
from anchor.proof.leaves import NO_POLICY, HeadLeaf
from anchor.proof.log_statements import LIFE_MEDIA_TYPE
from anchor.proof.policy import ANYBODY, NOBODY, ONLY_KEYED, Party, PartyKind, Policy, Rule
from anchor.proof.receipt import Content, ContentState, Receipt, proof_to_json
from anchor.proof.verify import Outcome
from tests.simulators import identities as people
from tests.simulators.identities import began, entry_of, first_entry_of, key, key_set, public
from tests.simulators.policies import change, evidence_of, first_under, keys, members, plain, signed_by
from tests.simulators.world import Seal, World, Written
from tests.vectors.make_receipt_vectors import Case, Inputs, block_name, edited, inputs_of, judged, with_sealed

FILE = Path(__file__).with_name("policy.json")
ABOUT = "Receipts of chains under a policy: docs/spec/policy.md. Cases have the form of receipts.json."
Want = tuple[Outcome, *tuple[Reason, ...]]
OK: Want = (Outcome.INTACT,)
BROKEN: Want = Outcome.FAILED, Reason.POLICY_NOT_FOLLOWED
WRONG: Want = Outcome.FAILED, Reason.POLICY_EVIDENCE_WRONG
MALFORMED: Want = Outcome.FAILED, Reason.MALFORMED
OPEN: Want = (Outcome.NOT_CHECKED,)
HIDDEN = Content(ContentState.WITHHELD)
BY_KEYS = Policy(keys(1, "ann"), keys(1, "bob", "cat"))


@dataclass
class Log(World):
    """A log with one chain under a policy."""

    stated: list[Written] = field(default_factory=list)

    def put(self, entry: Entry) -> Written:
        """Write an entry whose content is not shown."""
        return replace(self.write(entry, b""), content=HIDDEN)

    def begin(self, policy: Policy = BY_KEYS, *names: str) -> Written:
        """Fund the thread, and open the chain."""
        self.fund_thread()
        return self.in_force(self.put(first_under("orders", policy, *(names or ("ann",)))))

    def in_force(self, written: Written) -> Written:
        """Let heads name this policy from now on."""
        self.stated.append(written)
        self.policies[written.entry.chain_id] = written.entry.hash
        return written

    def order(self, *names: str, salt: str = "order", **fields: object) -> Written:
        """Write an entry of the chain, signed by these holders."""
        made = plain(self.stated[0].entry.chain_id, salt)
        return self.put(signed_by(replace(made, **fields), names))  # type: ignore[arg-type]  # whatever fields it has

    def change(self, policy: Policy, *names: str) -> Written:
        """Write an entry that states another policy."""
        first = self.stated[0].entry
        follows = replace(policy, previous=self.stated[-1].entry.hash)
        return self.put(change(first.chain_id, "policy", follows, *names))

    def proved(self, written: Written, *more: Written, identities: tuple[bytes, ...] = ()) -> tuple[Receipt, Seal]:
        """Seal and anchor; return the receipt of an entry that shows all policies, and these corrected entries."""
        seal = self.seal()
        shown = tuple(people.evidence_of(self, identity, seal) for identity in identities)
        return self.shown(written, seal, shown, *(each.entry for each in more)), seal

    def shown(
        self, written: Written, seal: Seal, identities: tuple[IdentityEvidence, ...], *corrected: Entry
    ) -> Receipt:
        """Return the receipt of an entry under a seal, which shows the policies up to the entry's head."""
        receipt = self.receipt(written, seal, [self.anchor(seal)])
        assert receipt.sealed is not None
        size = receipt.sealed.head.leaf.tree_size
        statements = [each for each in self.stated if each.index < size]
        return with_sealed(receipt, evidence=(evidence_of(self, statements, seal, identities, corrected).to_json(),))

    @property
    def brought(self) -> Inputs:
        """What a verifier has: the card, and the newest block."""
        return inputs_of(card=self.card, blocks=[block_name(self.blocks[-1])])

    def case(
        self, name: str, written: Written, want: Want, *corrected: Written, identities: tuple[bytes, ...] = ()
    ) -> Case:
        """Return the case of an entry's receipt."""
        receipt, _ = self.proved(written, *corrected, identities=identities)
        return judged(name, receipt, self.brought, *want)


def by_keys() -> Iterator[Case]:
    """Return receipts under policies that list keys."""
    log = Log()
    first = log.begin()
    yield log.case("the first entry, which states the policy", first, OK)
    yield log.case("an order by a key that may write", log.order("bob"), OK)
    yield log.case("17 an order by the key that may change the policy", log.order("ann"), BROKEN)
    yield log.case("17 an order by a stranger", log.order("dan"), BROKEN)
    yield log.case("17 an order by nobody", log.order(), BROKEN)
    yield log.case("an order by both together", log.order("bob", "cat", salt="both"), OK)
    log = Log()
    log.begin(Policy(keys(2, "ann", "bob", "cat"), keys(2, "bob", "cat", "dan")), "ann", "cat")
    yield log.case("two of three", log.order("bob", "dan"), OK)
    yield log.case("three of three", log.order("bob", "cat", "dan", salt="three"), OK)
    yield log.case("17 one of three", log.order("cat", salt="one"), BROKEN)
    yield log.case("17 one of three, and a stranger", log.order("cat", "eve", salt="strange"), BROKEN)
    forged = log.order("bob", "dan", salt="forged")
    body = forged.entry.author.body[:-1] + bytes((forged.entry.author.body[-1] ^ 1,))
    bad = log.put(replace(forged.entry, author=replace(forged.entry.author, body=body)))
    wrong: Want = Outcome.FAILED, Reason.AUTHOR_SIGNATURE_WRONG, Reason.POLICY_NOT_FOLLOWED
    yield log.case("17 two of three, of whom one did not sign", bad, wrong)
    log = Log()
    log.begin(Policy(keys(1, "ann")))
    yield log.case("anybody may write: unsigned", log.order(), OK)
    yield log.case("anybody may write: signed", log.order("eve"), OK)


def forms() -> Iterator[Case]:
    """Return receipts under policies that want more than signatures."""
    log = Log()
    log.begin(Policy(keys(1, "ann"), media_types=("text/csv", "text/plain"), id_kinds=(IdKind.CLEAR, IdKind.KEYED)))
    ids = (ExternalId(IdKind.CLEAR, b"7"), ExternalId(IdKind.KEYED, sha256(b"k")))
    hashed, keyed = ExternalId(IdKind.HASHED, sha256(b"7")), ExternalId(IdKind.KEYED, sha256(b"another"))
    yield log.case("a media type and ids that it wants", log.order(media_type="text/csv", external_ids=ids), OK)
    yield log.case("17 another media type", log.order(media_type="text/html", external_ids=ids), BROKEN)
    yield log.case("17 no media type", log.order(external_ids=ids, salt="none"), BROKEN)
    yield log.case("17 an id is lacking", log.order(media_type="text/csv", external_ids=ids[:1]), BROKEN)
    log = Log()
    log.begin(Policy(keys(1, "ann"), id_kinds=(ONLY_KEYED,)))
    yield log.case("keyed ids only: no id at all", log.order(), OK)
    yield log.case("keyed ids only: two keyed ones", log.order(external_ids=(ids[1], keyed)), OK)
    yield log.case("17 keyed ids only: one in clear beside", log.order(external_ids=ids), BROKEN)
    yield log.case("17 keyed ids only: a hashed one", log.order(external_ids=(hashed,)), BROKEN)
    log = Log()
    log.begin(Policy(keys(1, "ann"), id_kinds=(IdKind.KEYED, ONLY_KEYED)))
    yield log.case("a keyed id, and no other", log.order(external_ids=ids[1:]), OK)
    yield log.case("17 a keyed id, and no other: none", log.order(salt="none"), BROKEN)


def corrections() -> Iterator[Case]:
    """Return receipts of entries that correct others."""
    for name, correctors, who, want in (
        ("one's own entry", NOBODY, ("bob",), OK),
        ("17 an entry of another, where nobody may", NOBODY, ("cat",), BROKEN),
        ("an entry of another, where anybody may", ANYBODY, ("cat",), OK),
        ("an entry of another, by who may", keys(1, "cat"), ("cat",), OK),
        ("an entry that two signed, by both", NOBODY, ("bob", "cat"), OK),
    ):
        log = Log()
        log.begin(replace(BY_KEYS, correctors=correctors))
        order = log.order("bob") if len(who) == 1 else log.order("bob", "cat")
        link = Link(Relation.RETRACTS, order.entry.chain_id, order.entry.hash)
        yield log.case(f"corrects {name}", log.order(*who, salt="sorry", links=(link,)), want, order)
    yield log.case("corrects an entry that is not shown", log.order("bob", "cat", salt="again", links=(link,)), OPEN)
    elsewhere = Link(Relation.RETRACTS, bytes(32), order.entry.hash)
    yield log.case("retracts an entry of another chain", log.order("bob", salt="far", links=(elsewhere,)), OK)


def changes() -> Iterator[Case]:
    """Return receipts around changes of a policy."""
    log = Log()
    first = log.begin()
    before = log.order("bob", salt="before")
    later = log.in_force(log.change(Policy(keys(1, "ann"), keys(1, "dan")), "ann"))
    yield log.case("an order before the change, in the same seal", before, OK)
    yield log.case("the change itself", later, OK)
    yield log.case("17 an order by who may not write any more", log.order("bob", salt="after"), BROKEN)
    yield log.case("an order by who may write now", log.order("dan"), OK)
    receipt, seal = log.proved(log.order("dan", salt="last"))
    last = with_sealed(receipt, evidence=(evidence_of(log, [first], seal).to_json(),))
    yield judged("17 the change is left out", last, log.brought, *WRONG)
    turned = with_sealed(receipt, evidence=(evidence_of(log, [later, first], seal).to_json(),))
    yield judged("17 statements in another order", turned, log.brought, *WRONG)
    twice = with_sealed(receipt, evidence=(evidence_of(log, [first, first, later], seal).to_json(),))
    yield judged("17 a statement twice", twice, log.brought, *WRONG)
    old = log.shown(first, seal, ())
    shown = with_sealed(old, evidence=(evidence_of(log, [first, later], seal).to_json(),))
    yield judged("the first entry, whose head holds the change", shown, log.brought, *OK)
    later = log.in_force(log.change(BY_KEYS, "ann"))
    log.seal()
    newest = log.seals[-1]
    moved = log.receipt(before, newest, [log.anchor(newest)])
    too_many = with_sealed(moved, evidence=(evidence_of(log, log.stated, newest).to_json(),))
    yield judged("17 a policy is shown that was stated after the entry's head", too_many, log.brought, *WRONG)
    for name, policy, who in (
        ("by who may not change it", BY_KEYS, ("bob",)),
        ("by nobody", BY_KEYS, ()),
        ("by one where two must", Policy(keys(2, "ann", "eve"), keys(1, "bob")), ("ann",)),
    ):
        log = Log()
        administrators = policy.administrators
        log.begin(policy, *(("ann", "eve") if administrators.threshold > 1 else ("ann",)))
        forced = log.change(Policy(keys(1, "eve")), *who)
        yield log.case(f"17 a change {name}", forced, BROKEN)
        log.in_force(forced)
        yield log.case(f"17 a change {name}, which the heads name", log.order(), WRONG)
    log = Log()
    log.begin()
    unlinked = log.put(change(log.stated[0].entry.chain_id, "policy", Policy(keys(1, "ann")), "ann"))
    yield log.case("17 a change that follows from nothing", unlinked, BROKEN)


def identities() -> Iterator[Case]:
    """Return receipts under policies that name identities."""
    log = Log()
    begin = began(log.log.log_id, key_set(key("boss", Purpose.KEYS), key("ann"), key("bob")), "boss", "ann", "bob")
    acme = identity_chain_id(begin)
    log.put(first_entry_of(begin))
    log.fund_thread()
    log.seal()
    policy = Policy(
        members(1, acme), Rule(2, tuple(sorted((Party(PartyKind.IDENTITY, acme), *keys(1, "dan").parties))))
    )
    first = log.in_force(log.put(first_under("orders", policy, "ann")))
    yield log.case("the first entry, by an identity", first, OK, identities=(acme,))
    yield log.case("an identity and a key", log.order("bob", "dan"), OK, identities=(acme,))
    two = log.order("ann", "bob", salt="two keys")
    yield log.case("17 two keys of one identity are one party", two, BROKEN, identities=(acme,))
    hidden = log.order("bob", "dan", salt="hidden")
    yield log.case("nothing is shown of the identity", hidden, OPEN)
    tied = log.order("bob", "dan", salt="tied")
    stated = log.in_force(log.change(replace(policy, correctors=ANYBODY), "bob"))
    statement = Statement(Operation.REVOKE, begin.hash, public("bob"), Ending.STOLEN)
    signed = people.signed(statement, acme, "boss")
    log.put(entry_of(acme, signed.encode()))
    yield log.case("17 its key ended in the same seal", tied, BROKEN, identities=(acme,))
    yield log.case("a change, and its key ended in the same seal", stated, OK, identities=(acme,))
    later = log.order("bob", "dan", salt="later")
    yield log.case("17 its key ended before", later, BROKEN, identities=(acme,))
    good = log.order("ann", "dan", salt="good")
    receipt, seal = log.proved(good, identities=(acme,))
    shown = people.evidence_of(log, acme, seal)
    short = evidence_of(log, log.stated, seal, (replace(shown, entries=shown.entries[:1]),)).to_json()
    yield judged("17 a history of keys that is cut", with_sealed(receipt, evidence=(short,)), log.brought, *WRONG)


def heads() -> Iterator[Case]:
    """Return receipts whose heads say something else than their evidence."""
    log = Log()
    first = log.begin()
    receipt, seal = log.proved(log.order("bob"))
    none = with_sealed(receipt, evidence=())
    yield judged("nothing is shown of the policy", none, log.brought, *OPEN)
    item = evidence_of(log, log.stated, seal).to_json()
    yield judged("17 it is shown twice", with_sealed(receipt, evidence=(item, item)), log.brought, *WRONG)
    log.policies[first.entry.chain_id] = NO_POLICY
    gone = log.order("eve", salt="gone")
    yield log.case("17 the policy goes away", gone, WRONG)
    log = Log()
    log.fund_thread()
    open_first = log.put(replace(first.entry, extensions=()))
    log.stated.append(open_first)
    order = log.order("eve")
    receipt, seal = log.proved(order)
    item = evidence_of(log, [open_first], seal).to_json()
    yield judged("17 a policy of a chain that has none", with_sealed(receipt, evidence=(item,)), log.brought, *WRONG)
    bare = with_sealed(receipt, evidence=())
    yield judged("an entry of a chain that has none", bare, log.brought, *OK)
    forced = log.put(change(order.entry.chain_id, "policy", BY_KEYS, "ann"))
    seal = log.seal()
    stated = log.receipt(forced, seal, [log.anchor(seal)])
    yield judged("17 a statement in a chain that has none", stated, log.brought, *BROKEN)
    log.policies[order.entry.chain_id] = forced.entry.hash
    later = log.order("bob", salt="later")
    log.stated[:] = [forced]
    yield log.case("17 a policy that does not begin with the first entry", later, WRONG)
    for name, value in malformed_statements():
        log = Log()
        log.fund_thread()
        entry = first_under("orders", BY_KEYS)
        bad = replace(entry, extensions=(replace(entry.extensions[0], value=value),))
        log.in_force(log.put(signed_by(bad, ["ann"])))
        want = OPEN if name == "of a newer version" else MALFORMED
        yield log.case(f"17 a statement {name}", log.order("bob"), want)


def malformed_statements() -> Iterator[tuple[str, bytes]]:
    """Return statements that nobody may read."""
    raw = BY_KEYS.encode()
    ann, empty = public("ann"), bytes(2)
    start = b"\x01" + bytes(32)
    yield "of a newer version", b"\x02" + raw[1:]
    yield "cut short", raw[:-1]
    yield "with a byte too many", raw + b"\0"
    yield "that nobody may change", start + b"\x01\x00" + empty * 2 + empty
    yield "that anybody may change", start + empty * 3 + empty
    party = b"\x02" + ann
    for name, rule in (
        ("with a threshold of none", b"\x00\x01" + party),
        ("with a threshold above its parties", b"\x02\x01" + party),
        ("with a party twice", b"\x01\x02" + party * 2),
        ("with a party of another kind", b"\x01\x01\x03" + ann),
        ("with seventeen parties", b"\x01\x11" + b"".join(b"\x02" + bytes(31) + bytes((each,)) for each in range(17))),
    ):
        yield name, start + rule + empty * 2 + empty
    admins = start + b"\x01\x01" + party
    yield "under which nobody may write", admins + b"\x01\x00" + empty + empty
    yield "with media types in another order", admins + empty * 2 + b"\x02\x01b\x01a\x00"
    yield "with a media type of no bytes", admins + empty * 2 + b"\x01\x00\x00"
    yield "with a media type of another script", admins + empty * 2 + b"\x01\x02\xc3\xa9\x00"
    yield "with an id kind twice", admins + empty * 2 + b"\x00\x02\x01\x01"
    yield "with an unknown id kind", admins + empty * 2 + b"\x00\x01\x03"
    yield "with another kind only", admins + empty * 2 + b"\x00\x01\x81"


def duties() -> Iterator[Case]:
    """Return receipts of what the log states itself, which needs no signature, and of what closes a chain."""
    log = Log()
    log.begin(replace(BY_KEYS, writers=keys(2, "bob", "cat"), media_types=("text/csv",), id_kinds=(IdKind.KEYED,)))
    ids = (ExternalId(IdKind.KEYED, sha256(b"k")),)
    order = log.order("bob", "cat", media_type="text/csv", external_ids=ids)
    chain_id, other = order.entry.chain_id, sha256(b"another chain")
    erases, refers = (Link(kind, chain_id, order.entry.hash) for kind in (Relation.ERASES, Relation.REFERS_TO))
    erased, held, lifted = (
        (Extension(ExtensionType.ERASURE, ErasureStatement(act, Scope.ENTRY, 1, "a request").encode()),)
        for act in (Act.ERASE, Act.HOLD, Act.LIFT)
    )
    taken = (Extension(ExtensionType.TRANSFER, Transfer(1, bytes(16), bytes(16)).encode()),)
    closing = (Extension(ExtensionType.CLOSING, Closing(1, "the year is over").encode()),)
    retracts, life = Link(Relation.RETRACTS, chain_id, order.entry.hash), {"media_type": LIFE_MEDIA_TYPE}
    for name, want, who, fields in (
        ("an erasure that nobody signed", OK, (), {"extensions": erased, "links": (erases,)}),
        ("an erasure that a stranger signed", OK, ("dan",), {"extensions": erased, "links": (erases, erases)}),
        ("a hold that nobody signed", OK, (), {"extensions": held, "links": (refers,)}),
        ("the end of a hold that nobody signed", OK, (), {"extensions": lifted, "links": (refers,)}),
        ("another owner, as nobody but the log says", OK, (), {"extensions": taken, **life}),
        ("17 an erasure of nothing", BROKEN, (), {"extensions": erased}),
        ("17 an erasure that retracts", BROKEN, (), {"extensions": erased, "links": (erases, retracts)}),
        ("17 an erasure that only refers", BROKEN, (), {"extensions": erased, "links": (refers,)}),
        ("17 an erasure in another chain", BROKEN, (), {"extensions": erased, "links": (Link(6, other, other),)}),
        ("17 an erasure under a name", BROKEN, (), {"extensions": erased, "links": (erases,), "external_ids": ids}),
        ("17 an erasure of a type", BROKEN, (), {"extensions": erased, "links": (erases,), "media_type": "text/csv"}),
        ("17 an erasure and another owner", BROKEN, (), {"extensions": (*erased, *taken), "links": (erases,)}),
        ("17 an erasure that is none", BROKEN, (), {"extensions": (cut(erased[0]),), "links": (erases,)}),
        ("17 another owner, with a link", BROKEN, (), {"extensions": taken, "links": (refers,), **life}),
        ("17 another owner of another type", BROKEN, (), {"extensions": taken}),
        ("17 a closing by writers", BROKEN, ("bob", "cat"), {"extensions": closing, **life}),
        ("17 a closing by nobody", BROKEN, (), {"extensions": closing, **life}),
        ("17 a closing that retracts", BROKEN, ("ann",), {"extensions": closing, "links": (retracts,), **life}),
        ("a closing by who may change the policy", OK, ("ann",), {"extensions": closing, **life}),
    ):
        yield log.case(name, log.order(*who, salt=name, **fields), want)
    newer = (Extension(ExtensionType.ERASURE, b"\x02" + erased[0].value[1:]),)
    yield log.case("an erasure by a newer Anchorline", log.order(salt="n", extensions=newer, links=(erases,)), OPEN)
    words = log.write(log.entry(chain_id, b"words", media_type="", extensions=erased, links=(erases,)), b"words")
    yield log.case("17 an erasure with content", words, BROKEN)
    nothing = log.write(log.entry(chain_id, b"", media_type="", extensions=erased, links=(erases,)), b"")
    yield log.case("an erasure with content of no bytes", nothing, OK)


def cut(extension: Extension) -> Extension:
    """Return an extension that lacks its last byte."""
    return replace(extension, value=extension.value[:-1])


def mutations() -> Iterator[Case]:
    """Return receipts whose evidence was altered."""
    log = Log()
    first = log.begin()
    log.write_first("others")
    log.seal()
    receipt, seal = log.proved(log.order("bob"))
    item = evidence_of(log, [first], seal).to_json()
    stated = item["statements"][0]
    [other] = [each for each in log.chains if each != first.entry.chain_id]
    head = proof_to_json(log.prove(HeadLeaf, log.heads[other], seal))
    newest = proof_to_json(log.prove(HeadLeaf, log.heads[first.entry.chain_id], seal))
    way = ("evidence", 0, "statements", 0)
    for name, inner, new in (
        ("another entry", ("entry",), receipt.entry.encode().hex()),
        ("another index", ("chain", "index"), 1),
        ("a path that is longer", ("chain", "path"), ["00" * 32]),
        ("another path in the directory", ("head", "path"), ["00" * 32, *stated["head"]["path"][1:]]),
        ("another path of the seal", ("seal", "path"), ["00" * 32, *stated["seal"]["path"][1:]]),
        ("the head of another chain", ("head",), head),
        ("a later head", ("head",), newest),
        ("a head before it that is none", ("previous_head",), head),
    ):
        yield judged(f"17 {name}", edited(receipt, (*way, *inner), new), log.brought, *WRONG)
    yield judged("17 no statement", edited(receipt, way[:3], []), log.brought, *WRONG)
    for name, to, new in (
        ("an unknown field", ("evidence", 0, "more"), 1),
        ("an unknown field of a statement", (*way, "more"), 1),
        ("an entry cut short", (*way, "entry"), stated["entry"][:-2]),
        ("a seal in the place of the head", (*way, "head"), stated["seal"]),
        ("no list of identities", ("evidence", 0, "identities"), {}),
        ("an identity that is none", ("evidence", 0, "identities"), [{"type": "identity"}]),
        ("a corrected entry that is no hex", ("evidence", 0, "corrected"), ["x"]),
    ):
        yield judged(f"17 {name}", edited(receipt, to, new), log.brought, *MALFORMED)
    newer = edited(receipt, (*way, "entry"), "02" + stated["entry"][2:])
    yield judged("17 an entry by a newer Anchorline", newer, log.brought, *OPEN)


def cases() -> Iterator[Case]:
    """Return every case."""
    for group in (by_keys, forms, corrections, changes, identities, heads, duties, mutations):
        yield from group()


def make() -> str:
    """Return the file's text."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")
