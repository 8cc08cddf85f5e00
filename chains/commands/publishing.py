"""Commands that judge a published log from outside: ``thread``, and ``audit`` of an address."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

from chains.commands.live import (
    CookieFile,
    LogCardFile,
    NetworksFile,
    Node,
    NodeUser,
    PasswordFile,
    TrustedEsploraUrls,
    TrustedNodeUrl,
    live_view,
    networks_given,
    rules_of,
)
from chains.commands.terminal import (
    EXIT_NOT_CHECKED,
    PROVING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    opened,
    say,
    usage,
)
from chains.commands.verifying import known_card

if TYPE_CHECKING:
    from anchor.bitcoin.networks import Network
    from anchor.bitcoin.protocols import Source
    from anchor.proof.bitcoin.networks import NetworkRules
    from anchor.proof.receipt import LogCard
    from anchor.thread_auditor import Auditor
    from anchor.tiles import Fetch
    from chains.following import Seen
    from chains.home import Home

app = command_group()


@app.command(rich_help_panel=PROVING)
def thread(
    mirror_folder: Annotated[
        str | None,
        typer.Option("--mirror", help="The published log to audit, folder or http address (default: this home's)."),
    ] = None,
    log: LogCardFile = None,
    chain: Annotated[
        list[str] | None, typer.Option(help="Check the heads of this chain only (id in hex; may be repeated).")
    ] = None,
    max_gap: Annotated[
        float | None, typer.Option(min=0.1, help="Hours for which something may stay unanchored (default: 48).")
    ] = None,
    node_url: TrustedNodeUrl = None,
    node_cookie_file: CookieFile = None,
    node_user: NodeUser = "",
    node_password_file: PasswordFile = None,
    esplora_url: TrustedEsploraUrls = None,
    networks: NetworksFile = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Audit a log from outside: one line of anchors, one history, nothing withheld.

    Exit codes: 0 one history; 1 does not hold; 2 usage; 3 incomplete; 4 could not be checked.
    """
    from anchor.thread_audit import audit_thread
    from chains.thread_wording import thread_lines

    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    wanted = None if chain is None else frozenset(given(lambda: chain_ids(chain)))
    with ended_by_source(as_json=as_json), ExitStack() as stack:
        if mirror_folder is None:
            found = stack.enter_context(opened(home))
            fetch, auditor = stack.enter_context(_own(found, log, node, esplora_url or [], wanted, max_gap))
        else:
            fetch, auditor = stack.enter_context(
                mirrored(mirror_folder, log, node, esplora_url or [], wanted, max_gap, networks_given(networks))
            )
        verdict = audit_thread(fetch, auditor)
    say(verdict.to_json(), lambda: thread_lines(verdict), as_json=as_json)
    raise typer.Exit(verdict.exit_code)


def follow(
    place: str, log: Path | None, node: Node, esplora_urls: list[str], networks: Path | None, *, as_json: bool
) -> NoReturn:
    """Audit a published log, compare it with what was seen there before, and note what is seen; ends the command."""
    from dataclasses import replace

    from anchor.thread_audit import audit_thread
    from chains.following import keep_seen, read_seen, seen_file
    from chains.thread_wording import thread_lines

    path = seen_file(place)
    seen = given(lambda: read_seen(path))
    with (
        ended_by_source(as_json=as_json),
        mirrored(place, log, node, esplora_urls, None, None, networks_given(networks)) as (fetch, auditor),
    ):
        verdict = audit_thread(fetch, replace(auditor, seen=None if seen is None else seen.checkpoint))
    is_kept = keep_seen(path, place, verdict)
    facts = verdict.to_json() | {"seen_before": None if seen is None else seen.note, "kept_in": str(path)}
    say(facts, lambda: [*thread_lines(verdict), *_following_lines(path, seen, is_kept=is_kept)], as_json=as_json)
    raise typer.Exit(verdict.exit_code)


