"""The command that publishes a log as static files, a home's own or somebody else's: ``mirror``."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    is_named,
    networks_given,
)
from chains.commands.publishing import chain_ids, ended_by_source, mirrored
from chains.commands.terminal import (
    KEEPING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    opened,
    print_line,
    say,
    usage,
)
from chains.counted import counted

if TYPE_CHECKING:
    from chains.mirror import Mirrored
    from chains.mirror_copy import Copied, MirrorCopy

app = command_group()
Pusher = Callable[[Path], dict[str, Any]]


@dataclass(frozen=True)
class _Ways:
    """What of a home is published."""

    chain: list[str] | None
    all_chains: bool
    with_private: bool
    whole: bool


@app.command(rich_help_panel=KEEPING)
def mirror(
    place: Annotated[
        str, typer.Argument(metavar="FOLDER|URL", help="Folder to write from this home; or a log to copy: its address.")
    ],
    into: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="With a log to copy: the folder to write.")
    ] = None,
    chain: Annotated[
        list[str] | None,
        typer.Option(help="Publish this chain's entries too (name or id; may be repeated). Of a copy: only these ids."),
    ] = None,
    all_chains: Annotated[
        bool, typer.Option("--all-chains", help="Publish the entries of every public chain.")
    ] = False,
    with_private: Annotated[
        bool,
        typer.Option(
            "--with-private", help="Also of chains that are not public: for a folder that others cannot read."
        ),
    ] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Write every file anew, not only what is new.")] = False,
    watch: Annotated[
        float | None, typer.Option(min=0.1, help="Of a copy: go on, and look again after so many seconds.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Of a copy: file with an API key, for chains that are not public.")
    ] = None,
    most_gib: Annotated[float, typer.Option(min=0.001, help="Of a copy: GiB that one run may fetch.")] = 64,
    push: Annotated[
        str | None, typer.Option(metavar="s3://BUCKET/PREFIX", help="Then push the folder to this storage (AWS_*).")
    ] = None,
    log: LogCardFile = None,
    node_url: TrustedNodeUrl = None,
    node_cookie_file: CookieFile = None,
    node_user: NodeUser = "",
    node_password_file: PasswordFile = None,
    esplora_url: TrustedEsploraUrls = None,
    networks: NetworksFile = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the log as a folder of static files, or copy what another service or mirror publishes of its log.

    Leaf hashes of every chain are published, entries only of the chains that are named, and of organisations' chains
    only while these are public; content and salts never. A copy takes what is shown to it, and nothing that the thread
    audit does not pass. Exit codes of a copy: 0 level; 1 refused, another history; 2 usage; 3 parts were withheld; 4
    the place does not answer, or is not whole.
    """
    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    if into is None:
        if watch or key_file or log or networks or is_named(node, esplora_url or []):
            usage("--watch, --key-file, cards, Bitcoin sources and networks are for a copy: name its FOLDER too")
        pushed = _pusher(push)
        ways = _Ways(chain, all_chains, with_private, whole)
        _publish(_folder(place), ways, home, pushed, as_json=as_json)
        return
    if all_chains or whole:
        usage("--all-chains and --whole are for this home's own log; a copy takes what is shown to it")
    if (key_file is not None) != with_private:
        usage("--key-file and --with-private belong together: the folder is then not for everybody")
    token = None if key_file is None else given(lambda: key_file.read_text(encoding="ascii").strip())
    wanted = None if chain is None else frozenset(given(lambda: chain_ids(chain)))
    with (
        ended_by_source(as_json=as_json),
        mirrored(place, log, node, esplora_url or [], wanted, None, networks_given(networks), token=token) as (
            fetch,
            auditor,
        ),
    ):
        from chains.mirror_copy import MirrorCopy

        copy, pushed = MirrorCopy(into, fetch, auditor, wanted, int(most_gib * 2**30)), _pusher(push)
        exit_code = _once(copy, pushed, as_json) if watch is None else _watch(copy, pushed, watch, as_json)
    raise typer.Exit(exit_code)


def _folder(place: str) -> Path:
    """Return the folder that is meant; an address alone is none."""
    from anchor.bitcoin.web_address import is_address

    if is_address(place):
        usage(f"a log to copy needs a folder: anchorline mirror {place} FOLDER")
    return Path(place)


