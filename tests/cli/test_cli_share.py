"""One record for a third party, through the command line: ``share file``, ``link``, ``list`` and ``revoke``.

Homes are copies of the prepared one; what a link opens is tested with the pages.
"""

import re

from tests.cli.commands import REPORT, World, run


def test_one_file_is_all_that_a_third_party_needs(world: World) -> None:
    """Content, salt and receipt are in it: it verifies offline, without file and home."""
    shared = world.folder / "shared.json"
    world.ok("share", "file", "acme:1", "--output", shared)
    done = run("verify", shared, "--log", world.card, "--headers", world.headers)
    assert (0, "") == (done.exit_code, done.err)
    assert "the content in the receipt is what was recorded" in done.text
    world.report.write_bytes(REPORT + b"no")
    changed = run("verify", world.report, shared, "--log", world.card, "--headers", world.headers, "--json")
    assert (1, "content-changed") == (changed.exit_code, changed.facts["finding"])
    digest_only = world.run("share", "file", "meridian:1", "--output", shared)
    assert (0, True) == (digest_only.exit_code, "the content is not in the file" in digest_only.err)


def test_a_link_is_made_listed_and_revoked(world: World) -> None:
    """Its secret is shown once; the list says that it was never read, and a revoked one stays in it."""
    made = world.ok(
        "share", "link", "acme:1", "--until", "30d", "--label", "the bank", "--address", "https://log.example/"
    )
    link, line = made.text.splitlines()
    assert re.fullmatch(r"https://log\.example/s/[A-Za-z0-9_-]{43}", link)
    assert "acme:1 (the bank): live, until" in line
    listed = world.ok("share", "list", "acme")
    assert link.rsplit("/", 1)[1] not in listed.text
    assert "; never read" in listed.text
    [share] = world.ok("share", "list", "acme", "--json").facts["shares"]
    once = world.ok("share", "link", "acme:1", "--once", "--json").facts
    assert (True, True) == (once["once"], once["link"].startswith("/s/"))
    assert world.ok("share", "revoke", share["share"]).text.startswith(f"Revoked: {share['share']} acme:1")
    states = [each["state"] for each in world.ok("share", "list", "acme", "--json").facts["shares"]]
    assert ["revoked", "live"] == states


def test_what_was_asked_wrongly_is_said(world: World) -> None:
    """An entry or a share that is not there, and a link without an end, are refused; nothing is made."""
    for arguments, exit_code, message in (
        (("link", "acme:1", "--until", "never"), 2, "a link ends"),
        (("link", "acme:1", "--until", "400d"), 1, "within 366 days"),
        (("link", "acme:9999"), 1, "no entry 9999"),
        (("revoke", "sh_aaaaaaaa"), 1, "no share 'sh_aaaaaaaa'"),
        (("list", "nowhere"), 1, "nowhere"),
    ):
        done = world.run("share", *arguments)
        assert (exit_code, True) == (done.exit_code, message in done.err), done.err
    assert "No share." in world.ok("share", "list", "acme").text
