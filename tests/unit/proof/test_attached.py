"""A receipt in a certificate: taken out to the byte, or the PDF is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.proof.attached import receipt_in
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import MAX_FILE_WITH_CONTENT

BEGINNING = b"%PDF-1.7\n1 0 obj\n<<\n/Type /Page\n>>\nendobj\n"


def certificate(receipt: bytes, length: int | None = None) -> bytes:
    """Return what fpdf2 writes around an attachment."""
    size = len(receipt) if length is None else length
    head = (
        b"6 0 obj\n<<\n/Length %d\n/Params <</Size 9>>\n/Subtype /application#2Fjson\n/Type /EmbeddedFile\n>>\n" % size
    )
    return BEGINNING + head + b"stream\n" + receipt + b"\nendstream\nendobj\n%%EOF\n"


@given(st.binary(max_size=300))
def test_what_is_attached_is_taken_out(receipt: bytes) -> None:
    """Whatever its bytes are, for as long as they do not look like a second attachment."""
    assert receipt == receipt_in(certificate(receipt))


@given(st.binary(max_size=300).filter(lambda data: not data.startswith(b"%PDF-")))
def test_what_is_no_pdf_is_left_as_it_is(data: bytes) -> None:
    """A receipt by itself, or anything else, is judged by whoever reads receipts."""
    assert data is receipt_in(data)


@given(st.binary(max_size=300))
def test_any_pdf_is_taken_or_refused(data: bytes) -> None:
    """No bytes make it fail in another way."""
    for pdf in (b"%PDF-" + data, BEGINNING + data + b"/Type /EmbeddedFile" + data):
        with pytest.raises(MalformedError):
            receipt_in(pdf)


@pytest.mark.parametrize(
    "pdf",
    [
        BEGINNING,
        certificate(b"{}", 1),
        certificate(b"{}", 3),
        certificate(b"{}", 999_999_999),
        certificate(b"{}").replace(b"/Length 2\n", b""),
        certificate(b"{}").replace(b"/EmbeddedFile\n", b"/EmbeddedFile\n/Filter /FlateDecode\n"),
        certificate(b"{}") + certificate(b"{}"),
        certificate(b"{}")[:-30],
        certificate(b"{}") + bytes(MAX_FILE_WITH_CONTENT),
    ],
)
def test_another_form_is_refused(pdf: bytes) -> None:
    """A length that is wrong or none, a filter, two attachments, an end too soon, too many bytes."""
    with pytest.raises(MalformedError, match="attachments"):
        receipt_in(pdf)
