"""The command of whoever owns content, or looks after a log: ``access-log`` lists who read and was given what."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchor.proof.times import utc
from chains.commands.accounts import OrganisationArgument
from chains.commands.terminal import KEEPING, MAX_SIZE, HomeOption, JsonOption, command_group, opened, say, time_ms

if TYPE_CHECKING:
    from chains.access_log import AccessLog, Logged

app = command_group()


@app.command("access-log", rich_help_panel=KEEPING)
def access_log(
    organisation: OrganisationArgument,
    chain: Annotated[str | None, typer.Option(help="Only what is about this chain (name or id).")] = None,
    since: Annotated[str | None, typer.Option(help="Only from this date or time on (ISO 8601; UTC).")] = None,
    start: Annotated[int, typer.Option("--from", min=0, max=MAX_SIZE, help="First event, by its number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who read, exported or was granted what of an organisation's content.

    Each event that is recorded names its entry: `anchorline receipt ENTRY --content` proves it to anybody.
    """
    from anchor.proof.access_record import What
    from chains.access_log import log_of
    from chains.taking import Taking

    with opened(home) as found:
        owner = found.accounts.organisations.named(organisation)
        log = log_of(found, owner.organisation_id)
        only = None if chain is None else found.chains.named(chain).chain_id
        since_ms = 0 if since is None else time_ms(since, "--since")
        events = list(islice(_chosen(log, start, only, since_ms), limit))
        taking = Taking(found)
        taking.take_log(What.LOG, owner.organisation_id, log.chain)
        taking.note()
        facts = {
            "organisation": owner.name,
            "organisation_id": owner.organisation_id,
            "chain_id": None if log.chain is None else log.chain.chain_id.hex(),
            "events": [each.to_json() for each in events],
        }
    say(facts, lambda: _lines(facts), as_json=as_json)


def _chosen(log: "AccessLog", start: int, chain_id: bytes | None, since_ms: int) -> "Iterator[Logged]":
    for each in log.events(start):
        if each.noted.at_ms >= since_ms and (chain_id is None or each.noted.event.chain == chain_id):
            yield each


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = [_line(event) for event in facts["events"]]
    return lines or [f"Nothing was read of {facts['organisation']}, and nothing granted."]


def _line(event: dict[str, Any]) -> str:
    who = event["by"] if event["key"] is None else f"{event['key']} of {event['organisation'] or 'the operator'}"
    words = [f"{event['number']:>8}  {utc(event['at_ms'])}  {event['what']:12} {event['way']}, {who}"]
    if event["chain_id"]:
        words.append(f"chain {event['chain_id'][:16]}")
    if event["count"]:
        last = event["index"] + event["count"] - 1
        words.append(f"entry {last}" if event["count"] == 1 else f"entries {event['index']} to {last}")
    words += [event[name] for name in ("subject", "detail") if event[name]]
    words.append(f"in {event['recorded_in'][:16]}" if event["recorded_in"] else "not recorded yet")
    return ", ".join(words)
