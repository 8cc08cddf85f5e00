"""The group commit of many pieces of work: one transaction and one signed promise, and one bad piece fails alone.

``chains.group_commit`` hands in what clients left waiting, each made by ``Writer.prepare``. What is returned is on
disk; what is raised means that nothing of the whole group was kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from anchor.errors import ClockError, RefusedEntryError, ReusedKeyError
from anchor.hashing.pieces import Pieces
from anchor.proof.author_audit import Named
from anchor.proof.entry import Entry
from anchor.proof.errors import AnchorlineError
from anchor.proof.identity import IDENTITY_ID
from anchor.storage.engine import Row
from chains.bundle import Column
from chains.chain import Batch, Chain, Run, questions_of_standing, standing_in
from chains.chain_life import NEWEST as NEWEST_LIFE
from chains.idempotency import RequestKeys, Saved
from chains.policy import Writing, refuse_statements
from chains.promised import promised_at
from chains.work import Accepted, AcceptedRun, Done, Opening, Outcome, Promised, Refused, Work
from chains.writer import NEWEST as NEWEST_COMMIT
from chains.writer import Writer, not_for_contents, not_for_others, too_late

Answer = Done | AnchorlineError
"""What became of a piece of work; an error says why nothing of it was kept."""


def commit_together(
    writer: Writer, works: Sequence[Work], now_ms: int, take_along: Callable[[], Sequence[Work]] = tuple
) -> list[Answer]:
    """Commit pieces of work of many callers as one; return what became of each, in order.

    Entries of one caller for one chain keep their order. Idempotent by entry hash, and by request key where a piece has
    one. ``take_along`` is asked when it is this one's turn to write: what came while others were waited for goes with
    it, and is answered behind it. Raises a StorageError: nothing was kept.
    """
    # Before the transaction: what fails here has kept nothing, and nobody who wants to write waits for it.
    writer.lookup.keep_up(writer.next_seq)
    writer.chains.keys.look()
    joined = _joined(works)
    open_already = {work.to.chain_no for work in works if isinstance(work.to, Chain)}
    questions = [NEWEST_LIFE, NEWEST_COMMIT, *questions_of_standing(open_already)]
    with writer.engine.transaction(questions) as answers:
        return _Commit(writer, [*works, *take_along()], now_ms, answers, joined).run()


@dataclass(slots=True)
class _Piece:
    """A piece of work on its way: where it goes, which of its entries are new, and where they are then."""

    work: Work
    chain: Chain
    new: Sequence[int] = ()
    late: dict[int, Refused] = field(default_factory=dict)
    first_index: int = 0
    first_seq: int = 0
    ends_chain: bool = False
    stated: frozenset[bytes] = frozenset()

    @property
    def where(self) -> "_Where":
        """The place that its entries go to."""
        return _where(self.work, self.chain)

    @property
    def is_whole(self) -> bool:
        """Whether all that the caller handed in is new."""
        return len(self.new) == self.work.count

    def hashes(self) -> Pieces:
        """Return the entry hashes of what is new."""
        return self.work.hashes if self.is_all_new else Pieces.of([self.work.hashes[place] for place in self.new])

    def entries(self) -> Column:
        """Return what is new."""
        return self.work.entries if self.is_all_new else self._chosen(self.work.entries)

    def kept(self) -> Column:
        """Return what is kept beside it."""
        return self.work.kept if self.is_all_new else self._chosen(self.work.kept)

    def _chosen(self, column: Column) -> Column:
        items = column.items()
        return Column.of([items[place] for place in self.new])

    @property
    def is_all_new(self) -> bool:
        """Whether all that was not refused before is new."""
        return len(self.new) == len(self.work.entries)


class _Commit:
    """One transaction: what was answered before, what is to be opened, what is new; then rows, promise and keys."""

    def __init__(
        self,
        writer: Writer,
        works: Sequence[Work],
        now_ms: int,
        answers: Sequence[list[Row]],
        joined: Mapping[tuple[int, ...], Batch],
    ) -> None:
        self.writer = writer
        self.joined = joined
        self.works = works
        self.now_ms = now_ms
        self.keys = RequestKeys(writer.engine, writer.chains.keys)
        self.answers: dict[int, Answer] = {}
        self.pieces: dict[int, _Piece] = {}
        # Repetitions inside this group: which piece has the answer.
        self.same_as: dict[int, int] = {}
        self.placed: dict[bytes, Accepted] = {}
        self.authors: dict[Named, str | None] = {}
        [[newest_life], self.newest, *standing] = answers
        self.standing = standing_in(standing)
        self.closed = writer.lives.closed(int(newest_life[0]))
        self.closing: set[int] = set()
        self.writing: dict[bytes, Writing] = {}

    def run(self) -> list[Answer]:
        """Return the answers, in order."""
        self._replay()
        try:
            received_at_ms = self.writer.received_at(self.now_ms, self.newest)
        except ClockError as error:
            self._only_repeat(error)
            promised = None
        else:
            self._open(received_at_ms)
            self._choose(received_at_ms)
            promised = self._append(received_at_ms)
        if not all(piece.is_whole for piece in self.pieces.values()):
            # Only where something is a repetition does anybody ask where the new ones are.
            for piece in self.pieces.values():
                if piece.new and not piece.work.is_fresh:
                    self.placed |= {item.entry_hash: item for item in _placed(piece)}
        for number, piece in self.pieces.items():
            self.answers[number] = self._done(piece, promised)
        for number, first in self.same_as.items():
            self.answers[number] = _replayed(self.answers[first])
        return [self.answers[number] for number in range(len(self.works))]

    # --- request keys

    def _replay(self) -> None:
        """Answer again what was answered before, by its key."""
        seen: dict[bytes, int] = {}
        for number, work in enumerate(self.works):
            if work.key is None:
                continue
            first = seen.setdefault(work.key.name, number)
            try:
                found = self.keys.find(work.key, self.now_ms)
                if found is not None:
                    self.answers[number] = self._again(work, *found)
                elif first != number:
                    self._check_same(first, work)
                    self.same_as[number] = first
            except AnchorlineError as error:
                self.answers[number] = error

    def _check_same(self, first: int, work: Work) -> None:
        if self.works[first].key != work.key:
            raise ReusedKeyError("expected a fresh key for each request, got two requests with one at the same time")

    def _again(self, work: Work, chain_no: int, saved: Saved) -> Done:
        """Make the answer again from what was kept of it."""
        chains = self.writer.chains
        chain = chains.by_no(chain_no)
        assert chain is not None, "a chain that was answered for stays"
        outcomes: list[Outcome] = []
        newest = 0
        for item in saved:
            if isinstance(item, tuple):
                outcomes.append(Refused(*item))
                continue
            place = chains.place_of(abs(item))
            key = chains.trees.leaf_hash(place.chain_no, place.leaf_index)
            outcomes.append(Accepted(key, place.leaf_index, abs(item), repeated=item < 0))
            newest = max(newest, item)
        promised = promised_at(self.writer.engine, chains, self.writer.key_id, newest) if newest else None
        return Done(chain, work.submitter, outcomes, promised, is_replayed=True)

    def _unanswered(self) -> list[tuple[int, Work]]:
        return [
            (number, work)
            for number, work in enumerate(self.works)
            if number not in self.answers and number not in self.same_as
        ]

    # --- what is new

    def _only_repeat(self, error: ClockError) -> None:
        """Answer for what is there already; a clock that went back takes nothing new."""
        for number, work in self._unanswered():
            if isinstance(work.to, Opening) or work.is_fresh or self._lacking(work):
                self.answers[number] = error
            else:
                self.pieces[number] = _Piece(work, work.to)

    def _lacking(self, work: Work) -> bool:
        known = self.writer.known(work.hashes)
        self.placed |= known
        return not work.hashes or any(key not in known for key in work.hashes)

    def _open(self, received_at_ms: int) -> None:
        """Open the chains that are to be opened; from here on all work has a chain."""
        for number, work in self._unanswered():
            if isinstance(work.to, Chain):
                self.pieces[number] = _Piece(work, work.to)
                continue
            try:
                stated = frozenset(self._stated_first(work, received_at_ms).values())
                self.pieces[number] = _Piece(work, self._opened(work, work.to, received_at_ms), stated=stated)
            except RefusedEntryError as error:
                self.answers[number] = error

    def _opened(self, work: Work, opening: Opening, received_at_ms: int) -> Chain:
        if len(work.entries) != 1:
            reason = next(iter(work.refused.values()), Refused("", "expected one first entry"))
            raise RefusedEntryError(reason.detail)
        for until_ms in work.not_after_ms.values():
            if until_ms < received_at_ms:
                raise RefusedEntryError(too_late(until_ms, received_at_ms))
        for named in work.named.values():
            self.writer.identities.check_author(named, received_at_ms)
        [first] = work.entries.items()
        if IDENTITY_ID in first:
            self.writer.identities.check_first(Entry.decode(first), received_at_ms)
        chain = self.writer.chains.open(opening.chain_id, opening.name, self.now_ms)
        opening.note(chain)
        return chain

    def _stated_first(self, work: Work, received_at_ms: int) -> dict[int, bytes]:
        """Return the policy that a first entry states, where it was made elsewhere and states one."""
        if work.is_fresh or len(work.entries) != 1:
            return {}
        [first] = work.entries.items()
        return self.writer.policies.check_first(Entry.decode(first), received_at_ms)

    def _choose(self, received_at_ms: int) -> None:
        """Say of each piece which of its entries are new: not there yet, nowhere before it in the group, and valid."""
        made_elsewhere = [piece for piece in self.pieces.values() if not piece.work.is_fresh]
        if made_elsewhere:
            self.placed |= self.writer.known([key for piece in made_elsewhere for key in piece.work.hashes])
        claimed: set[bytes] = set()
        stated: set[bytes] = set()
        for piece in self.pieces.values():
            if piece.work.is_fresh:
                piece.new = range(len(piece.work.entries))
            else:
                piece.new = self._new_of(piece, claimed, received_at_ms)
            if isinstance(piece.work.to, Chain):
                if self.writer.identities.is_identity(piece.chain):
                    self._only_in_force(piece, claimed, stated, received_at_ms)
                elif self.writer.identities.is_access_chain(piece.chain):
                    self._refuse(piece, claimed, not_for_others(piece.chain.chain_id))
                self._only_allowed(piece, received_at_ms)
            if self.closed or self.closing or piece.work.closings:
                self._not_behind_closing(piece)
            if not piece.work.is_fresh:
                claimed.update(piece.hashes())

    def _new_of(self, piece: _Piece, claimed: set[bytes], received_at_ms: int) -> Sequence[int]:
        mine: set[bytes] = set(piece.work.hashes)
        is_judged = bool(piece.work.not_after_ms or piece.work.named)
        is_new = len(mine) == len(piece.work.hashes) and mine.isdisjoint(claimed) and mine.isdisjoint(self.placed)
        if is_new and not is_judged:
            return range(len(piece.work.hashes))
        mine, new = set(), []
        for place, key in enumerate(piece.work.hashes):
            if key in self.placed or key in claimed or key in mine:
                continue
            if is_judged and not self._is_valid(piece, place, received_at_ms):
                continue
            mine.add(key)
            new.append(place)
        return new

    def _is_valid(self, piece: _Piece, place: int, received_at_ms: int) -> bool:
        """Say whether an entry is not too late, and signed by a key that is valid now; note of the piece if not."""
        until = piece.work.not_after_ms.get(place)
        if until is not None and until < received_at_ms:
            piece.late[place] = Refused("entry-too-late", too_late(until, received_at_ms))
            return False
        named = piece.work.named.get(place)
        why = None if named is None else self._why_not(named, received_at_ms)
        if why is not None:
            piece.late[place] = Refused("author-key-not-valid", why)
        return why is None

    def _why_not(self, named: Named, received_at_ms: int) -> str | None:
        """Say why a key may not sign for an identity now, or None: the same for the whole commit, so asked once."""
        if named not in self.authors:
            try:
                self.writer.identities.check_author(named, received_at_ms)
                self.authors[named] = None
            except RefusedEntryError as error:
                self.authors[named] = str(error)
        return self.authors[named]

    def _only_in_force(self, piece: _Piece, claimed: set[bytes], stated: set[bytes], received_at_ms: int) -> None:
        """Refuse what is no statement in force of an identity; of one identity a group takes one piece of work."""
        chain_id = piece.chain.chain_id
        why = ""
        if piece.work.is_fresh:
            why = not_for_contents(chain_id)
        elif piece.new and chain_id in stated:
            why = f"another statement of identity {chain_id.hex()} is being recorded: make this one anew, after it"
        elif piece.new:
            try:
                entries = [Entry.decode(raw) for raw in piece.entries().items()]
                self.writer.identities.check_next(piece.chain, entries, received_at_ms)
                stated.add(chain_id)
            except RefusedEntryError as error:
                why = str(error)
        if why:
            self._refuse(piece, claimed, why)

    def _refuse(self, piece: _Piece, claimed: set[bytes], why: str) -> None:
        """Take nothing new of a piece."""
        lacking = (key not in self.placed and key not in claimed for key in piece.work.hashes)
        piece.late |= {place: Refused("entry-refused", why) for place, lacks in enumerate(lacking) if lacks}
        piece.new = []

    def _only_allowed(self, piece: _Piece, received_at_ms: int) -> None:
        """Refuse what the policy of the chain forbids, each entry alone; a change of it counts from the next one on."""
        if not self.writer.policies.is_under(piece.chain):
            self._no_statements(piece)
            return
        chain_id, raws, allowed = piece.chain.chain_id, piece.work.entries.items(), []
        writing = self.writing.get(chain_id) or self.writer.policies.begin(piece.chain)
        self.writing[chain_id] = writing
        before = set(writing.stated)
        refused: dict[bytes, Refused] = {}
        for place in piece.new:
            try:
                self.writer.policies.check_entry(writing, Entry.decode(raws[place]), received_at_ms)
                allowed.append(place)
            except RefusedEntryError as error:
                refused[piece.work.hashes[place]] = Refused.by(error)
        piece.new = allowed
        # The same entry twice in one piece of work is refused twice.
        for place, key in enumerate(piece.work.hashes if refused else ()):
            if key in refused:
                piece.late.setdefault(place, refused[key])
        piece.stated = frozenset(key for index, key in writing.stated.items() if index not in before)

    def _no_statements(self, piece: _Piece) -> None:
        """Refuse entries that state a policy in a chain without one."""
        for place in sorted(piece.work.stating):
            try:
                refuse_statements([Entry.decode(piece.work.entries.items()[place])])
            except RefusedEntryError as error:
                piece.late.setdefault(place, Refused.by(error))
        if piece.work.stating:
            piece.new = [place for place in piece.new if place not in piece.late]

    def _not_behind_closing(self, piece: _Piece) -> None:
        """Refuse what would stand behind the closing of its chain; a closing is one for all that comes later."""
        chain_no, kept, why = piece.chain.chain_no, list[int](), ""
        for place in piece.new:
            is_closed = chain_no in self.closed or chain_no in self.closing
            if is_closed and place not in piece.work.after_closing:
                why = why or str(self.writer.lives.refusal(piece.chain))
                piece.late[place] = Refused("chain-closed", why)
                continue
            kept.append(place)
            if place in piece.work.closings:
                self.closing.add(chain_no)
                piece.ends_chain = True
        if len(kept) < len(piece.new):
            piece.new = kept

    # --- rows, promise, keys

    def _append(self, received_at_ms: int) -> Promised | None:
        """Append what is new, a run for each chain and submitter, and promise all of it."""
        groups: dict[tuple[_Where, bool, int], dict[int, _Piece]] = {}
        for number, piece in self.pieces.items():
            if piece.new:
                # Under a policy, entries take their places in the order in which they were judged.
                alone = number if piece.chain.chain_id in self.writing else -1
                groups.setdefault((piece.where, piece.ends_chain, alone), {})[number] = piece
        if not groups:
            return None
        # What closes a chain comes behind everything that was handed in for it before.
        numbered = [group for (_, ends_chain, _), group in sorted(groups.items(), key=lambda item: item[0][1])]
        batches = [self._batch_of(group) for group in numbered]
        in_order = [list(group.values()) for group in numbered]
        heads = [pieces[0] for pieces in in_order]
        runs = self.writer.chains.append_each(
            [(head.chain, batch, head.work.submitter) for head, batch in zip(heads, batches, strict=True)],
            self.standing,
        )
        for pieces, run in zip(in_order, runs, strict=True):
            self._note_places(pieces, run)
        promised = self.writer.promise(
            [(head.chain.chain_id, run, batch.hashes) for head, run, batch in zip(heads, runs, batches, strict=True)],
            received_at_ms,
        )
        for piece in self.pieces.values():
            if piece.ends_chain:
                entries = [Entry.decode(raw) for raw in piece.entries().items()]
                self.writer.lives.note(piece.chain, piece.first_index, entries, self.writer.log_id)
        return promised

    def _batch_of(self, group: Mapping[int, _Piece]) -> Batch:
        """Return what is new in pieces for one place as one batch: as it was joined before, where all of it is new."""
        joined = self.joined.get(tuple(group))
        if joined is not None and all(piece.is_all_new for piece in group.values()):
            return joined
        pieces = list(group.values())
        return _batch_of(pieces[0].work.with_ids, [(each.entries(), each.kept(), each.hashes()) for each in pieces])

    def _note_places(self, pieces: list[_Piece], run: Run) -> None:
        """Note where the entries of a run are, and what is kept of them beside their rows."""
        before = 0
        for piece in pieces:
            keys = piece.hashes()
            piece.first_index, piece.first_seq = run.first_index + before, run.first_seq + before
            before += len(keys)
            if piece.work.keys:
                rows = enumerate(piece.new, piece.first_seq)
                self.writer.envelopes.keep(((seq, piece.work.keys.get(place, ())) for seq, place in rows), self.now_ms)
            if piece.stated:
                stated = {piece.first_index + inner: key for inner, key in enumerate(keys) if key in piece.stated}
                self.writer.policies.note(run.chain_no, stated)

    def _done(self, piece: _Piece, promised: Promised | None) -> Done:
        outcomes = _placed(piece) if piece.is_whole else self._outcomes(piece)
        key = piece.work.key
        if key is not None:
            self.keys.note(key, piece.chain.chain_no, _saved(outcomes), self.now_ms)
        return Done(piece.chain, piece.work.submitter, outcomes, promised if piece.new else None)

    def _outcomes(self, piece: _Piece) -> list[Outcome]:
        """Return what became of each entry, in the caller's order."""
        new = dict(zip(piece.new, _placed(piece), strict=True))
        inner = iter(
            new.get(place) or piece.late.get(place) or self.placed[key]._replace(repeated=True)
            for place, key in enumerate(piece.work.hashes)
        )
        refused = piece.work.refused
        return [refused[place] if place in refused else next(inner) for place in range(piece.work.count)]


