"""``certificate``: a page that says what was verified and no more, with the receipt in it."""

import io
import re
from pathlib import Path

import pytest
import segno
from pypdf import PdfReader

from chains.certificate import _shown
from tests.cli.commands import World, run

URL = "https://log.example/verify"


def written(world: World, *more: str | Path) -> PdfReader:
    path = world.folder / "report.pdf"
    options = ("--log", world.card, "--headers", world.headers, "-o", path, *more)
    done = run("certificate", world.report, world.receipt, *options)
    assert (0, "") == (done.exit_code, done.err)
    return PdfReader(io.BytesIO(path.read_bytes()))


def text_of(pdf: PdfReader) -> str:
    return " ".join("\n".join(page.extract_text() for page in pdf.pages).split())


def test_the_page_says_what_was_verified(world: World) -> None:
    """Identifiers, the time bracket, whom it believes and what it does not say are those of ``verify``."""
    facts = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers, "--json").facts
    pdf = written(world, "--page-url", URL)
    text, dense = text_of(pdf), text_of(pdf).replace(" ", "")
    assert 1 == len(pdf.pages)
    assert facts["meaning"] in text
    for name in ("entry_hash", "chain_id", "log_id"):
        assert facts["facts"][name] in dense
    for name in ("block", "transaction"):
        assert facts["facts"]["anchored_in"][name] in dense
    assert facts["facts"]["proof_of_work"] in text
    assert "does not say that what they say is true" in text
    assert URL in text


def test_the_receipt_in_it_is_the_receipt(world: World) -> None:
    """What is attached verifies as the file itself does, byte for byte."""
    (attached,) = written(world).attachments.items()
    name, (data,) = attached
    assert (world.receipt.name, world.receipt.read_bytes()) == (name, data)
    out = world.folder / "saved.receipt"
    out.write_bytes(data)
    assert 0 == run("verify", world.report, out, "--log", world.card, "--headers", world.headers).exit_code


def test_a_certificate_stands_for_its_receipt_among_many(world: World) -> None:
    """A list of pairs names certificates as it names receipts; a PDF that is none is a verdict of its own."""
    written(world)
    (world.folder / "none.pdf").write_bytes(b"%PDF-1.7\nno receipt")
    pairs = world.folder / "pairs.txt"
    pairs.write_text(f"{world.report}\treport.pdf\nreport.pdf\nnone.pdf\n")
    done = run("verify", "--pairs", pairs, "--log", world.card, "--headers", world.headers, "--json")
    found = [(each["outcome"], each["file"] is not None, each["finding"]) for each in done.facts["pairs"]]
    assert [("intact", True), ("intact", False)] == [each[:2] for each in found[:2]]
    assert ("failed", False, "not-a-receipt") == found[2]


def test_a_certificate_stands_for_its_receipt(world: World) -> None:
    """``verify`` takes the receipt out of a certificate; a PDF that is none is named."""
    written(world)
    path = world.folder / "report.pdf"
    options = ("--log", world.card, "--headers", world.headers)
    assert 0 == run("verify", world.report, path, *options).exit_code
    changed = world.folder / "changed.txt"
    changed.write_bytes(b"another report")
    assert ["content-changed"] == run("verify", changed, path, *options, "--json").facts["reasons"]
    path.write_bytes(path.read_bytes().replace(b"/EmbeddedFile\n", b"/EmbeddedFilm\n"))
    done = run("verify", world.report, path, *options)
    assert 1 == done.exit_code
    assert "save the receipt from its attachments" in done.text


def test_it_is_an_archival_document_and_always_the_same(world: World) -> None:
    """It says that it is PDF/A-3b, has its fonts with it, and does not depend on when it was made."""
    pdf = written(world, "--page-url", URL)
    metadata = pdf.xmp_metadata
    assert metadata is not None
    raw = metadata.stream.get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in raw
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in raw
    fonts = pdf.pages[0]["/Resources"]["/Font"].values()  # type: ignore[index]  # a dictionary of PDF
    assert fonts
    for font in fonts:
        descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert "/FontFile2" in descriptor
    first = (world.folder / "report.pdf").read_bytes()
    written(world, "--page-url", URL)
    assert first == (world.folder / "report.pdf").read_bytes()


def test_the_code_is_that_of_the_page(world: World) -> None:
    """Each dark module is one square: with an address there are as many as its QR code has, without one none."""
    squares = re.compile(rb"\bre\b")
    with_code = squares.findall(written(world, "--page-url", URL).pages[0].get_contents().get_data())  # type: ignore[union-attr]  # a page has contents
    without = squares.findall(written(world).pages[0].get_contents().get_data())  # type: ignore[union-attr]  # the same
    dark = sum(module == 1 for row in segno.make(URL, error="m", micro=False).matrix for module in row)
    assert dark == len(with_code) - len(without)


def test_a_block_that_is_only_named_has_no_depth(world: World) -> None:
    """With ``--block`` nobody says how deep the block is, and the page does not either."""
    facts = run("verify", world.report, world.receipt, "--log", world.card, "--headers", world.headers, "--json").facts
    anchored, path = facts["facts"]["anchored_in"], world.folder / "named.pdf"
    block = f"regtest:{anchored['height']}:{anchored['block']}"
    assert 0 == run("certificate", world.receipt, "--log", world.card, "--block", block, "-o", path).exit_code
    text = text_of(PdfReader(path))
    assert "depth of the block not looked at" in text
    assert "Whoever made this page (the given block)" in text


def test_nothing_is_certified_that_does_not_verify(world: World) -> None:
    """A changed file, no trusted block, no card: the verdict is told, with its exit code, and no page is written."""
    path = world.folder / "none.pdf"
    changed = world.folder / "changed.txt"
    changed.write_bytes(b"another report")
    trusted = ("--log", world.card, "--headers", world.headers)
    for code, arguments in (
        (1, (changed, world.receipt, *trusted)),
        (4, (world.report, world.receipt, "--log", world.card, "--no-header-store")),
        (2, (world.report, world.report, *trusted)),
        (2, (world.report, world.receipt, *trusted, "--page-url", "http://log.example")),
    ):
        done = run("certificate", *arguments, "-o", path)
        assert code == done.exit_code, done.text + done.err
        assert not path.exists()


def test_long_and_strange_names_stay_on_one_page(world: World) -> None:
    """What the page's letters cannot show is escaped, and what is too long is cut."""
    strange = world.folder / ("\u202egro\u00dfe \u6f22\u5b57" + "x" * 160 + ".txt")
    strange.write_bytes(world.report.read_bytes())
    path = world.folder / "strange.pdf"
    options = ("--log", world.card, "--headers", world.headers, "--page-url", URL + "/" + "y" * 250, "-o", path)
    assert 0 == run("certificate", strange, world.receipt, *options).exit_code
    pdf = PdfReader(path)
    assert 1 == len(pdf.pages)
    assert "\\u202egroße \\u6f22\\u5b57xxx" in text_of(pdf)


@pytest.mark.parametrize(
    ("name", "shown"), [("a b.txt", "a b.txt"), ("\x1b[2J\n", "\\x1b[2J\\n"), ("\udcff", "\\udcff")]
)
def test_names_are_shown_safely(name: str, shown: str) -> None:
    """Control characters, undecodable bytes and letters of other scripts are escaped."""
    assert shown == _shown(name)
