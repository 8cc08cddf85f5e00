"""Webhooks: who is told of checkpoints and anchors, what waits for whom, and what came of every try.

Messages come from the outbox (``anchor.outbox``); ``deliver`` runs beside the scheduler's jobs and sends what is due.
A message is sent at least once: a crash between sending and noting repeats it under the same ``webhook-id``.
"""

import asyncio
import ssl
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from anchor.errors import UnknownWebhookError, WebhookError
from anchor.outbox import Message, News, Outbox
from anchor.storage.engine import Engine, Row
from chains.events import told
from chains.organisations import Organisation
from chains.public_address import Resolve, check_url, resolve_name
from chains.webhook_body import TEST_EVENT, body_of
from chains.webhook_sending import SECRET_SIZE, Sent, headers_of, send

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
BACK_OFF_MS = (
    *(5_000, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS, 10 * HOUR_MS),
    *(14 * HOUR_MS, 20 * HOUR_MS, 24 * HOUR_MS),
)
"""How long after each try that failed the next one is, as Standard Webhooks advises; then it is given up."""
MAX_AT_ONCE = 32
MAX_WEBHOOKS = 100
"""The operator's; of an organisation at most ``MAX_OF_ORGANISATION``."""
MAX_OF_ORGANISATION = 10
_COLUMNS = "webhook_no, webhook_id, url, news, secret, is_for_tests, made_at_ms, removed_at_ms, organisation_id"
# Nobody is told for an organisation that was removed.
_LIVE = (
    "removed_at_ms IS NULL AND (organisation_id IS NULL OR organisation_id IN "
    "(SELECT organisation_id FROM organisation WHERE organisation.removed_at_ms IS NULL))"
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told of ``news`` at ``url``. The secret is shown once, when it is made.

    ``organisation_id`` says whose it is; None: the operator's.
    """

    webhook_no: int
    webhook_id: str
    url: str
    news: frozenset[News]
    secret: bytes
    is_for_tests: bool
    made_at_ms: int
    removed_at_ms: int | None
    organisation_id: str | None = None

    @property
    def is_operators(self) -> bool:
        """Whether it is the operator's, who is told everything."""
        return self.organisation_id is None

    def __repr__(self) -> str:
        return f"Webhook({self.webhook_id})"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one webhook; ``next_at_ms`` is None once it was taken or given up."""

    delivery_no: int
    webhook_no: int
    event_no: int
    made_at_ms: int
    tries: int
    next_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A line of the log: one try, or none yet (``at_ms`` None)."""

    delivery: Delivery
    at_ms: int | None
    status: int | None
    cause: str


def next_at_ms(tries: int, now_ms: int) -> int | None:
    """Return when a message is sent again after ``tries`` that failed, the last one now; None: it is given up."""
    return now_ms + BACK_OFF_MS[tries - 1] if tries <= len(BACK_OFF_MS) else None


class Webhooks:
    """The webhooks of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.outbox = Outbox(engine)

    # --- who is told

    def add(
        self,
        url: str,
        news: Collection[News],
        now_ms: int,
        random: Callable[[int], bytes],
        *,
        is_for_tests: bool = False,
        organisation: Organisation | None = None,
    ) -> Webhook:
        """Add a webhook of an organisation, or (None) of the operator, which is told of what happens from now on.

        Raises WebhookError for a refused address, or where there are too many.
        """
        check_url(url, is_for_tests=is_for_tests)
        most = MAX_WEBHOOKS if organisation is None else MAX_OF_ORGANISATION
        if len(self.of(organisation)) >= most:
            raise WebhookError(f"expected at most {most} webhooks, so many there are; remove one")
        webhook_id = f"wh_{random(8).hex()}"
        names = ",".join(sorted(news or News))
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO webhook (webhook_id, url, news, secret, is_for_tests, made_at_ms, told_event_no, "
                "organisation_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(webhook_id, url, names, random(SECRET_SIZE), int(is_for_tests), now_ms),
                    *(self.outbox.newest_no(), None if organisation is None else organisation.organisation_id),
                ),
            )
        return self.named(webhook_id)

    def remove(self, webhook_id: str, now_ms: int) -> None:
        """Stop telling somebody; what waits for it is given up. Raises WebhookError where there is none of this id."""
        found = self.named(webhook_id)
        with self.engine.transaction():
            self.engine.execute("UPDATE webhook SET removed_at_ms = ? WHERE webhook_no = ?", (now_ms, found.webhook_no))
            self.engine.execute("UPDATE delivery SET next_at_ms = NULL WHERE webhook_no = ?", (found.webhook_no,))

    def active(self) -> list[Webhook]:
        """Return the webhooks of everybody that were not removed, oldest first."""
        return self._select(f"WHERE {_LIVE} ORDER BY webhook_no")

    def of(self, organisation: Organisation | None) -> list[Webhook]:
        """Return those of an organisation, or (None) of the operator."""
        if organisation is None:
            return [webhook for webhook in self.active() if webhook.is_operators]
        return self._select(f"WHERE {_LIVE} AND organisation_id = ? ORDER BY webhook_no", organisation.organisation_id)

    def named(self, webhook_id: str) -> Webhook:
        """Return the webhook of this id; raise WebhookError where there is none, or it was removed."""
        found = self._select("WHERE webhook_id = ? AND removed_at_ms IS NULL", webhook_id)
        if not found:
            raise UnknownWebhookError(f"no webhook {webhook_id[:80]!r} here; `anchorline webhook list` shows all")
        return found[0]

    # --- what waits

    def queue(self, now_ms: int) -> None:
        """Let every webhook wait for the news that came since; done once for each row, whatever happens in between."""
        # Asked before any transaction: a look that finds nothing new waits for no writer, and holds up none.
        newest_no = self.outbox.newest_no()
        for webhook in self._select(f"WHERE {_LIVE} AND told_event_no < ? ORDER BY webhook_no", newest_no):
            with self.engine.transaction():
                reached = self.engine.query(
                    "SELECT told_event_no FROM webhook WHERE webhook_no = ?", (webhook.webhook_no,)
                )
                rows = self.outbox.after(int(reached[0][0]))
                for message in rows:
                    if message.news in webhook.news and told(message, is_operator=webhook.is_operators):
                        self._wait(webhook, message.event_no, now_ms)
                if rows:
                    self.engine.execute(
                        "UPDATE webhook SET told_event_no = ? WHERE webhook_no = ?",
                        (rows[-1].event_no, webhook.webhook_no),
                    )

    def queue_test(self, webhook: Webhook, now_ms: int) -> Delivery:
        """Store a message that only tests a webhook, and is sent by who asked for it: it waits for no other try."""
        with self.engine.transaction():
            self._wait(webhook, TEST_EVENT, now_ms)
            self.engine.execute(
                "UPDATE delivery SET next_at_ms = NULL WHERE webhook_no = ? AND event_no = ?",
                (webhook.webhook_no, TEST_EVENT),
            )
        return self.deliveries(webhook, 1)[0]

    def replay(self, webhook: Webhook, event_nos: Collection[int], now_ms: int) -> int:
        """Send messages again that were queued before, as if anew; return how many."""
        count = 0
        with self.engine.transaction():
            for event_no in event_nos:
                count += self.engine.execute(
                    "UPDATE delivery SET next_at_ms = ?, tries = 0 WHERE webhook_no = ? AND event_no = ?",
                    (now_ms, webhook.webhook_no, event_no),
                )
        return count

    def given_up(self, webhook: Webhook) -> list[int]:
        """Return the event numbers of messages that a webhook never took and that wait no more."""
        rows = self.engine.query(
            "SELECT event_no FROM delivery WHERE webhook_no = ? AND event_no > 0 AND next_at_ms IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM delivery_try WHERE delivery_try.delivery_no = delivery.delivery_no "
            "AND status >= 200 AND status < 300) ORDER BY event_no",
            (webhook.webhook_no,),
        )
        return [int(event_no) for (event_no,) in rows]

    def due(self, now_ms: int, limit: int = MAX_AT_ONCE) -> list[Delivery]:
        """Return what is to be sent now, the longest due first."""
        return self._deliveries(
            "WHERE next_at_ms IS NOT NULL AND next_at_ms <= ? ORDER BY next_at_ms, delivery_no LIMIT ?", now_ms, limit
        )

    def note(self, delivery: Delivery, sent: Sent, now_ms: int) -> None:
        """Note what came of a try, and when the next one is."""
        tries = delivery.tries + 1
        following = None if sent.is_taken else next_at_ms(tries, now_ms)
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO delivery_try (delivery_no, at_ms, status, cause) VALUES (?, ?, ?, ?)",
                (delivery.delivery_no, now_ms, sent.status, sent.cause),
            )
            self.engine.execute(
                "UPDATE delivery SET tries = ?, next_at_ms = ? WHERE delivery_no = ? AND next_at_ms IS NOT NULL",
                (tries, following, delivery.delivery_no),
            )

    # --- the log

    def deliveries(self, webhook: Webhook, limit: int) -> list[Delivery]:
        """Return the newest messages to a webhook, newest first."""
        return self._deliveries("WHERE webhook_no = ? ORDER BY delivery_no DESC LIMIT ?", webhook.webhook_no, limit)

    def log(self, webhook: Webhook, limit: int) -> list[Tried]:
        """Return every try of the newest messages to a webhook, newest message first, its tries in order."""
        lines: list[Tried] = []
        for delivery in self.deliveries(webhook, limit):
            rows = self.engine.query(
                "SELECT at_ms, status, cause FROM delivery_try WHERE delivery_no = ? ORDER BY try_no",
                (delivery.delivery_no,),
            )
            lines += [Tried(delivery, *row) for row in rows] or [Tried(delivery, None, None, "waits")]
        return lines

    def message(self, delivery: Delivery) -> Message:
        """Return what is to be sent."""
        if delivery.event_no == TEST_EVENT:
            return Message(TEST_EVENT, delivery.made_at_ms, News.SEALED, {})
        return self.outbox.of_numbers([delivery.event_no])[0]

    # --- rows

    def _wait(self, webhook: Webhook, event_no: int, now_ms: int) -> None:
        self.engine.execute(
            "INSERT INTO delivery (webhook_no, event_no, made_at_ms, tries, next_at_ms) VALUES (?, ?, ?, 0, ?)",
            (webhook.webhook_no, event_no, now_ms, now_ms),
        )

    def _deliveries(self, condition: str, *values: int) -> list[Delivery]:
        columns = "delivery_no, webhook_no, event_no, made_at_ms, tries, next_at_ms"
        rows = self.engine.query(f"SELECT {columns} FROM delivery {condition}", values)  # noqa: S608  # our own texts
        return [Delivery(*row) for row in rows]

    def _select(self, condition: str, *values: str | int) -> list[Webhook]:
        rows = self.engine.query(f"SELECT {_COLUMNS} FROM webhook {condition}", values)  # noqa: S608  # our own texts
        return [_webhook(row) for row in rows]


def _webhook(row: Row) -> Webhook:
    number, webhook_id, url, news, secret, is_for_tests, *rest = row
    wanted = frozenset(map(News, news.split(",")))
    return Webhook(number, webhook_id, url, wanted, bytes(secret), bool(is_for_tests), *rest)


def deliver(
    webhooks: Webhooks,
    log_id: bytes,
    clock: Callable[[], int],
    resolve: Resolve = resolve_name,
    trusted: ssl.SSLContext | None = None,
) -> list[tuple[Webhook, Delivery, Sent]]:
    """Queue what is new, send what is due, all at once, and note what came of it; return that.

    A receiver that does not answer holds up nobody else, and this call for ``WHOLE_TIMEOUT_S`` at most.
    """
    now_ms = clock()
    webhooks.queue(now_ms)
    return _sent(webhooks, webhooks.due(now_ms), log_id, clock, resolve, trusted)


def send_test(
    webhooks: Webhooks,
    webhook: Webhook,
    log_id: bytes,
    clock: Callable[[], int],
    resolve: Resolve = resolve_name,
    trusted: ssl.SSLContext | None = None,
) -> Sent:
    """Send a message that only tests a webhook; return what came of it. It is tried once, and stands in the log."""
    delivery = webhooks.queue_test(webhook, clock())
    ((_, _, sent),) = _sent(webhooks, [delivery], log_id, clock, resolve, trusted)
    return sent


def _sent(
    webhooks: Webhooks,
    due: Sequence[Delivery],
    log_id: bytes,
    clock: Callable[[], int],
    resolve: Resolve,
    trusted: ssl.SSLContext | None,
) -> list[tuple[Webhook, Delivery, Sent]]:
    by_no = {webhook.webhook_no: webhook for webhook in webhooks.active()}
    due = [delivery for delivery in due if delivery.webhook_no in by_no]
    posts = [_post(by_no[each.webhook_no], each, webhooks.message(each), log_id, clock() // 1000) for each in due]
    outcomes = asyncio.run(_all(posts, resolve, trusted)) if posts else []
    for delivery, outcome in zip(due, outcomes, strict=True):
        webhooks.note(delivery, outcome, clock())
    return [(by_no[each.webhook_no], each, outcome) for each, outcome in zip(due, outcomes, strict=True)]


def _post(webhook: Webhook, delivery: Delivery, message: Message, log_id: bytes, at_s: int) -> dict[str, Any]:
    """Return the arguments of one sending; a message to a webhook has one id, however often it is sent."""
    shown = told(message, is_operator=webhook.is_operators)
    assert shown is not None, "what nobody may be told is never queued"
    body = body_of(shown, log_id)
    message_id = f"{webhook.webhook_id}-{delivery.delivery_no}"
    headers = headers_of(webhook.secret, message_id, at_s, body)
    return {"url": webhook.url, "headers": headers, "body": body, "is_for_tests": webhook.is_for_tests}


async def _all(posts: Sequence[dict[str, Any]], resolve: Resolve, trusted: ssl.SSLContext | None) -> list[Sent]:
    return await asyncio.gather(*(send(**post, resolve=resolve, trusted=trusted) for post in posts))
