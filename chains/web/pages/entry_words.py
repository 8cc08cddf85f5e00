"""What the bytes of an entry say, in words: external ids, links, extensions and author.

Pure. An entry comes from ``anchor.proof.entry``; its page shows what these functions return. Values that this version
does not know are shown by their numbers.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from anchor.proof.entry import AuthorType, Entry, ExtensionType, ExternalId, IdKind, Link, Relation, signing_keys
from anchor.proof.erasure import Act, ErasureStatement
from anchor.proof.errors import MalformedError
from anchor.proof.policy import Policy
from chains.policy_words import policy_words
from chains.web.pages.life_shown import words_of
from chains.web.pages.phrases import utc, visible
from chains.web.pages.statement_words import statement_in_words

RELATIONS: dict[int, str] = {
    Relation.SUPERSEDES: "Supersedes",
    Relation.RETRACTS: "Retracts",
    Relation.DERIVED_FROM: "Is derived from",
    Relation.ASSESSES: "Assesses",
    Relation.REFERS_TO: "Refers to",
    Relation.ERASES: "Erases the content of",
    Relation.COSIGNS: "Co-signs",
}
_IDS: dict[int, str] = {IdKind.CLEAR: "in clear", IdKind.HASHED: "hashed", IdKind.KEYED: "keyed"}
_KEY_SIZE = 32
_ERASURE = "What it states about contents"
_ACTS = {Act.ERASE: "Erased", Act.HOLD: "Held", Act.LIFT: "Held no longer"}


@dataclass(frozen=True, slots=True)
class IdShown:
    """An external id: its text or hex, how it stands in the entry, and the address of all entries that carry it."""

    text: str
    kind: str
    is_hash: bool
    address: str


@dataclass(frozen=True, slots=True)
class LinkShown:
    """A link, as its writer claims it; ``is_here``: to an entry of the same chain."""

    relation: str
    chain_id: str
    entry_hash: str
    is_here: bool


def ids_shown(entry: Entry) -> list[IdShown]:
    """Return the external ids of an entry, in its order."""
    return [_id_shown(each) for each in entry.external_ids]


def _id_shown(given: ExternalId) -> IdShown:
    kind = _IDS.get(given.kind, "of an unknown kind")
    text = _text_of(given) if given.kind == IdKind.CLEAR else None
    address = "/search?" + urlencode({"q": given.digest().hex()})
    return IdShown(given.value.hex() if text is None else visible(text), kind, text is None, address)


def _text_of(given: ExternalId) -> str | None:
    try:
        return given.value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def links_shown(entry: Entry) -> list[LinkShown]:
    """Return the links of an entry, in its order."""
    return [_link_shown(link, entry.chain_id) for link in entry.links]


def _link_shown(link: Link, chain_id: bytes) -> LinkShown:
    relation = RELATIONS.get(link.relation, f"Relation {link.relation} (unknown to this version)")
    return LinkShown(relation, link.chain_id.hex(), link.entry_hash.hex(), link.chain_id == chain_id)


def extensions_shown(entry: Entry) -> list[tuple[str, str, bool]]:
    """Return the extensions of an entry: what each says, its value, and whether that is a hash."""
    shown: list[tuple[str, str, bool]] = []
    for each in entry.extensions:
        shown += _policy_shown(each.value) if each.type == ExtensionType.POLICY else []
        shown.append(_extension_shown(each.type, each.value))
    return shown


def _policy_shown(value: bytes) -> list[tuple[str, str, bool]]:
    """Return what a statement says of its chain's policy, question by question; nothing where it cannot be read."""
    try:
        return [
            (f"Policy: {question.lower()}", answer, False) for question, answer in policy_words(Policy.decode(value))
        ]
    except MalformedError:
        return []


def _extension_shown(number: int, value: bytes) -> tuple[str, str, bool]:
    if number in {ExtensionType.AUTHOR_TIME, ExtensionType.NOT_VALID_AFTER}:
        name = "Time, as the author says" if number == ExtensionType.AUTHOR_TIME else "Not valid after"
        return name, utc(int.from_bytes(value, "big")), False
    if number == ExtensionType.ERASURE:
        return _ERASURE, _stated(value), False
    if number == ExtensionType.STATEMENT:
        return "What it states about keys", statement_in_words(value), False
    words = words_of(number, value)
    if words is not None:
        return "What it states about its chain", words, False
    names: dict[int, str] = {
        ExtensionType.LOG_ID: "Meant for the log",
        ExtensionType.PREVIOUS_ENTRY: "The author's entry before",
        ExtensionType.IDENTITY: "The author's identity chain",
        ExtensionType.POLICY: "What it states about the chain's policy",
        ExtensionType.ENVELOPE: "SHA-256 of its encrypted content",
        ExtensionType.CLOSING: "That the chain ends here",
        ExtensionType.TRANSFER: "To whom the chain goes",
        ExtensionType.CONTINUATION: "Which chain of another log it continues",
        ExtensionType.ACCESS_RECORD: "Which accesses it records",
    }
    return names.get(number, f"Extension {number} (unknown to this version)"), value.hex(), True


def _stated(value: bytes) -> str:
    try:
        statement = ErasureStatement.decode(value)
    except MalformedError:
        return value.hex()
    return f"{_ACTS[statement.act]} on {utc(statement.at_ms)} because {statement.reason}"


def author_shown(entry: Entry) -> tuple[str, str]:
    """Return how an entry is signed, and the public key in hex or nothing; whether it holds is the verdict's step 3."""
    author = entry.author
    if author.type == AuthorType.NONE:
        return "Not signed: nothing is said about who wrote it", ""
    if author.type in {AuthorType.ED25519, AuthorType.BATCH}:
        how = "Signed with the Ed25519 key" if author.type == AuthorType.ED25519 else "In a batch signed with the key"
        return how, author.body[:_KEY_SIZE].hex()
    if author.type == AuthorType.HASHED:
        return "Signed with the key that has the hash", author.body[:_KEY_SIZE].hex()
    if author.type == AuthorType.SEVERAL:
        keys = ", ".join(key.hex() for key in signing_keys(entry))
        return f"Signed by {author.body[0]} Ed25519 keys together: {keys}", ""
    return f"Signed in a way that this version does not know (type {author.type})", ""
