"""Where the content keys of a home are to be: what a command was told, or a database beside the log's.

``init``, ``migrate`` and ``restore`` come here; what they get is the setting ``content_keys``.
"""

from anchor.storage.databases import beside

HOME = "home"
"""Stands for the file in the home's folder, on a command line."""
_ENDING = "_keys"


def keys_beside(database: str, named: str) -> str:
    """Return the setting ``content_keys`` for a log at ``database``: the address that was named, or NAME_keys.

    ``named`` is what the command line says, empty for nothing. Raises what ``beside`` raises.
    """
    if named == HOME or (not named and not database):
        return ""
    return named or beside(database, _ENDING)
