"""Whose a chain is, who may read it, and what others were granted on it: what ``chains.access`` decides upon.

Rows of ``chain_owner`` and ``chain_grant``, written by the commands ``chain`` and ``grant`` and by whoever opens a
chain for an organisation. What is not there is not allowed: such a chain is the operator's, and private.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from anchor.errors import AccountError, UnknownAccountError
from anchor.proof.access_record import Event, What
from anchor.storage.engine import Engine, Question, Row
from chains.access import GRANTABLE, ChainAccess, Grant, Role, Visibility
from chains.access_notes import MACHINE, AccessNotes, Asker, Note
from chains.chain import Chain
from chains.expiry import check_to_come
from chains.organisations import Organisation

_AT_ONCE = 400
"""Chains that one query asks about, each twice: SQLite takes 999 values in its oldest builds."""
NOTHING_SAID = ChainAccess()
OPERATOR = "operator"
"""Who is named in notes where a chain goes to no organisation."""


@dataclass(frozen=True, slots=True)
class GivenGrant:
    """A grant as it was given."""

    grant: Grant
    made_at_ms: int


class ChainSharing:
    """Owners, visibilities and grants of the chains of one database; what changes is noted for the owners."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.notes = AccessNotes(engine)

    def access_of(self, chain_no: int) -> ChainAccess:
        """Return what holds for a chain now. Ask for every request: what was withdrawn must not be remembered."""
        return self.access_of_each([chain_no])[chain_no]

    def access_of_each(self, chain_nos: Sequence[int]) -> dict[int, ChainAccess]:
        """Return the same for each of many chains."""
        return access_in(chain_nos, self.engine.query_each(questions_about(chain_nos)))

    def own(self, chain: Chain, organisation: Organisation | None, visibility: Visibility) -> None:
        """Say whose a new chain is and who may read it, inside the transaction that opens it."""
        owner = None if organisation is None else organisation.organisation_id
        self._set(chain, owner, visibility)

    def set_owner(self, chain: Chain, organisation: Organisation | None, now_ms: int, by: Asker = MACHINE) -> int:
        """Give a chain to an organisation, or (None) to the operator; return how many grants that ended.

        Grants were the old owner's, so they end; the visibility stays as it is. Both owners are told. Raises
        AccountError for an access chain, which stays with those whose content it is about.
        """
        with self.engine.transaction():
            return self.change_owner(chain, organisation, now_ms, by)

    def change_owner(self, chain: Chain, organisation: Organisation | None, now_ms: int, by: Asker = MACHINE) -> int:
        """Do what ``set_owner`` does, inside a transaction of the caller."""
        owner = None if organisation is None else organisation.organisation_id
        before = self.access_of(chain.chain_no)
        if owner == before.owner:
            return 0
        self._check_no_access_chain(chain)
        self._set(chain, owner, before.visibility)
        event = by.did(What.OWNER, chain.chain_id, subject=owner or OPERATOR)
        self.notes.add([Note(each, event) for each in (before.owner, owner) if each is not None], now_ms)
        return self.engine.execute(
            "UPDATE chain_grant SET withdrawn_at_ms = ? WHERE chain_no = ? AND withdrawn_at_ms IS NULL",
            (now_ms, chain.chain_no),
        )

    def set_visibility(self, chain: Chain, visibility: Visibility, now_ms: int, by: Asker = MACHINE) -> None:
        """Say who may read a chain without a grant. What was read while it was public stays read.

        Raises AccountError for an access chain: who reads what is nobody else's to know.
        """
        with self.engine.transaction():
            before = self.access_of(chain.chain_no)
            if visibility == before.visibility:
                return
            self._check_no_access_chain(chain)
            self._set(chain, before.owner, visibility)
            self._tell(before, by.did(What.VISIBILITY, chain.chain_id, detail=visibility.value), now_ms)

    def grants(self, chain: Chain) -> list[GivenGrant]:
        """Return the grants that were not withdrawn, expired ones too, in the order of giving."""
        rows = self.engine.query(
            "SELECT organisation_id, role, expires_at_ms, made_at_ms FROM chain_grant "
            "WHERE chain_no = ? AND withdrawn_at_ms IS NULL ORDER BY grant_no",
            (chain.chain_no,),
        )
        return [
            GivenGrant(Grant(organisation, Role(role), expires_at_ms), int(made_at_ms))
            for organisation, role, expires_at_ms, made_at_ms in rows
        ]

    def grant(
        self,
        chain: Chain,
        organisation: Organisation,
        role: Role,
        expires_at_ms: int | None,
        now_ms: int,
        by: Asker = MACHINE,
    ) -> Grant:
        """Let an organisation do on a chain what a role does there; it takes the place of what it had before.

        Raises AccountError for a role that cannot be granted, an expiry that is not to come, and for the owner itself.
        """
        if role not in GRANTABLE:
            raise AccountError(f"role of a grant: expected one of {', '.join(sorted(GRANTABLE))}, got {role}")
        check_to_come(expires_at_ms, now_ms, "a grant")
        given = Grant(organisation.organisation_id, role, expires_at_ms)
        with self.engine.transaction():
            access = self.access_of(chain.chain_no)
            if access.owner == organisation.organisation_id:
                raise AccountError(f"{organisation.name!r} owns the chain: its keys need no grant")
            self._withdraw(chain, organisation, now_ms)
            self.engine.execute(
                "INSERT INTO chain_grant (chain_no, organisation_id, role, made_at_ms, expires_at_ms) "
                "VALUES (?, ?, ?, ?, ?)",
                (chain.chain_no, given.organisation, role.value, now_ms, expires_at_ms),
            )
            ends = "without end" if expires_at_ms is None else f"until {expires_at_ms} ms"
            event = by.did(What.GRANT, chain.chain_id, subject=given.organisation, detail=f"{role.value} {ends}")
            self._tell(access, event, now_ms)
        return given

    def withdraw(self, chain: Chain, organisation: Organisation, now_ms: int, by: Asker = MACHINE) -> None:
        """End the grant of an organisation on a chain; raise UnknownAccountError where it has none."""
        with self.engine.transaction():
            if not self._withdraw(chain, organisation, now_ms):
                raise UnknownAccountError(
                    f"{organisation.name!r} was granted nothing on this chain; `anchorline grant list` shows the grants"
                )
            event = by.did(What.GRANT_ENDED, chain.chain_id, subject=organisation.organisation_id)
            self._tell(self.access_of(chain.chain_no), event, now_ms)

    def owned_by(self, organisation: Organisation) -> int:
        """Return how many chains an organisation owns."""
        return int(
            self.engine.query(
                "SELECT COUNT(*) FROM chain_owner WHERE organisation_id = ?", (organisation.organisation_id,)
            )[0][0]
        )

    def owned_chains(self, organisation: Organisation) -> list[int]:
        """Return the numbers of the chains that an organisation owns, in the order of opening."""
        rows = self.engine.query(
            "SELECT chain_no FROM chain_owner WHERE organisation_id = ? ORDER BY chain_no",
            (organisation.organisation_id,),
        )
        return [int(number) for (number,) in rows]

    def tell(self, chain: Chain, events: Sequence[Event], now_ms: int) -> None:
        """Note events about a chain for its owner, inside a transaction, also where the chain is public."""
        owner = self.access_of(chain.chain_no).owner
        if owner is not None:
            self.notes.add([Note(owner, event) for event in events], now_ms)

    def _set(self, chain: Chain, owner: str | None, visibility: Visibility) -> None:
        self.engine.execute(
            "INSERT INTO chain_owner (chain_no, organisation_id, visibility) VALUES (?, ?, ?) "
            "ON CONFLICT (chain_no) DO UPDATE SET organisation_id = excluded.organisation_id, "
            "visibility = excluded.visibility",
            (chain.chain_no, owner, visibility.value),
        )

    def _tell(self, access: ChainAccess, event: Event, now_ms: int) -> None:
        """Note an event for the owner of a chain, inside a transaction; the operator keeps no notes for himself."""
        if access.owner is not None:
            self.notes.add([Note(access.owner, event)], now_ms)

    def _check_no_access_chain(self, chain: Chain) -> None:
        if self.notes.is_access_chain(chain.chain_no):
            raise AccountError(
                f"chain {chain.chain_id.hex()} records who read what: it stays private, and with its organisation; "
                "grants let others read it"
            )

    def _withdraw(self, chain: Chain, organisation: Organisation, now_ms: int) -> bool:
        ended = self.engine.execute(
            "UPDATE chain_grant SET withdrawn_at_ms = ? "
            "WHERE chain_no = ? AND organisation_id = ? AND withdrawn_at_ms IS NULL",
            (now_ms, chain.chain_no, organisation.organisation_id),
        )
        return ended > 0


