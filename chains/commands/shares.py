"""Commands about single records for third parties: ``share``, by a link that ends, or as one file.

A link is opened at the service of this home (``anchorline serve``); a file needs no service any more.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.accounts import EXPIRES_HELP, utc_or_none
from chains.commands.terminal import (
    PROVING,
    HomeOption,
    JsonOption,
    command_group,
    find_entry,
    opened,
    print_line,
    say,
    usage,
    write_output,
)
from chains.counted import counted

if TYPE_CHECKING:
    from chains.home import Home
    from chains.shares import Share

app = command_group()
share_app = command_group("Give one record to a third party: as one file, or by a link that ends.")
app.add_typer(share_app, name="share", rich_help_panel=PROVING)

EntryArgument = Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")]


@share_app.command("file")
def share_file(
    entry: EntryArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write one file with the content, its salt and the receipt of an entry; it cannot be taken back.

    `anchorline verify FILE` and verify.html judge it. Where the content is not kept here, it is not in the file, and
    what is said of it is on standard error.
    """
    from anchor.proof.access_record import What
    from chains.receipts import Receipts, Shown
    from chains.taking import Taking

    with opened(home) as found:
        stored = find_entry(found, entry)
        receipts = Receipts(found.engine, found.trees, found.directory, found.chains, found.journal, found.lookup)
        made = receipts.make(stored, Shown(salt_and_digest=True, content=True))
        taking = Taking(found)
        taking.take(What.CONTENT if made.content.data is not None else What.RECEIPT, stored)
        taking.note()
    if made.content.data is None:
        print_line(f"warning: the content is not in the file: it is {made.content.state} here, or only its digest is")
    write_output(output, made.encode())


@share_app.command("link")
def share_link(
    entry: EntryArgument,
    until: Annotated[str, typer.Option(help=EXPIRES_HELP)] = "7d",
    once: Annotated[bool, typer.Option("--once", help="For one reading: ends 15 minutes after the first.")] = False,
    label: Annotated[str, typer.Option(help="For whom it is, in your words; he does not see it.")] = "",
    address: Annotated[
        str, typer.Option(help="Where the service is: https://HOST. Without it, the path behind it is printed.")
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a link that opens one record, read-only, until it ends or is revoked. It is shown this once.

    Whoever has the link can open it: send it as you would send the record. To open the page is no reading; the button
    on it is, and `share list` says when it was pressed.
    """
    from chains.access_notes import MACHINE
    from chains.expiry import expiry_ms

    with opened(home) as found:
        now_ms, stored = found.clock(), find_entry(found, entry)
        chain, ends_at_ms = found.chains.by_no(stored.chain_no), expiry_ms(until, now_ms)
        if ends_at_ms is None:
            usage("--until: a link ends; name a time within 366 days")
        assert chain is not None
        made = found.accounts.shares.make(chain, stored, MACHINE, label, ends_at_ms, now_ms, is_once=once)
        facts = {**_facts(found, made.share, now_ms), "link": address.rstrip("/") + made.path}
    say(facts, lambda: [facts["link"], f"  {_line(facts)}"], as_json=as_json)


@share_app.command("list")
def share_list(
    chain: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the links to entries of a chain: which opens something, and which was read when."""
    with opened(home) as found:
        now_ms = found.clock()
        shares = found.accounts.shares.of_chain(found.chains.named(chain))
        rows = [_facts(found, share, now_ms) for share in shares]
    say({"shares": rows}, lambda: [_line(row) for row in rows] or "No share.", as_json=as_json)


@share_app.command("revoke")
def share_revoke(
    share: Annotated[str, typer.Argument(help="Visible name of the share (sh_...).")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a link now. What was read of it before stays with who read it; whether it was, is said."""
    from chains.access_notes import MACHINE

    with opened(home) as found:
        now_ms, shares = found.clock(), found.accounts.shares
        ending = shares.by_id(share)
        chain = found.chains.by_no(ending.chain_no)
        assert chain is not None
        revoked = shares.revoke(ending, chain, MACHINE, now_ms)
        facts = _facts(found, revoked, now_ms)
    say(facts, lambda: f"Revoked: {_line(facts)}", as_json=as_json)


def _facts(found: "Home", share: "Share", now_ms: int) -> dict[str, Any]:
    chain, seen = found.chains.by_no(share.chain_no), found.accounts.shares.seen(share)
    assert chain is not None
    return {
        "share": share.share_id,
        "entry": f"{chain.name or chain.chain_id.hex()}:{share.leaf_index}",
        "label": share.label,
        "state": found.accounts.shares.state(share, now_ms),
        "made_at": utc_or_none(share.made_at_ms),
        "ends_at": utc_or_none(share.ends_at_ms),
        "once": share.is_once,
        "key_id": share.key_id,
        "reads": seen.reads,
        "first_read_at": utc_or_none(seen.first_at_ms),
        "last_read_at": utc_or_none(seen.last_at_ms),
        "revoked_at": utc_or_none(share.revoked_at_ms),
    }


def _line(facts: dict[str, Any]) -> str:
    read = (
        "never read"
        if not facts["reads"]
        else f"read {counted(facts['reads'], 'times')}, first {facts['first_read_at']}"
    )
    label = f" ({facts['label']})" if facts["label"] else ""
    once = ", once" if facts["once"] else ""
    return f"{facts['share']} {facts['entry']}{label}: {facts['state']}, until {facts['ends_at']}{once}; {read}"
