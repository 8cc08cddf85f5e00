"""Where a service listens, as the command line says it: HOST:PORT; pure.

Texts come from the options of ``chains.commands``; whoever opens the socket takes the two parts.
"""

from anchor.errors import SettingsError


def host_and_port(where: str, option: str) -> tuple[str, int]:
    """Return the two parts of HOST:PORT ([HOST]:PORT for IPv6); raises SettingsError, which names the option."""
    host, colon, port = where.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise SettingsError(f"{option}: expected HOST:PORT, got {where!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)
