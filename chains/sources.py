"""The Bitcoin sources of a home: which network, which servers, how many must agree, all from its settings.

``chains.home`` opens them; ``anchorline init`` checks with the same functions what it is about to write down, and
prints their warnings. Only ``network_warnings`` asks a source something: each is recognised when it is first asked.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from anchor.bitcoin.networks import NETWORKS, Network, network_named
from anchor.bitcoin.protocols import Source
from anchor.errors import SettingsError, SourceUnavailableError
from anchor.signing import read_private_file
from chains.parallel import all_within
from chains.settings import CORE, EMBEDDED, ESPLORA, Settings

REGTEST = "regtest"
EMBEDDED_NAME = "the embedded regtest"
CORE_PASSWORD_VARIABLE = "ANCHORLINE_CORE_PASSWORD"  # noqa: S105 - the variable's name, not a password
"""Environment variable of the node's password: a secret never stands in the settings file."""
# With two, one that lies or lags is noticed; more would stop the service more often than they help.
USUALLY_NEEDED = 2
_MAX_PASSWORD_BYTES = 4_096
# Nobody waits for longer to make a home; a source that is silent is asked again before the first seal.
_ASK_S = 5
_ALONE = (
    "only one Bitcoin source is known for {network}, {url}: it alone says what the best chain is, and nobody "
    "contradicts it. Name a second one (--esplora-url, esplora_urls), or run a node of your own"
)


def network_of(settings: Settings, folder: Path) -> Network:
    """Return the configured network: a built-in one, or a record of ``network_file`` (relative to the home).

    Raises SettingsError for an unknown name, a malformed file, and a file beside a built-in network's name.
    """
    if not settings.network_file:
        return network_named(settings.network)
    from anchor.bitcoin.network_file import load_networks

    if settings.network in NETWORKS:
        raise SettingsError(
            f"network_file: expected none, since network {settings.network!r} is built in; found "
            f"{settings.network_file!r}; name a network of the file, or leave the file out"
        )
    path = folder / settings.network_file
    networks = load_networks(path)
    if settings.network not in networks:
        known = ", ".join(name for name in networks if name not in NETWORKS)
        raise SettingsError(f"network: expected one of {path}, which has {known}; got {settings.network!r}")
    return networks[settings.network]


def unwatched(_: str, source: Source) -> Source:
    """Return a source as it is."""
    return source


def open_source(
    settings: Settings, network: Network, folder: Path, watch: Callable[[str, Source], Source] = unwatched
) -> Source:
    """Open the Bitcoin source that the settings name: one, or several that must agree.

    ``watch`` is given each by its name, and returns what is asked in its place.

    Raises SettingsError where addresses, credentials or ``sources_needed`` cannot be used.
    """
    makers = source_makers(settings, network, folder)
    need = 1 if settings.source == EMBEDDED else needed(settings, network)
    opened = {name: watch(name, make()) for name, make in makers.items()}
    return agreeing(opened, need)


def agreeing(opened: Mapping[str, Source], need: int) -> Source:
    """Return one source that stands for those that are open (at least one), of which ``need`` must agree."""
    if len(opened) == 1:
        return next(iter(opened.values()))
    from anchor.bitcoin.agreeing import AgreeingSource

    return AgreeingSource(opened, need)


def source_makers(
    settings: Settings, network: Network, folder: Path, tries: int | None = None
) -> dict[str, Callable[[], Source]]:
    """Return, for each source by its name (``source_names``), what opens it; ``tries`` is for Esplora servers.

    Raises SettingsError for addresses that cannot be used; opening raises it for credentials.
    """
    if settings.source == EMBEDDED:
        return {EMBEDDED_NAME: lambda: _embedded(folder)}
    makers: dict[str, Callable[[], Source]] = {}
    if CORE in settings.sources:
        makers[core_url(settings, network)] = lambda: _core(settings, network)
    for url in esplora_urls(settings, network):
        makers[url] = partial(_esplora, url, settings, network, tries)
    return makers


def source_names(settings: Settings, network: Network) -> tuple[str, ...]:
    """Return how people call the sources of these settings: their addresses."""
    if settings.source == EMBEDDED:
        return (EMBEDDED_NAME,)
    core = (core_url(settings, network),) if CORE in settings.sources else ()
    return core + esplora_urls(settings, network)


def needed(settings: Settings, network: Network) -> int:
    """Return how many sources must agree: as configured, else two where two are known."""
    known = _count(settings, network)
    if settings.sources_needed > known:
        raise SettingsError(
            f"sources_needed: expected at most the number of Bitcoin sources, {known}; found "
            f"{settings.sources_needed}; name more in esplora_urls, or need fewer"
        )
    return settings.sources_needed or min(known, USUALLY_NEEDED)