@contextmanager
def ended_by_source(*, as_json: bool) -> Iterator[None]:
    """End an audit where a source or a server is silent, or where there is no published log."""
    from anchor.errors import SourceError
    from anchor.proof.errors import MalformedError

    try:
        yield
    except SourceError as error:
        text = f"COULD NOT BE CHECKED: {error}"
        say({"outcome": "not checked", "exit_code": EXIT_NOT_CHECKED, "error": text}, lambda: text, as_json=as_json)
        raise typer.Exit(EXIT_NOT_CHECKED) from error
    except MalformedError as error:
        usage(str(error))


def _following_lines(path: Path, seen: "Seen | None", *, is_kept: bool) -> list[str]:
    """Return what was remembered of the last audit, and what will be."""
    before = (
        "This is the first look at this log from here."
        if seen is None
        else f"Compared with the checkpoint of {seen.checkpoint.size} leaves that was seen here before."
    )
    if is_kept:
        return ["", before, f"What was seen is kept in {path}."]
    kept = "Nothing was kept." if seen is None else f"Keep {path}: it has the checkpoint that the log signed before."
    return ["", before, kept]


@contextmanager
def mirrored(
    place: str,
    log: Path | None,
    node: Node,
    esplora_urls: list[str],
    chains: frozenset[bytes] | None,
    max_gap_h: float | None,
    networks: "Mapping[str, Network] | None",
    *,
    token: str | None = None,
) -> "Iterator[tuple[Fetch, Auditor]]":
    """Yield what reads a published log, and an auditor with the card and the sources that were named.

    ``token``: an API key of a service, for chains that not everybody may read.
    """
    from anchor.bitcoin.web_address import checked_url, is_address
    from anchor.published import read_card
    from chains.log_reading import opened_log

    if is_address(place):
        given(lambda: checked_url(place))
    with opened_log(place, token) as fetch:
        published = read_card(fetch)
        with live_view(node, esplora_urls, published.log, networks) as live:
            source = cast("Source", live[0].source) if live else None
            names = live[0].names if live else ()
            card = given(lambda: known_card(log, published.log.log_id))
            yield fetch, _auditor(card, source, names, chains, max_gap_h, rules_of(networks))


@contextmanager
def _own(
    found: "Home",
    log: Path | None,
    node: Node,
    esplora_urls: list[str],
    chains: frozenset[bytes] | None,
    max_gap_h: float | None,
) -> "Iterator[tuple[Fetch, Auditor]]":
    """Yield what reads a home as its mirror would show it, and an auditor with the home's own sources."""
    from tempfile import TemporaryDirectory

    from chains.mirror import Mirror
    from chains.mirror_folder import fetch_from
    from chains.sources import source_names

    own = {found.network.name: found.network}
    with TemporaryDirectory() as folder, live_view(node, esplora_urls, found.directory.log, own) as live:
        writer = Mirror(Path(folder), found.engine, found.trees, found.directory, found.chains, found.journal)
        writer.write(found.checkpoint_key)
        if not live:
            found.source.check_network()
        source = cast("Source", live[0].source) if live else found.source
        names = live[0].names if live else source_names(found.settings, found.network)
        hours = max_gap_h or found.settings.anchor_within_s / 3600
        card = given(lambda: known_card(log, found.directory.log.log_id)) or found.card()
        yield fetch_from(Path(folder)), _auditor(card, source, names, chains, hours, rules_of(own))


def _auditor(
    card: "LogCard | None",
    source: "Source | None",
    names: tuple[str, ...],
    chains: frozenset[bytes] | None,
    max_gap_h: float | None,
    networks: "Mapping[str, NetworkRules]",
) -> "Auditor":
    from anchor.signing import check_signature
    from anchor.thread_auditor import DEFAULT_MAX_GAP_S, Auditor

    max_gap_s = DEFAULT_MAX_GAP_S if max_gap_h is None else int(max_gap_h * 3600)
    return Auditor(check_signature, card, source, names, max_gap_s, chains, networks)


def chain_ids(texts: list[str]) -> list[bytes]:
    """Return the chain ids of a command line."""
    from anchor.proof.codec import hash_from_hex

    return [hash_from_hex(text, "--chain", 32) for text in texts]
