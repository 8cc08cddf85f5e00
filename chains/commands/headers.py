"""Commands about Bitcoin's headers: ``headers sync``, ``headers show``, ``headers export``; none needs a home.

Input is a Bitcoin source that the command line names, or the home's. The header store that ``sync`` fills is what
``verify`` asks offline.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.live import CookieFile, Node, NodeUser, PasswordFile, is_named, live_source
from chains.commands.terminal import (
    MAX_SIZE,
    PROVING,
    HomeOption,
    JsonOption,
    command_group,
    fail,
    opened,
    print_line,
    say,
    usage,
)
from chains.counted import counted

if TYPE_CHECKING:
    from anchor.bitcoin.header_store import HeaderStore
    from anchor.bitcoin.networks import Network
    from anchor.bitcoin.protocols import BlockId, Headers

app = command_group()
headers_app = command_group("Bitcoin's headers: judge and keep them on this machine, so that verify needs nobody.")
app.add_typer(headers_app, name="headers", rich_help_panel=PROVING)

NetworkOption = Annotated[
    str, typer.Option(help="Bitcoin network (default: the home's, or testnet4 where sources are named).")
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Folder of header stores (default: in the XDG data folder).")
]
NodeUrl = Annotated[str | None, typer.Option(help="RPC address of a Bitcoin Core node (default: the home's source).")]
EsploraUrls = Annotated[
    list[str] | None, typer.Option("--esplora-url", help="Esplora server; may be repeated, and all named must agree.")
]
DEFAULT_NETWORK = "testnet4"


@headers_app.command("sync")
def sync_headers(
    network: NetworkOption = "",
    node_url: NodeUrl = None,
    node_cookie_file: CookieFile = None,
    node_user: NodeUser = "",
    node_password_file: PasswordFile = None,
    esplora_url: EsploraUrls = None,
    store: StoreOption = None,
    anew: Annotated[bool, typer.Option("--anew", help="Remove the store first, damaged or not.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the header store level with a Bitcoin source, which is believed in nothing: every header is judged."""
    from anchor.bitcoin.header_note import SyncNote
    from anchor.bitcoin.header_sync import sync
    from chains.header_stores import begin_anew, open_store
    from chains.home import now_ms

    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    with _chosen_source(network, node, esplora_url or [], home) as (source, names):
        if anew:
            begin_anew(source.network.headers, store)
        with open_store(source.network.headers, store, writable=True) as kept:
            done = sync(source, kept, _progress)
            kept.write_note(SyncNote(" and ".join(names), now_ms()))
            facts = {
                "synchronised_from": list(names),
                "fork": done.fork,
                "added": done.added,
                "removed": done.removed,
                "held": done.held,
                **_facts(kept),
            }
    say(facts, lambda: _synced_lines(facts), as_json=as_json)