def questions_about(chain_nos: Sequence[int]) -> list[Question]:
    """Return what has to be asked of chains, owners and grants in one; the answers are for ``access_in``."""
    return [_question(chain_nos[start : start + _AT_ONCE]) for start in range(0, len(chain_nos), _AT_ONCE)]


def _question(chain_nos: Sequence[int]) -> Question:
    places = ", ".join("?" * len(chain_nos))
    sql = (
        "SELECT chain_no, 0, organisation_id, visibility, NULL FROM chain_owner "  # noqa: S608  # places only
        f"WHERE chain_no IN ({places}) UNION ALL "
        "SELECT chain_no, grant_no, organisation_id, role, expires_at_ms FROM chain_grant "
        f"WHERE withdrawn_at_ms IS NULL AND chain_no IN ({places})"
    )
    return sql, (*chain_nos, *chain_nos)


def access_in(chain_nos: Sequence[int], answers: Iterable[Sequence[Row]]) -> dict[int, ChainAccess]:
    """Return what holds for each of these chains, as ``questions_about`` them was answered."""
    found = dict.fromkeys(chain_nos, NOTHING_SAID)
    for row in sorted((row for rows in answers for row in rows), key=itemgetter(1)):
        found[row[0]] = _with(found[row[0]], row)
    return found


def _with(access: ChainAccess, row: Row) -> ChainAccess:
    """Add what a row says: (chain_no, 0, owner, visibility, None), or (chain_no, grant_no, organisation, role, end)."""
    _, grant_no, organisation, said, expires_at_ms = row
    if not grant_no:
        return ChainAccess(organisation, Visibility(said), access.grants)
    return ChainAccess(
        access.owner, access.visibility, (*access.grants, Grant(organisation, Role(said), expires_at_ms))
    )
