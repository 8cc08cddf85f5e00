"""An organisation's contents in a served home, what can be asked of them, what comes out, and what is noted.

Tests of access notes use it. Whatever an answer holds of a content, its salt or its digest is found by looking at the
bytes of the answer, not by what the operation says of itself.
"""

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from anchor.proof.access_record import Event
from anchor.proof.codec import sha256
from anchor.proof.entry import ExternalId, IdKind
from chains.access import Role, Visibility
from chains.access_log import log_of
from chains.chain import Chain
from chains.home import Home
from chains.organisations import Organisation
from chains.reader import Reader
from tests.simulators.anchor_story import funded_service
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.pages_site import Got, Pages, pages_of
from tests.simulators.service import Service

CONTENTS = (b"the first secret of acme", b"the second secret of acme", b"the third secret of acme")


@dataclass
class Watched:
    """A service with a private, a members' and a public chain of Acme, and one of the home; Meridian may read."""

    service: Service
    pages: Pages
    acme: Organisation
    meridian: Organisation
    tokens: dict[str, str]
    chains: dict[str, Chain]
    entries: dict[str, list[bytes]]

    @property
    def home(self) -> Home:
        return self.service.home

    def get(self, address: str, who: str = "") -> Got:
        """Ask as whoever has this key; as a stranger for an empty name."""
        headers = {"authorization": f"Bearer {self.tokens[who]}"} if who else {}
        return self.pages.get(address, **headers)

    def events(self, owner: Organisation | None = None) -> list[Event]:
        """Return what is noted for an organisation, recorded or not."""
        log = log_of(self.home, (owner or self.acme).organisation_id)
        return [each.noted.event for each in log.events()]

    def shown_in(self, body: bytes) -> set[tuple[bytes, int]]:
        """Return the entries (chain id, leaf index) of which a salt, a digest or a content is in an answer."""
        return {place for secret, place in self.secrets.items() if secret in body}

    @cached_property
    def secrets(self) -> dict[bytes, tuple[bytes, int]]:
        """Every form in which a salt, a digest or a content may be seen, and whose it is."""
        reader = Reader(self.home.engine, self.home.chains, self.home.lookup)
        found: dict[bytes, tuple[bytes, int]] = {}
        for chain in self.chains.values():
            for stored in reader.page(chain):
                kept = stored.kept
                assert kept is not None
                assert kept.content is not None
                secrets = [kept.salt.hex().encode(), kept.salt, kept.digest.hex().encode(), kept.digest]
                secrets += [kept.content, base64.b64encode(kept.content), kept.content.hex().encode()]
                found |= dict.fromkeys(secrets, (chain.chain_id, stored.leaf_index))
        return found


def noted_in(events: list[Event]) -> set[tuple[bytes, int]]:
    """Return the entries (chain id, leaf index) that events are about."""
    return {(event.chain, place) for event in events for place in range(event.index, event.index + event.count)}


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Make it."""
    bitcoin = SimulatedBitcoin()
    with ExitStack() as stack:
        service = funded_service(folder / "home", bitcoin, stack)
        pages = stack.enter_context(pages_of(service.home))
        accounts, now_ms = service.home.accounts, service.clock()
        acme, meridian = (accounts.organisations.create(name, now_ms) for name in ("acme", "meridian"))
        tokens = {
            name: accounts.keys.create(owner, role, "", None, now_ms).token
            for name, owner, role in (
                ("owner", acme, Role.OWNER),
                ("reader", acme, Role.READER),
                ("auditor", acme, Role.AUDITOR),
                ("granted", meridian, Role.READER),
                ("operator", None, Role.OPERATOR),
            )
        }
        chains, entries = {}, {}
        for name, owner, visibility in (
            ("private", acme, Visibility.PRIVATE),
            ("members", acme, Visibility.MEMBERS),
            ("public", acme, Visibility.PUBLIC),
            ("own", None, Visibility.PRIVATE),
        ):
            first = ExternalId(IdKind.HASHED, sha256(name.encode()))
            chains[name], _ = service.home.writer.open_chain(
                *([first], f"{name} begins".encode(), name, now_ms),
                note=lambda chain, owner=owner, visibility=visibility: accounts.sharing.own(chain, owner, visibility),  # type: ignore[misc]  # bound here
            )
            contents = [each + name.encode() for each in CONTENTS]
            run = service.home.writer.record(chains[name], contents, now_ms, media_type="text/plain")
            entries[name] = [each.entry_hash for each in run]
        accounts.sharing.grant(chains["private"], meridian, Role.READER, None, now_ms)
        service.anchor(bitcoin)
        bitcoin.mine(100)
        service.tick()
        yield Watched(service, pages, acme, meridian, tokens, chains, entries)
