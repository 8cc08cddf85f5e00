"""Commands for who is told of checkpoints and anchors: ``webhook`` ``add``, ``list``, ``log``, ``replay`` and others.

Everything is done by ``chains.webhooks``; a new secret is printed on standard output, once, and nowhere else.
"""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchor.proof.times import utc
from chains.commands.terminal import KEEPING, HomeOption, JsonOption, command_group, given, opened, say, usage

if TYPE_CHECKING:
    from anchor.outbox import News
    from chains.webhooks import Tried, Webhook

app = command_group()
webhook_app = command_group("Who is told of checkpoints and anchors, over HTTPS.")
app.add_typer(webhook_app, name="webhook", rich_help_panel=KEEPING)

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id: wh_ and 16 hex digits.")]


@webhook_app.command("add")
def webhook_add(
    url: Annotated[str, typer.Argument(help="Address that takes the messages: https, on a public machine.")],
    news: Annotated[
        list[str] | None,
        typer.Option("--news", help="sealed, anchored, final, reorged or failed; may be repeated (default: all)."),
    ] = None,
    for_tests: Annotated[
        bool, typer.Option("--for-tests", help="The receiver is on this machine, over http: to try it out.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a webhook, and show its secret: this once."""
    from chains.webhook_sending import secret_text

    wanted = [_news(text) for text in news or []]
    with opened(home) as found:
        made = given(lambda: found.webhooks.add(url, wanted, found.clock(), os.urandom, is_for_tests=for_tests))
    facts = _facts(made) | {"secret": secret_text(made.secret)}
    say(
        facts,
        lambda: [
            f"Webhook {made.webhook_id} for {url}",
            f"Secret: {facts['secret']}",
            "Give it to the receiver now: it is not shown again.",
        ],
        as_json=as_json,
    )


@webhook_app.command("list")
def webhook_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the webhooks; secrets are never shown."""
    with opened(home) as found:
        rows = [_facts(webhook) for webhook in found.webhooks.active()]
    say(
        {"webhooks": rows},
        lambda: [f"{row['webhook']}  {row['url']}  {', '.join(row['news'])}" for row in rows] or "No webhook.",
        as_json=as_json,
    )


@webhook_app.command("log")
def webhook_log(
    webhook: WebhookArgument,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="So many of the newest messages.")] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was sent to a webhook, and what came of every try."""
    with opened(home) as found:
        chosen = found.webhooks.named(webhook)
        lines = [_tried_facts(tried) for tried in found.webhooks.log(chosen, limit)]
    say({"tries": lines}, lambda: [_tried_line(line) for line in lines] or "Nothing yet.", as_json=as_json)


@webhook_app.command("replay")
def webhook_replay(
    webhook: WebhookArgument,
    event: Annotated[list[int] | None, typer.Option(help="Send this event again; may be repeated.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Send again whatever was given up.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send messages again; the daemon does it at once."""
    if bool(event) == failed:
        usage("say what: --event N, or --failed for whatever was given up")
    with opened(home) as found:
        chosen = found.webhooks.named(webhook)
        count = found.webhooks.replay(chosen, event or found.webhooks.given_up(chosen), found.clock())
    say({"queued": count}, lambda: f"{count} messages wait to be sent again.", as_json=as_json)


@webhook_app.command("remove")
def webhook_remove(webhook: WebhookArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop telling somebody."""
    with opened(home) as found:
        found.webhooks.remove(webhook, found.clock())
    say({"removed": webhook}, lambda: f"Webhook {webhook} is removed.", as_json=as_json)


@webhook_app.command("test")
def webhook_test(webhook: WebhookArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Send a test message now, and say what came of it; exit code 1 where it was not taken."""
    from chains.webhooks import send_test

    with opened(home) as found:
        sent = send_test(found.webhooks, found.webhooks.named(webhook), found.directory.log.log_id, found.clock)
    facts = {"taken": sent.is_taken, "status": sent.status, "cause": sent.cause}
    say(
        facts, lambda: f"Taken, status {sent.status}." if sent.is_taken else f"Not taken: {sent.cause}", as_json=as_json
    )
    raise typer.Exit(0 if sent.is_taken else 1)


def _news(text: str) -> "News":
    from anchor.outbox import News

    try:
        return News(text)
    except ValueError:
        usage(f"--news: expected one of {', '.join(News)}, got {text[:40]!r}")


def _facts(webhook: "Webhook") -> dict[str, Any]:
    return {
        "webhook": webhook.webhook_id,
        "url": webhook.url,
        "news": sorted(webhook.news),
        "for_tests": webhook.is_for_tests,
        "made_at_ms": webhook.made_at_ms,
    }


def _tried_facts(tried: "Tried") -> dict[str, Any]:
    delivery = tried.delivery
    return {
        "event": delivery.event_no,
        "at_ms": tried.at_ms,
        "status": tried.status,
        "cause": tried.cause,
        "next_at_ms": delivery.next_at_ms,
    }


def _tried_line(line: dict[str, Any]) -> str:
    at = "-" if line["at_ms"] is None else utc(line["at_ms"])
    following = "" if line["next_at_ms"] is None else f", next try {utc(line['next_at_ms'])}"
    return f"event {line['event']}  {at}  {line['status'] or line['cause']}{following}"
