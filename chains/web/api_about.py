"""Operations about the service itself: whether it is well, and what it can do.

They run in the event loop but for readiness and metrics, which ask the database; ``chains.web.api`` lists them.
"""

import asyncio

from chains.access import Action
from chains.metrics import CONTENT_TYPE, metrics_text
from chains.verify_page import page
from chains.web.answers import NO_STORE, cached, json_of
from chains.web.asgi import HTML, JSON, Answer
from chains.web.docs_page import PAGE, POLICY
from chains.web.operations import Operation, ReadBody, Shape
from chains.web.requests import Request
from chains.web.schemas import Health
from chains.web.service import Service

FIVE_MINUTES = cached("public", "max-age=300")


async def health(_service: Service, _request: Request, _read: ReadBody) -> Answer:
    """Answer while the event loop runs."""
    return json_of(Health(status="ok"), NO_STORE)


async def readiness(service: Service, _request: Request, _read: ReadBody) -> Answer:
    """Say whether entries can be written and read now."""
    service.writing.check()
    await service.rooms.ask(lambda room: room.home.directory.newest())
    return json_of(Health(status="ok"), NO_STORE)


async def openapi(service: Service, _request: Request, _read: ReadBody) -> Answer:
    """Return the OpenAPI document of this service."""
    return Answer(200, service.document, JSON, (FIVE_MINUTES,))


async def docs(_service: Service, _request: Request, _read: ReadBody) -> Answer:
    """Return a page on which the operations can be tried."""
    return Answer(200, PAGE, HTML, ((b"content-security-policy", POLICY), FIVE_MINUTES))


async def verify_page(_service: Service, _request: Request, _read: ReadBody) -> Answer:
    """Return the page that verifies receipts in the browser; it asks this service for nothing."""
    made = page()
    policy = f"{made.policy}; frame-ancestors 'none'".encode()
    return Answer(200, made.html, HTML, ((b"content-security-policy", policy), FIVE_MINUTES))


async def metrics(service: Service, request: Request, _read: ReadBody) -> Answer:
    """Return the metrics for Prometheus; the operator's key may, since they tell how much is written and paid."""
    await service.rooms.ask(lambda room: room.require(room.authenticated(request), Action.OPS_READ))
    loop = asyncio.get_running_loop()
    text = await loop.run_in_executor(service.preparing, metrics_text, service.registry)
    return Answer(200, text, CONTENT_TYPE, (NO_STORE,))


GROUP = "Service"
OPERATIONS = (
    Operation(
        "health",
        "GET",
        "/healthz",
        "Whether the process answers",
        GROUP,
        {200: Shape("It does", {JSON: Health})},
        run_async=health,
        has_etag=False,
    ),
    Operation(
        "readiness",
        "GET",
        "/readyz",
        "Whether entries can be written and read now",
        GROUP,
        {200: Shape("They can", {JSON: Health})},
        ("overloaded",),
        run_async=readiness,
        has_etag=False,
    ),
    Operation(
        "metrics",
        "GET",
        "/metrics",
        "Metrics for Prometheus",
        GROUP,
        {200: Shape("Prometheus' text format", {"text/plain": str})},
        ("key-refused", "key-required", "not-allowed", "not-found"),
        run_async=metrics,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "openapi",
        "GET",
        "/v1/openapi.json",
        "This document",
        GROUP,
        {200: Shape("OpenAPI 3.1", {JSON: dict})},
        run_async=openapi,
        is_everybodys=True,
    ),
    Operation(
        "docs",
        "GET",
        "/docs",
        "A page to try it",
        GROUP,
        {200: Shape("The page", {"text/html": str})},
        run_async=docs,
        is_everybodys=True,
    ),
    Operation(
        "verify_page",
        "GET",
        "/verify",
        "A page that verifies receipts, one file to keep",
        GROUP,
        {200: Shape("The page", {"text/html": str})},
        run_async=verify_page,
        is_everybodys=True,
    ),
)
