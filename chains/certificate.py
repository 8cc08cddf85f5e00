"""A certificate: one page for people who want paper, with the receipt that it speaks of attached to it.

Input is a receipt that was verified, and the verdict; what comes out is a PDF/A-3b whose words are those of the
verdict. Nobody needs to believe the page: the receipt in it is verified as any other (docs/verify/certificate.md).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import font_source_sans_pro
import segno
from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos

from anchor.proof.codec import sha256
from anchor.proof.times import utc
from anchor.proof.verdict import ARITHMETIC, State, Verdict

_INK, _QUIET, _LINE = (24, 32, 44), (88, 98, 112), (200, 206, 214)
_FONT, _BOLD = "SourceSansPro", "B"
_FONTS = Path(font_source_sans_pro.__file__).parent / "files"
_MARGIN_MM, _WIDTH_MM, _HEIGHT_MM, _LABEL_MM, _CODE_MM = 20, 170, 297, 44, 34
_MOST_NAME = 120


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate is made of: the receipt's bytes and name, what was verified, and where to verify it again.

    ``file_name`` is of the file that was compared with it, whose SHA-256 is ``digest``; ``page_url`` is that of a
    public page of verify.html.
    """

    receipt: bytes
    receipt_name: str
    verdict: Verdict
    file_name: str | None = None
    digest: bytes | None = None
    page_url: str | None = None

    def render(self) -> bytes:
        """Return the PDF: the same bytes for the same input, whoever makes it when."""
        return _Page(self).bytes()

    def rows(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the tables of the page: of each its heading, and pairs of a name and a value."""
        facts = self.verdict.facts
        anchored = facts["anchored_in"]
        recorded = [
            *([("File", _shown(self.file_name))] if self.file_name else []),
            *([("SHA-256 of the file", self.digest.hex())] if self.digest else []),
            ("Entry", facts["entry_hash"]),
            ("Chain", facts["chain_id"]),
            ("Place in the chain", f"entry {facts['leaf_index']} of {facts['tree_size']}, counted from 0"),
            ("Log", f"{facts['origin']}, {facts['log_id']}"),
        ]
        time = [
            ("Not before", f"block {facts['sealed_after']['height']}, {facts['sealed_after']['block']}"),
            ("Sealed", f"{utc(facts['sealed_at_ms'])}, by the log's own clock"),
            ("Not after", f"block {anchored['height']}, {anchored['block']}"),
            ("Time of that block", f"{utc(anchored['time_s'] * 1000)}, give or take two hours"),
            ("Transaction", anchored["transaction"]),
            ("Network", f"{facts['network']}, {_depth(anchored)}"),
        ]
        return [("What was recorded", recorded), ("Since when", time)]

    def rests_on(self) -> list[tuple[str, str]]:
        """Return whom the verdict believes, each once in the order of its steps, with the names of those steps."""
        believed: dict[str, list[str]] = {}
        for step in self.verdict.steps:
            if step.state == State.OK and step.rests_on != ARITHMETIC:
                believed.setdefault(step.rests_on, []).append(step.name)
        told = [(", ".join(names), _told(whom)) for whom, names in believed.items()]
        return [*told, ("everything else", "Nobody: it is arithmetic.")]


class _Page:
    """The page as it is drawn, from the top down."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        pdf = self._pdf = FPDF(format="A4", enforce_compliance="PDF/A-3B")
        pdf.set_auto_page_break(auto=True, margin=_MARGIN_MM + 12)
        pdf.set_margins(_MARGIN_MM, _MARGIN_MM)
        for style, name in (("", "Regular"), (_BOLD, "Bold")):
            pdf.add_font(_FONT, style, _FONTS / f"SourceSansPro-{name}.ttf")
        title = f"Certificate of record, entry {certificate.verdict.facts['entry_hash']}"
        # The document's times are the block's, so that the same certificate is the same bytes.
        made_at = datetime.fromtimestamp(certificate.verdict.facts["anchored_in"]["time_s"], UTC)
        pdf.set_creation_date(made_at)
        pdf.set_title(title)
        pdf.set_xmp_metadata(_XMP.format(title=title, at=made_at.isoformat()))
        pdf.set_lang("en")
        pdf.set_producer("Anchorline")
        pdf.add_page()
        self._draw()
        pdf.embed_file(
            bytes=certificate.receipt,
            basename=certificate.receipt_name,
            desc="The receipt: verify it with anchorline verify, or in a browser with verify.html",
            mime_type="application/json",
            associated_file_relationship="Source",
            creation_date=made_at,
            modification_date=made_at,
        )

    def bytes(self) -> bytes:
        return bytes(self._pdf.output())

    def _draw(self) -> None:
        certificate = self._certificate
        self._line("Certificate of record", 24, _BOLD)
        network = certificate.verdict.facts["network"]
        self._line(f"Anchored in Bitcoin, network {network}; verifiable by anybody without us", 11, colour=_QUIET)
        self._rule()
        self._text(certificate.verdict.diagnosis.meaning, 11.5, height=5.6)
        self._text(_PROVED, 10, colour=_QUIET, height=4.8)
        for heading, rows in certificate.rows():
            self._heading(heading)
            for name, value in rows:
                self._row(name, value)
        self._heading("Whom that believes")
        for name, whom in [*certificate.rests_on(), ("proof of work", certificate.verdict.facts["proof_of_work"])]:
            self._row(name, whom, wrapmode=WrapMode.WORD)
        self._heading("How to verify it again")
        self._how()
        self._foot()

    def _how(self) -> None:
        pdf, certificate = self._pdf, self._certificate
        top, width = pdf.get_y(), _WIDTH_MM - (_CODE_MM + 6 if certificate.page_url else 0)
        page = (
            f" A page that does it is {certificate.page_url}: it sends nothing anywhere."
            if certificate.page_url
            else ""
        )
        how = (
            f"The receipt {_shown(certificate.receipt_name)} is attached to this document; save it from your reader's "
            "list of attachments. The command 'anchorline verify' verifies it, and so does verify.html in a browser, "
            f"offline, without an account.{page} Compare the block above with one that you look up yourself. This page "
            "by itself proves nothing: the receipt does."
        )
        self._text(how, 10, width=width, height=4.8)
        if certificate.page_url:
            self._code(certificate.page_url, _MARGIN_MM + _WIDTH_MM - _CODE_MM, top)
            pdf.set_y(max(pdf.get_y(), top + _CODE_MM + 2))

    def _code(self, url: str, left_mm: float, top_mm: float) -> None:
        """Draw a QR code (ISO/IEC 18004), each dark module as a filled square."""
        code = segno.make(url, error="m", micro=False)
        rows = [list(row) for row in code.matrix]
        side_mm = _CODE_MM / len(rows)
        self._pdf.set_fill_color(*_INK)
        for down, row in enumerate(rows):
            for right, is_dark in enumerate(row):
                if is_dark:
                    self._pdf.rect(left_mm + right * side_mm, top_mm + down * side_mm, side_mm, side_mm, style="F")

    def _foot(self) -> None:
        pdf = self._pdf
        pdf.set_auto_page_break(auto=False)
        pdf.set_y(_HEIGHT_MM - _MARGIN_MM - 8)
        self._rule()
        receipt = sha256(self._certificate.receipt).hex()
        self._line(f"SHA-256 of the attached receipt: {receipt}", 8, colour=_QUIET, height=4)

    def _heading(self, text: str) -> None:
        self._pdf.ln(4)
        self._line(text, 12, _BOLD, height=6.5)

    def _row(self, name: str, value: str, wrapmode: WrapMode = WrapMode.CHAR) -> None:
        pdf = self._pdf
        pdf.set_text_color(*_QUIET)
        pdf.set_font(_FONT, "", 9.5)
        pdf.cell(_LABEL_MM, 4.8, name)
        pdf.set_text_color(*_INK)
        pdf.multi_cell(0, 4.8, value, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT, wrapmode=wrapmode)

    def _line(
        self, text: str, size: float, style: Any = "", *, colour: tuple[int, int, int] = _INK, height: float = 0
    ) -> None:
        pdf = self._pdf
        pdf.set_font(_FONT, style, size)
        pdf.set_text_color(*colour)
        pdf.cell(0, height or size * 0.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _text(
        self, text: str, size: float, *, colour: tuple[int, int, int] = _INK, width: float = 0, height: float
    ) -> None:
        pdf = self._pdf
        pdf.set_font(_FONT, "", size)
        pdf.set_text_color(*colour)
        pdf.multi_cell(width, height, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pdf.ln(1.5)

    def _rule(self) -> None:
        pdf = self._pdf
        pdf.set_draw_color(*_LINE)
        y = pdf.get_y() + 2
        pdf.line(_MARGIN_MM, y, _MARGIN_MM + _WIDTH_MM, y)
        pdf.set_y(y + 3)


# ISO 19005-3, level B; the same times as the document itself has.
_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
  xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
  <rdf:Description rdf:about="" xmp:CreateDate="{at}" xmp:ModifyDate="{at}" xmp:MetadataDate="{at}"
   pdf:Producer="Anchorline">
   <pdfaid:part>3</pdfaid:part>
   <pdfaid:conformance>B</pdfaid:conformance>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""
_PROVED = (
    "It proves that these bytes were recorded then and have not changed since. It does not say that what they say is "
    "true."
)


def _depth(anchored: dict[str, Any]) -> str:
    """Return how deep the block was; of a block that was only named, nobody said it."""
    found = anchored.get("confirmations")
    return "depth of the block not looked at" if found is None else f"{found} confirmations when this was made"


def _told(whom: str) -> str:
    """Return whom a step rests on as a sentence; a verdict's "you" is whoever had it made."""
    told = whom.replace("you (", "whoever made this page (")
    return f"{told[:1].upper()}{told[1:]}."


def _shown(name: str) -> str:
    """Return a file's name as the page's letters can show it: others are escaped, a long one is cut."""
    safe = "".join(letter if letter.isprintable() and ord(letter) < 0x180 else ascii(letter)[1:-1] for letter in name)
    return safe if len(safe) <= _MOST_NAME else f"{safe[:_MOST_NAME]} ..."
