"""Addresses on the web as settings name them: which texts are one, and which of them is this machine.

``chains.settings`` and ``network_file`` check with it before anybody connects; httpx, which is slow to import, is
imported where there is an address to look at.
"""

from ipaddress import ip_address

from anchor.errors import SettingsError


def is_address(place: str) -> bool:
    """Say whether a place is one on the web, not a file."""
    return place.startswith(("http://", "https://"))


def checked_url(url: str) -> str:
    """Return the address of a server (http or https, without password, query or fragment), without a last slash.

    Raises SettingsError for any other text; a password in it is never repeated.
    """
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SettingsError("expected the address of a server, got something that is none") from error
    if "@" in url:  # also where no scheme stands in front, and httpx finds no user
        raise SettingsError(
            f"expected no password in the address of the server at {url.rpartition('@')[2]:.200}, "
            "since addresses are logged"
        )
    is_server = parsed.scheme in {"http", "https"} and parsed.host and 0 < (parsed.port or 443) < 65_536
    if not is_server or parsed.query or parsed.fragment:
        raise SettingsError(f"expected an address like https://example.org/api, got {url!r:.200}; correct the setting")
    return str(parsed).rstrip("/")


def is_this_machine(host: str) -> bool:
    """Say whether a host is this machine, by its name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