def source_warnings(settings: Settings, network: Network) -> list[str]:
    """Return what an operator should know of these sources before trusting them; check their addresses on the way."""
    if CORE in settings.sources:
        from anchor.bitcoin.json_rpc import checked_rpc_url

        checked_rpc_url(core_url(settings, network))
    if settings.source == EMBEDDED or needed(settings, network) > 1:
        return []
    urls = esplora_urls(settings, network)
    if _count(settings, network) > 1:
        return ["one Bitcoin source alone decides (sources_needed = 1): whichever lies is believed"]
    return [_ALONE.format(network=network.name, url=urls[0])] if urls else []


def network_warnings(settings: Settings, network: Network, folder: Path) -> list[str]:
    """Ask each source which network it follows; return what an operator should know of those that did not answer.

    Raises WrongNetworkError for a source of another network, SourceError for what answers and is no Bitcoin source.
    """
    if settings.source == EMBEDDED:
        return []
    hasty = replace(settings, core_timeout_s=_ASK_S, esplora_timeout_s=_ASK_S)
    makers = source_makers(hasty, network, folder, tries=1)
    found = []
    for name, answer in all_within(
        {name: partial(_ask_network, make) for name, make in makers.items()}, _ASK_S
    ).items():
        if isinstance(answer, SourceUnavailableError | SettingsError | TimeoutError):
            found.append(
                f"{name} could not be asked whether it follows {network.name}; it is asked again before anything is "
                f"sealed ({answer})"
            )
        elif answer is not None:
            raise answer
    return found


def _ask_network(make: Callable[[], Source]) -> None:
    with closing(make()) as source:
        source.check_network()


def core_url(settings: Settings, network: Network) -> str:
    """Return the address of the node's RPC port: the configured one, or the network's own port on this machine."""
    return settings.core_url or f"http://127.0.0.1:{network.rpc_port}"


def esplora_urls(settings: Settings, network: Network) -> tuple[str, ...]:
    """Return the addresses of the Esplora servers, checked: the configured ones, or the network's public ones.

    Raises SettingsError for an address that is none or stands twice, and where there is none at all.
    """
    if ESPLORA not in settings.sources:
        return ()
    from anchor.bitcoin.web_address import checked_url

    urls = tuple(checked_url(url) for url in settings.esplora_urls or network.esplora_urls)
    if not urls:
        raise SettingsError(
            f"esplora_urls: expected at least one address, since no public Esplora server of {network.name} is known"
        )
    if len(set(urls)) != len(urls):
        raise SettingsError(f"esplora_urls: expected each address once, found {', '.join(urls)}")
    return urls


def read_password(password_file: str) -> str:
    """Return the node's password from a file (its first line), or from ANCHORLINE_CORE_PASSWORD where none is named.

    Raises SettingsError where there is none, or where others may read the file; no message repeats it.
    """
    if not password_file:
        password = os.environ.get(CORE_PASSWORD_VARIABLE, "")
        if not password:
            raise SettingsError(
                f"expected the node's password in the environment variable {CORE_PASSWORD_VARIABLE}, or in a file "
                "that is named (core_password_file, --node-password-file); found neither"
            )
        return password
    path = Path(password_file)
    try:
        if not path.is_file():
            raise SettingsError(f"{password_file}: expected the node's password, cannot read: no such file")
        lines = read_private_file(path)[:_MAX_PASSWORD_BYTES].decode("utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{password_file}: expected the node's password, cannot read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Without ``from``: the error would quote the file.
        raise SettingsError(f"{password_file}: expected the node's password in UTF-8, found other bytes") from None
    if not lines or not lines[0]:
        raise SettingsError(f"{password_file}: expected the node's password in the first line, found an empty one")
    return lines[0]


def _count(settings: Settings, network: Network) -> int:
    return (CORE in settings.sources) + len(esplora_urls(settings, network))


def _embedded(folder: Path) -> Source:
    # libbitcoinkernel takes a fifth of a second to load, so it is loaded only where it is used.
    from anchor.bitcoin.local import LocalRegtest

    return LocalRegtest(folder / REGTEST)


def _core(settings: Settings, network: Network) -> Source:
    from anchor.bitcoin.core_rpc import CoreSource
    from anchor.bitcoin.json_rpc import Cookie, Password

    if settings.core_cookie_file:
        credentials: Cookie | Password = Cookie(Path(settings.core_cookie_file))
    elif settings.core_user:
        credentials = Password(settings.core_user, read_password(settings.core_password_file))
    else:
        raise SettingsError(
            "source 'core': expected core_cookie_file in the settings, or core_user there and the password in "
            f"core_password_file or in the environment variable {CORE_PASSWORD_VARIABLE}"
        )
    return CoreSource(core_url(settings, network), network, credentials, settings.core_timeout_s)


def _esplora(url: str, settings: Settings, network: Network, tries: int | None) -> Source:
    from anchor.bitcoin.esplora import EsploraSource
    from anchor.bitcoin.http_retry import Patience

    answer_s = float(settings.esplora_timeout_s)
    patience = Patience(tries or Patience.tries, min(answer_s, Patience.connect_s), answer_s)
    return EsploraSource(url, network, patience)
