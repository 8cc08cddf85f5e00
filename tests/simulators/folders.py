"""Small folders with everything that a manifest can hold, and their manifests under a fixed secret.

Input is a temporary folder of the test's. Tests of manifests, their vectors and the page of the format use them.
"""

import io
from pathlib import Path

from anchor.proof.codec import sha256
from anchor.proof.manifest import MEDIA_TYPE, Document
from anchor.proof.receipt import Receipt
from anchor.proof.verify import Verifier
from chains.manifest_writing import Cut, write_manifest
from tests.simulators.documents import receipt_of_content

SECRET = sha256(b"the secret of a manifest")
FILES = {
    "notes/empty.txt": b"",
    "notes/été.txt": b"temps couvert\n",
    "orders.csv": b'id,price,note\n1,10,"two\nlines, one cell"\n2,20,\n3,30,last',
    "readings.ndjson": b'{"beam":7}\n{"beam":8}\n',
    "notes.txt": b"beam 7 inspected\n",
}


def make_folder(folder: Path) -> Path:
    """Make files, a link and an empty folder; return the folder that holds them."""
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "notes" / "nothing").mkdir()
    (folder / "newest").symlink_to("notes/été.txt")
    return folder


def listed(source: Path, *, rows: bool = True, secret: bytes = SECRET) -> tuple[io.BytesIO, Document]:
    """Return the list of a folder, and the document."""
    stream = io.BytesIO()
    document = write_manifest(source, secret, Cut(rows), stream, lambda _size: None)
    stream.seek(0)
    return stream, document


def receipt_of(document: Document) -> tuple[Receipt, Verifier]:
    """Return the anchored receipt of an entry whose content is this document, and what its verifier trusts."""
    return receipt_of_content(document.encode(), MEDIA_TYPE, "folder")