_Where = tuple[int, bytes, bool]
"""Chain number, submitter, and whether there are external ids: what entries of one run have in common."""


def _where(work: Work, chain: Chain) -> _Where:
    return chain.chain_no, work.submitter, work.with_ids


def _joined(works: Sequence[Work]) -> dict[tuple[int, ...], Batch]:
    """Return what goes to one place as one batch, by the works' numbers: mostly all is new, and appended as it is."""
    groups: dict[_Where, list[int]] = {}
    for number, work in enumerate(works):
        if isinstance(work.to, Chain):
            groups.setdefault(_where(work, work.to), []).append(number)
    return {tuple(group): _batch_of_works([works[number] for number in group]) for group in groups.values()}


def _batch_of_works(works: Sequence[Work]) -> Batch:
    return _batch_of(works[0].with_ids, [(work.entries, work.kept, work.hashes) for work in works])


def _batch_of(with_ids: bool, parts: Sequence[tuple[Column, Column, Pieces]]) -> Batch:
    """Return entries, what is kept beside them, and their hashes, in parts for one place, as one batch."""
    entries, kept, hashes = zip(*parts, strict=True)
    return Batch(Column.joined(entries), Column.joined(kept), Pieces.joined(hashes), with_ids=with_ids)


def _placed(piece: _Piece) -> AcceptedRun:
    return AcceptedRun(piece.first_index, piece.first_seq, piece.hashes())


def _saved(outcomes: Sequence[Outcome]) -> Saved:
    return [(-item.seq if item.repeated else item.seq) if isinstance(item, Accepted) else item for item in outcomes]


def _replayed(answer: Answer) -> Answer:
    if isinstance(answer, Done):
        return Done(answer.chain, answer.submitter, answer.outcomes, answer.promised, is_replayed=True)
    return answer
