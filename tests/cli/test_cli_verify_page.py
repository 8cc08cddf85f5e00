"""``verify-page`` writes verify.html, and every export and mirror has the same file."""

import tarfile

from anchor.proof.codec import sha256
from chains.verify_page import page
from tests.cli.commands import World, run


def test_the_page_is_written_and_named_by_its_digest(world: World) -> None:
    """To a file with its SHA-256 on standard output, in words or as JSON; or itself to standard output."""
    file = world.folder / "verify.html"
    done = run("verify-page", "--output", str(file))
    assert (0, page().html) == (done.exit_code, file.read_bytes())
    assert f"{file}: {len(page().html)} bytes, SHA-256 {page().sha256}\n" == done.text
    facts = run("verify-page", "-o", str(file), "--json").facts
    assert {"file": str(file), "size": len(page().html), "sha256": sha256(page().html).hex()} == facts
    assert page().html == run("verify-page").out


def test_exports_and_mirrors_have_the_page(world: World) -> None:
    """An archive and a mirror of a log bring the page along; a mirror's is renewed when it is old."""
    world.ok("export", world.folder / "log.tar")
    with tarfile.open(world.folder / "log.tar") as tar:
        name = next(each for each in tar.getnames() if each.count("/") == 1 and each.endswith("/verify.html"))
        packed = tar.extractfile(name)
        assert packed is not None
        assert page().html == packed.read()
    mirror = world.folder / "mirror"
    world.ok("mirror", mirror)
    assert page().html == (mirror / "verify.html").read_bytes()
    (mirror / "verify.html").write_bytes(b"an older one")
    world.ok("mirror", mirror)
    assert page().html == (mirror / "verify.html").read_bytes()
