"""What a verdict says of a disclosure: step 2, judged with the fields that it shows.

Input is a disclosure, and a JSON file where one is at hand to be compared with it. ``anchorline verify`` judges the
receipt with its digest and its ``judge``, which is asked only where the document is the recorded one.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anchor.proof.disclosure import Disclosure
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.json_fields import Field, ValueKind
from anchor.proof.verdict import Step, ok
from chains.counted import counted
from chains.field_committing import differences, read_fields
from chains.manifest_comparing import printable
from chains.manifest_judging import SHOWN

_CONTENT = 2
_VALUES = {
    ValueKind.NULL: "null",
    ValueKind.FALSE: "false",
    ValueKind.TRUE: "true",
    ValueKind.OBJECT: "{}",
    ValueKind.ARRAY: "[]",
}


@dataclass
class DisclosureAtHand:
    """A disclosure, and the JSON file that is compared with it, or None. See ``chains.manifest_judging.AtHand``."""

    disclosure: Disclosure
    source: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    called: str = "disclosure"

    @property
    def document_digest(self) -> bytes:
        """See ``AtHand``."""
        return self.disclosure.document_digest

    def judge(self) -> Step:
        """See ``AtHand``; every shown field is checked against the document."""
        disclosure = self.disclosure
        disclosure.check()
        shown, withheld = len(disclosure.shown), disclosure.withheld
        fields = sorted((each.field for each in disclosure.shown), key=lambda each: each.pointer)
        self.facts |= {
            "fields": shown + withheld,
            "withheld": withheld,
            "shown": [_facts(each) for each in fields],
        }
        if self.source is not None:
            self._compare(self.source)
        self.lines += [f"{place_text(each)}: {value_text(each)}" for each in fields[:SHOWN]]
        if shown > SHOWN:
            self.lines.append(f"and {shown - SHOWN} more; --json has them all")
        if withheld:
            self.lines.append(f"{counted(withheld, 'fields')} withheld: nothing is said of them")
        if not withheld:
            return ok(_CONTENT, f"all {counted(shown, 'fields')} of the document as recorded")
        return ok(_CONTENT, f"{shown} of {shown + withheld} fields as recorded; nothing is said of the others")

    def _compare(self, source: Path) -> None:
        try:
            found = differences(self.disclosure, read_fields(source))
        except MalformedError as error:
            raise VerificationError(
                Reason.CONTENT_CHANGED, f"the file is not the document that was recorded: {error}"
            ) from error
        self.facts["changes"] = [{"what": what, "pointer": pointer} for pointer, what in found.items()]
        if not found:
            return
        self.lines += [f"{what:8} {printable(pointer)}" for pointer, what in list(found.items())[:SHOWN]]
        raise VerificationError(
            Reason.CONTENT_CHANGED,
            f"the document is not what was recorded: {counted(len(found), 'fields')} differ",
        )


def place_text(shown: Field) -> str:
    """Return where a field stands, for people."""
    return printable(shown.pointer) or "(the whole document)"


def value_text(shown: Field) -> str:
    """Return the value of a field as JSON has it, with whatever a terminal would obey escaped."""
    if shown.kind == ValueKind.STRING:
        escaped = shown.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{printable(escaped)}"'
    return _VALUES.get(shown.kind, shown.text)


def _facts(shown: Field) -> dict[str, Any]:
    """Return a field for ``--json``: a number as it is written, since a program would round it."""
    value = shown.text if shown.kind == ValueKind.STRING else value_text(shown)
    return {"pointer": shown.pointer, "type": shown.kind.word, "value": value}
