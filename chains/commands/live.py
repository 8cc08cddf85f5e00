"""The live Bitcoin sources that a third party names on the command line, as one view of the best chain.

Input is the options of ``verify``, ``thread`` and ``headers`` (a node, Esplora servers) and a network. Nothing of
Bitcoin is loaded where nobody is named.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.terminal import given, usage

if TYPE_CHECKING:
    from anchor.bitcoin.known import SourceBlocks
    from anchor.bitcoin.networks import Network
    from anchor.bitcoin.protocols import Headers, Source
    from anchor.proof.bitcoin.networks import NetworkRules
    from anchor.proof.leaves import LogLeaf

LogCardFile = Annotated[Path | None, typer.Option(help="The log's card; pins whose log it must be.")]
AnyLog = Annotated[bool, typer.Option("--any-log", help="Do not ask whose log it is.")]
TrustedBlocks = Annotated[list[str] | None, typer.Option(help="A block you trust: NETWORK:HEIGHT:HASH.")]
TrustedHeaders = Annotated[Path | None, typer.Option(help="A headers file you trust.")]
StoreFolder = Annotated[
    Path | None, typer.Option(help="Folder of header stores (default: yours, where nothing else is named).")
]
NoHeaderStore = Annotated[bool, typer.Option("--no-header-store", help="Do not ask your header store.")]
WantedDepth = Annotated[int, typer.Option(min=1, help="Confirmations wanted, where they are known.")]
TrustedNodeUrl = Annotated[str | None, typer.Option(help="RPC address of a Bitcoin Core node you trust.")]
CookieFile = Annotated[Path | None, typer.Option(help="Its cookie file.")]
NodeUser = Annotated[str, typer.Option(help="Or its RPC user; the password in ANCHORLINE_CORE_PASSWORD.")]
PasswordFile = Annotated[Path | None, typer.Option(help="Or the password in this file.")]
NetworksFile = Annotated[
    Path | None, typer.Option("--networks", help="File with records of further networks, which you vouch for.")
]
TrustedEsploraUrls = Annotated[
    list[str] | None, typer.Option(help="Esplora server you trust; may be repeated, and all named must agree.")
]


@dataclass(frozen=True)
class Node:
    """A Bitcoin Core node as the options name it: its address, and a cookie file, or a user with a password."""

    url: str | None = None
    cookie_file: Path | None = None
    user: str = ""
    password_file: Path | None = field(default=None, repr=False)


@contextmanager
def live_view(
    node: Node, esplora_urls: list[str], log: "LogLeaf", networks: "Mapping[str, Network] | None" = None
) -> "Iterator[tuple[SourceBlocks, ...]]":
    """Yield the one view that all named sources agree on, or none where none is named; close them at the end.

    All of them must follow the network of ``log``, which is built in or one of ``networks``, and all must agree: a
    verifier who names a source believes it.
    Raises WrongNetworkError for one of another network, SourceUnavailableError for one that does not answer.
    """
    if not is_named(node, esplora_urls):
        yield ()
        return
    from anchor.bitcoin.known import SourceBlocks
    from anchor.bitcoin.networks import NETWORKS
    from anchor.proof.verifier import network_of

    known = networks or NETWORKS
    rules = network_of(log, rules_of(known))
    if rules is None:
        usage(
            "--node-url and --esplora-url need a receipt of a network that this version knows, or that a file "
            "describes (--networks)"
        )
    with live_source(node, esplora_urls, known[rules.name]) as (source, names):
        yield (SourceBlocks(source, names),)


def networks_given(path: Path | None) -> "Mapping[str, Network] | None":
    """Return the built-in networks and those of the file that was named, None where none was."""
    if path is None:
        return None
    from anchor.bitcoin.network_file import load_networks

    return given(lambda: load_networks(path))


def rules_of(networks: "Mapping[str, Network] | None") -> "Mapping[str, NetworkRules]":
    """Return what a proof asks of each network; of the built-in ones where none are given."""
    from anchor.proof.bitcoin.networks import NETWORKS

    return NETWORKS if networks is None else {name: network.rules for name, network in networks.items()}


def is_named(node: Node, esplora_urls: list[str]) -> bool:
    """Say whether the options name any source; end the command where they contradict each other."""
    _check_node(node)
    return node.url is not None or bool(esplora_urls)


@contextmanager
def live_source(node: Node, esplora_urls: list[str], network: "Network") -> "Iterator[tuple[Headers, tuple[str, ...]]]":
    """Yield what the named sources, at least one, say together, and their names; close them at the end.

    Raises WrongNetworkError for one of another network, SourceUnavailableError for one that does not answer.
    """
    from anchor.bitcoin.agreeing import AgreeingSource

    with ExitStack() as stack:
        named = given(lambda: _opened(node, esplora_urls, network))
        for each in named.values():
            stack.callback(each.close)
        source = next(iter(named.values())) if len(named) == 1 else AgreeingSource(named, need=len(named))
        source.check_network()
        yield source, tuple(named)


def _check_node(node: Node) -> None:
    if node.url is None and (node.cookie_file or node.user or node.password_file):
        usage("--node-cookie-file, --node-user and --node-password-file belong to a node: name it with --node-url")
    if node.url is not None and node.cookie_file is None and not node.user:
        usage("--node-url needs --node-cookie-file, or --node-user with the password in ANCHORLINE_CORE_PASSWORD")


def _opened(node: Node, esplora_urls: list[str], network: "Network") -> "dict[str, Source]":
    from anchor.bitcoin.esplora import EsploraSource
    from anchor.bitcoin.web_address import checked_url

    opened: dict[str, Source] = {}
    if node.url is not None:
        opened[node.url] = _core(node, node.url, network)
    for url in map(checked_url, esplora_urls):
        if url in opened:
            usage(f"--esplora-url: expected each address once, got {url} twice")
        opened[url] = EsploraSource(url, network)
    return opened


def _core(node: Node, url: str, network: "Network") -> "Source":
    from anchor.bitcoin.core_rpc import CoreSource
    from anchor.bitcoin.json_rpc import Cookie, Password
    from chains.sources import read_password

    if node.cookie_file is not None:
        return CoreSource(url, network, Cookie(node.cookie_file))
    return CoreSource(url, network, Password(node.user, read_password(str(node.password_file or ""))))