@headers_app.command("show")
def show_headers(
    network: NetworkOption = "", store: StoreOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Show the header store of a network: where it begins and ends, its work, and who it came from."""
    from chains.header_stores import open_store

    with open_store(_chosen_network(network, home).headers, store, writable=False) as kept:
        facts = _facts(kept)
    say(facts, lambda: _store_lines(facts), as_json=as_json)


@headers_app.command("export")
def export_headers(
    output: Annotated[Path, typer.Argument(help="File to write.")],
    first: Annotated[int, typer.Option("--from", min=0, max=MAX_SIZE, help="First height.")] = 0,
    network: NetworkOption = "",
    node_url: NodeUrl = None,
    node_cookie_file: CookieFile = None,
    node_user: NodeUser = "",
    node_password_file: PasswordFile = None,
    esplora_url: EsploraUrls = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the headers of the best chain, as the source knows them, to a file for verify --headers."""
    from anchor.proof.blocks import encode_headers
    from chains.files import write_file

    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    with _chosen_source(network, node, esplora_url or [], home) as (source, _):
        name, tip = source.network.name, source.tip().height
        if first > tip:
            fail(f"no block {first}: the best chain of {name} ends at {tip}")
        raw = source.headers_from(first, tip + 1 - first)
    write_file(output, encode_headers(name, first, raw))
    facts = {"network": name, "first_height": first, "headers": len(raw), "file": str(output)}
    say(facts, lambda: f"{counted(len(raw), 'headers')} of {name} from height {first} in {output}", as_json=as_json)


@contextmanager
def _chosen_source(
    network: str, node: Node, esplora_urls: list[str], home: Path | None
) -> "Iterator[tuple[Headers, tuple[str, ...]]]":
    """Yield the source that the options name, or the home's, and what its parts are called."""
    from anchor.bitcoin.networks import network_named
    from chains.sources import source_names

    with ExitStack() as stack:
        if is_named(node, esplora_urls):
            chosen = network_named(network or DEFAULT_NETWORK)
            yield stack.enter_context(live_source(node, esplora_urls, chosen))
            return
        found = stack.enter_context(opened(home))
        if network not in {"", found.network.name}:
            usage(f"the home's source follows {found.network.name}: name one of {network} (--node-url, --esplora-url)")
        found.source.check_network()
        yield found.source, source_names(found.settings, found.network)


def _chosen_network(name: str, home: Path | None) -> "Network":
    """Return the built-in network of that name, or the home's; without a name and a home, the default one."""
    from anchor.bitcoin.networks import NETWORKS, network_named
    from anchor.errors import SettingsError

    if name in NETWORKS:
        return network_named(name)
    try:
        with opened(home) as found:
            network: Network = found.network
    except SettingsError:
        if home is not None:
            raise
        return network_named(name or DEFAULT_NETWORK)
    return network if name in {"", network.name} else network_named(name)


def _facts(kept: "HeaderStore") -> dict[str, Any]:
    from anchor.bitcoin.header_rules import read_fields
    from anchor.proof.bitcoin.hashes import hash_hex

    start, tip, note = kept.start(), kept.tip(), kept.note()
    [raw] = kept.headers_from(tip.height, 1)
    count = tip.height - start.height + 1
    return {
        "network": kept.network,
        "folder": str(kept.folder),
        "headers": count,
        "bytes": count * len(raw),
        "first": {"height": start.height, "block": hash_hex(start.hash)},
        "tip": {"height": tip.height, "block": hash_hex(tip.hash), "time_s": read_fields(raw).time_s},
        "work": f"{kept.work():064x}",
        "checkpoint": None if start.height == 0 else hash_hex(start.hash),
        "synchronised": None if note is None else {"source": note.source, "at_ms": note.at_ms},
        "not_believed": kept.shortfall(),
    }


def _store_lines(facts: dict[str, Any]) -> list[str]:
    from datetime import UTC, datetime

    from anchor.bitcoin.header_note import SyncNote

    at = datetime.fromtimestamp(facts["tip"]["time_s"], UTC)
    whence = facts["synchronised"]
    begins = "a checkpoint" if facts["checkpoint"] else "genesis"
    lines = [
        f"{counted(facts['headers'], 'headers')} of {facts['network']} ({facts['bytes']} bytes) in {facts['folder']}",
        f"first   {facts['first']['height']} {facts['first']['block']} ({begins})",
        f"tip     {facts['tip']['height']} {facts['tip']['block']}, of {at:%Y-%m-%dT%H:%M:%SZ}",
        f"work    {facts['work'].lstrip('0')} (hex, expected hashes)",
    ]
    if whence is not None:
        lines.append(f"from    {SyncNote(whence['source'], whence['at_ms'])}")
    return lines if facts["not_believed"] is None else [*lines, f"not believed yet: {facts['not_believed']}"]


def _synced_lines(facts: dict[str, Any]) -> list[str]:
    change = f"{counted(facts['added'], 'headers')} added, {facts['removed']} removed since height {facts['fork']}"
    if facts["held"]:
        change += f"; the source's {facts['held']} from there on have no more work than ours, which stayed"
    return [change, *_store_lines(facts)]


def _progress(reached: "BlockId", offered: "BlockId") -> None:
    if offered.height > reached.height:
        print_line(f"headers: {reached.height} of {offered.height}")
