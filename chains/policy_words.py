"""A policy in plain words: who may write, change it and correct, and what an entry must have; pure.

Policies come from ``chains.policy_history`` or a file; the commands of ``policy`` and the pages show the words.
"""

from collections.abc import Callable

from anchor.proof.entry import IdKind
from anchor.proof.policy import ANYBODY, ONLY_KEYED, Party, Policy, Rule
from chains.client.policy_document import party_name

_KINDS: dict[int, str] = {
    IdKind.CLEAR: "one in clear",
    IdKind.HASHED: "one hashed",
    IdKind.KEYED: "one keyed",
    ONLY_KEYED: "keyed ones only",
}

NameOf = Callable[[Party], str]
"""name_of(party): what a party is called here."""


def policy_words(policy: Policy, name_of: NameOf = party_name) -> list[tuple[str, str]]:
    """Return what a policy says, as pairs of a question and its answer."""
    return [
        ("Who may change it", rule_words(policy.administrators, name_of)),
        ("Who may write", rule_words(policy.writers, name_of)),
        ("Who may correct entries of others", rule_words(policy.correctors, name_of)),
        ("Media type of an entry", " or ".join(policy.media_types) or "any"),
        ("External ids that an entry must have", _ids(policy.id_kinds)),
    ]


def rule_words(rule: Rule, name_of: NameOf = party_name) -> str:
    """Return who must sign by a rule."""
    if not rule.parties:
        return "anybody" if rule == ANYBODY else "nobody"
    names = ", ".join(map(name_of, rule.parties))
    if len(rule.parties) == 1:
        return names
    if rule.threshold == 1:
        return f"any one of {names}"
    if rule.threshold == len(rule.parties):
        return f"all {rule.threshold} together: {names}"
    return f"any {rule.threshold} of {len(rule.parties)} together: {names}"


def _ids(kinds: tuple[int, ...]) -> str:
    return ", ".join(_KINDS[kind] for kind in kinds) or "none"
