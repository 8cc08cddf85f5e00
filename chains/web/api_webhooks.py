"""Operations on webhooks: an owner adds, lists and removes those of his organisation, and sees what came of each try.

Changes have a thread of their own (``Operation.is_change``); messages are sent by whoever holds the lease. An
organisation is told what everybody may know (``chains.events.told``), the operator everything.
"""

import os

from anchor.errors import UnknownWebhookError
from anchor.outbox import News
from chains.access import Action
from chains.web.answers import NO_STORE, json_of
from chains.web.asgi import JSON, Answer
from chains.web.items import taken
from chains.web.limits import PAGE_ITEMS, SMALL_BYTES
from chains.web.managing import CHANGES, REFUSALS, check_his, whose
from chains.web.operations import Body, In, Operation, Parameter, Shape
from chains.web.parameters import LIMIT, ORGANISATION
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import Deliveries, Replay, Replayed, TryModel, WebhookList, WebhookModel, WebhookWanted
from chains.webhook_sending import secret_text
from chains.webhooks import Tried, Webhook

WEBHOOK = Parameter("webhook", "Id of a webhook", "wh_[0-9a-f]{16}", In.PATH, is_required=True)


def add_webhook(room: Room, request: Request) -> Answer:
    """Add a webhook, and show its secret: this once."""
    room.require(request, Action.WEBHOOK_MANAGE)
    wanted = taken(WebhookWanted, request.body)
    owner = whose(room, request, Action.WEBHOOK_MANAGE, wanted.organisation)
    news = [News(name) for name in wanted.news]
    if owner is not None and news == [News.FAILED]:
        raise ProblemError("account-refused", "news: expected others too; what failed, only the operator is told")
    made = room.home.webhooks.add(wanted.url, news, request.now_ms, os.urandom, organisation=owner)
    location = (b"location", f"/v1/webhooks/{made.webhook_id}".encode())
    return json_of(_shown(made, secret_text(made.secret)), NO_STORE, location, status=201)


def list_webhooks(room: Room, request: Request) -> Answer:
    """Return webhooks; secrets are never shown."""
    owner = whose(room, request, Action.WEBHOOK_MANAGE, request.arguments.get("organisation"))
    return json_of(WebhookList(webhooks=[_shown(each) for each in room.home.webhooks.of(owner)]), NO_STORE)


def get_webhook(room: Room, request: Request) -> Answer:
    """Return one webhook."""
    return json_of(_shown(_webhook(room, request)), NO_STORE)


def deliveries(room: Room, request: Request) -> Answer:
    """Return what was sent to a webhook, and what came of every try."""
    webhook = _webhook(room, request)
    tried = room.home.webhooks.log(webhook, request.number("limit", PAGE_ITEMS))
    return json_of(Deliveries(tries=[_try_shown(each) for each in tried]), NO_STORE)


def replay(room: Room, request: Request) -> Answer:
    """Let messages be sent again that were queued before."""
    webhook, wanted = _webhook(room, request), taken(Replay, request.body)
    if bool(wanted.events) == wanted.failed:
        raise ProblemError("body-malformed", "expected events, or failed: true for whatever was given up")
    webhooks = room.home.webhooks
    events = webhooks.given_up(webhook) if wanted.failed else wanted.events
    return json_of(Replayed(queued=webhooks.replay(webhook, events, request.now_ms)), NO_STORE)


def remove_webhook(room: Room, request: Request) -> Answer:
    """Stop telling somebody; what waits for him is given up."""
    webhook = _webhook(room, request)
    room.home.webhooks.remove(webhook.webhook_id, request.now_ms)
    return json_of(_shown(webhook), NO_STORE)


def _webhook(room: Room, request: Request) -> Webhook:
    """Return the webhook that the path names, if it is one that he may manage."""
    room.require(request, Action.WEBHOOK_MANAGE)
    try:
        found = room.home.webhooks.named(request.arguments["webhook"])
    except UnknownWebhookError:
        raise not_found() from None
    check_his(request, found.organisation_id)
    return found


def _shown(webhook: Webhook, secret: str | None = None) -> WebhookModel:
    return WebhookModel(
        webhook=webhook.webhook_id,
        organisation=webhook.organisation_id,
        url=webhook.url,
        news=sorted(news.value for news in webhook.news),
        made_at_ms=webhook.made_at_ms,
        secret=secret,
    )


def _try_shown(tried: Tried) -> TryModel:
    return TryModel(
        event=tried.delivery.event_no,
        at_ms=tried.at_ms,
        status=tried.status,
        cause=tried.cause,
        next_at_ms=tried.delivery.next_at_ms,
    )


GROUP = "Webhooks"
OPERATIONS = (
    Operation(
        "addWebhook",
        "POST",
        "/v1/webhooks",
        "Add a webhook of one's organisation",
        GROUP,
        {201: Shape("The webhook, its secret shown once", {JSON: WebhookModel}, ("location",))},
        CHANGES,
        body=Body({JSON: WebhookWanted}, SMALL_BYTES, "Where to send what"),
        run=add_webhook,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "listWebhooks",
        "GET",
        "/v1/webhooks",
        "Webhooks",
        GROUP,
        {200: Shape("Oldest first", {JSON: WebhookList})},
        REFUSALS,
        parameters=(ORGANISATION,),
        run=list_webhooks,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "getWebhook",
        "GET",
        "/v1/webhooks/{webhook}",
        "One webhook",
        GROUP,
        {200: Shape("The webhook", {JSON: WebhookModel})},
        REFUSALS,
        parameters=(WEBHOOK,),
        run=get_webhook,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "listDeliveries",
        "GET",
        "/v1/webhooks/{webhook}/deliveries",
        "What was sent to a webhook",
        GROUP,
        {200: Shape("The tries of its newest messages", {JSON: Deliveries})},
        REFUSALS,
        parameters=(WEBHOOK, LIMIT),
        run=deliveries,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "replayDeliveries",
        "POST",
        "/v1/webhooks/{webhook}/replay",
        "Send messages again",
        GROUP,
        {200: Shape("How many wait now", {JSON: Replayed})},
        CHANGES,
        parameters=(WEBHOOK,),
        body=Body({JSON: Replay}, SMALL_BYTES, "Which messages"),
        run=replay,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "removeWebhook",
        "POST",
        "/v1/webhooks/{webhook}/remove",
        "Stop telling somebody",
        GROUP,
        {200: Shape("The webhook that was removed", {JSON: WebhookModel})},
        REFUSALS,
        parameters=(WEBHOOK,),
        run=remove_webhook,
        needs_key=True,
        is_change=True,
    ),
)