def _publish(folder: Path, ways: "_Ways", home: Path | None, pushed: "Pusher", *, as_json: bool) -> None:
    """Write this home's own log."""
    from anchor.proof.access_record import What
    from chains.mirror import Mirror
    from chains.publication import publication_of
    from chains.taking import Taking

    if ways.chain and ways.all_chains:
        usage("--all-chains publishes the chains of --chain too: give one of the two")
    with opened(home) as found:
        chains = {each.chain_no: each for each in found.chains.all()}
        access = found.accounts.sharing.access_of_each(list(chains))
        named = [found.chains.named(name) for name in ways.chain or []]
        published = publication_of(
            {number: (each, access[number]) for number, each in chains.items()},
            named,
            all_public=ways.all_chains,
            with_private=ways.with_private,
        )
        taking = Taking(found)
        for each in published.chosen:
            taking.take_chain(What.MIRROR, each, found.chains.size(each), "entries, without contents and salts")
        taking.note()
        writer = Mirror(folder, found.engine, found.trees, found.directory, found.chains, found.journal)
        done = writer.write(found.checkpoint_key, published.chosen, published.kept_out, whole=ways.whole)
    more = pushed(folder)
    say(asdict(done) | {"folder": str(folder)} | more, lambda: _published_lines(folder, done, more), as_json=as_json)


def _published_lines(folder: Path, done: "Mirrored", more: dict[str, Any]) -> list[str]:
    told = (
        f"{folder}: {done.size} leaves of the directory, {counted(done.chains, 'chains')} "
        f"({done.chains_with_entries} with entries), {counted(done.anchors, 'anchors')}; "
        f"{counted(done.files_written, 'files')} written"
    )
    taken_out = f"; entries of {counted(done.chains_taken_out, 'chains')} taken out" if done.chains_taken_out else ""
    return [told + taken_out, *_pushed_lines(more)]


def _pusher(url: str | None) -> "Pusher":
    """Return what pushes a folder to an address, and what it did as facts; nothing where none is named."""
    if url is None:
        return lambda _: {}
    from chains.mirror_push import push
    from chains.object_store import ObjectsAt

    objects = given(lambda: ObjectsAt.open(url))
    return lambda folder: {"pushed": {"to": url, **asdict(push(folder, url, objects))}}


def _pushed_lines(more: dict[str, Any]) -> list[str]:
    if "pushed" not in more:
        return []
    facts = more["pushed"]
    put = f"{counted(facts['put'], 'files')} of {facts['put_bytes']} bytes"
    return [f"  pushed to {facts['to']}: {put}, {facts['deleted']} removed"]


def _once(copy: "MirrorCopy", pushed: "Pusher", as_json: bool) -> int:
    done = copy.run()
    _say(copy.folder, done, pushed(copy.folder), as_json=as_json)
    return _exit_code(done)


def _watch(copy: "MirrorCopy", pushed: "Pusher", every_s: float, as_json: bool) -> int:
    """Copy again and again, until a signal comes or what is shown does not hold; silence is waited out."""
    from anchor.daemon import until_signal
    from anchor.errors import NotYetError, SourceError
    from anchor.proof.errors import MalformedError

    is_level = False
    with until_signal() as wait:
        while True:
            try:
                done = copy.run()
                if done.outcome is not None or done.files_written or not is_level:
                    is_level = False
                    _say(copy.folder, done, pushed(copy.folder), as_json=as_json)
                    is_level = True
            except (SourceError, NotYetError, MalformedError) as error:
                print_line(f"event=waiting folder={copy.folder} message={str(error)!r}")
            if wait(every_s):
                return 0


def _say(folder: Path, done: "Copied", more: dict[str, Any], *, as_json: bool) -> None:
    facts = asdict(done) | {"folder": str(folder)} | more
    say(facts, lambda: [*_copied_lines(folder, done), *_pushed_lines(more)], as_json=as_json)


def _exit_code(done: "Copied") -> int:
    from anchor.thread_verdict import EXIT_CODES, Outcome

    return EXIT_CODES[Outcome.INCOMPLETE] if done.withheld else 0


def _copied_lines(folder: Path, done: "Copied") -> list[str]:
    if done.outcome is None:
        news = "nothing new but time stamps" if done.files_written else "nothing new"
        return [f"{folder}: {news}; {done.size} leaves of the directory"]
    told = (
        f"{folder}: {done.size} leaves of the directory, {counted(done.chains, 'chains')} "
        f"({done.chains_changed} with news, {done.chains_not_shown} not shown to you), "
        f"{counted(done.entries, 'new entries')}, {counted(done.anchors, 'anchors')}; "
        f"{counted(done.files_written, 'files')} written; audit: {done.outcome}"
    )
    return [
        told,
        *(f"  no longer shown, moved beside the folder: {path}" for path in done.withdrawn),
        *(f"  WITHHELD, not published here: {path}" for path in done.withheld),
        *(f"  the log took an entry whose author is wrong: {text}" for text in done.wrong_authors),
    ]
