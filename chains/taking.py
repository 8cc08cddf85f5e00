"""What commands take of contents where the home is: noted for the owners before any of it is shown.

Every command that shows, exports or copies contents asks here first; the web layer has ``chains.web.contents``.
"""

from anchor.proof.access_record import What
from chains.access_notes import MACHINE, AccessNotes, Asker, Note, joined, owner_to_tell
from chains.chain import Chain
from chains.chain_sharing import ChainSharing
from chains.home import Home
from chains.reader import StoredEntry


class Taking:
    """Notes what a command takes of contents, before it shows any of it; ``asker`` is whoever runs it."""

    def __init__(self, home: Home, asker: Asker = MACHINE) -> None:
        self._home = home
        self._asker = asker
        self._sharing = ChainSharing(home.engine)
        self._chains: dict[int, tuple[Chain, str | None]] = {}
        self._taken: list[Note] = []

    def take(self, what: What, stored: StoredEntry) -> None:
        """Say that this of an entry will be shown."""
        chain, owner = self._chain(stored.chain_no)
        is_there = (stored.box if what is What.ENVELOPE else stored.kept) is not None
        if owner is not None and is_there:
            self._taken.append(Note(owner, self._asker.took(what, chain, stored)))

    def take_chain(self, what: What, chain: Chain, count: int, detail: str = "") -> None:
        """Say that so many entries of a chain will be handed out, from the first on."""
        _, owner = self._chain(chain.chain_no)
        if owner is not None and count:
            self._taken.append(Note(owner, self._asker.did(what, chain.chain_id, count=count, detail=detail)))

    def take_log(self, what: What, owner: str, chain: Chain | None) -> None:
        """Say that an organisation's own log of accesses will be shown, ``chain`` as far as it is recorded."""
        self._taken.append(Note(owner, self._asker.did(what, b"" if chain is None else chain.chain_id)))

    def take_all(self, what: What, detail: str = "") -> None:
        """Say that everything will be handed out: every organisation with a chain that is not public is told."""
        chains = [chain.chain_no for chain in self._home.chains.all()]
        owners = {owner_to_tell(each) for each in self._sharing.access_of_each(chains).values()} - {None}
        self._taken += [Note(str(owner), self._asker.did(what, detail=detail)) for owner in sorted(map(str, owners))]

    def note(self) -> None:
        """Store what was said, durably; raises a StorageError where it cannot be: then nothing may be shown."""
        AccessNotes(self._home.engine).note(joined(self._taken), self._home.clock())
        self._taken = []

    def _chain(self, chain_no: int) -> tuple[Chain, str | None]:
        if chain_no not in self._chains:
            chain = self._home.chains.by_no(chain_no)
            assert chain is not None, "an entry's chain is there"
            self._chains[chain_no] = chain, owner_to_tell(self._sharing.access_of(chain_no))
        return self._chains[chain_no]
