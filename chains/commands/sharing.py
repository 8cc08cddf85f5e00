"""Commands for who reads a chain: ``grant``, and whose a chain is and to whom it is visible.

Arguments are names that people give; ``chains.chain_sharing`` does what they ask, and ``chains.access`` says what it
means.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.accounts import EXPIRES_HELP, OrganisationArgument, role_of, utc_or_none
from chains.commands.recording import chain_app, visibility_of
from chains.commands.terminal import KEEPING, HomeOption, JsonOption, command_group, opened, say, usage
from chains.expiry import expiry_ms

if TYPE_CHECKING:
    from chains.access import Grant
    from chains.chain import Chain
    from chains.home import Home

app = command_group()
grant_app = command_group("What other organisations may do on a chain.")
app.add_typer(grant_app, name="grant", rich_help_panel=KEEPING)

ChainArgument = Annotated[str, typer.Argument(help="Name or id of the chain.")]


# --- grants


@grant_app.command("add")
def grant_add(
    chain: ChainArgument,
    organisation: OrganisationArgument,
    role: Annotated[str, typer.Option(help="writer, reader or auditor.")],
    expires: Annotated[str, typer.Option(help=EXPIRES_HELP)] = "never",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let another organisation read, audit or write a chain; it takes the place of what it had."""
    from chains.access import GRANTABLE

    chosen = role_of(role, sorted(GRANTABLE))
    with opened(home) as found:
        now_ms, target = found.clock(), found.chains.named(chain)
        to = found.accounts.organisations.live(organisation)
        given = found.accounts.sharing.grant(target, to, chosen, expiry_ms(expires, now_ms), now_ms)
        facts = _grant_facts(found, given, now_ms)
    say(facts, lambda: f"Granted: {_grant_line(facts)}", as_json=as_json)


@grant_app.command("list")
def grant_list(chain: ChainArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List who was granted what on a chain, expired grants too."""
    with opened(home) as found:
        now_ms, target = found.clock(), found.chains.named(chain)
        rows = [_grant_facts(found, each.grant, now_ms) for each in found.accounts.sharing.grants(target)]
    say({"grants": rows}, lambda: [_grant_line(row) for row in rows] or "No grant.", as_json=as_json)


@grant_app.command("remove")
def grant_remove(
    chain: ChainArgument, organisation: OrganisationArgument, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Withdraw what an organisation was granted on a chain."""
    with opened(home) as found:
        target, whose = found.chains.named(chain), found.accounts.organisations.named(organisation)
        found.accounts.sharing.withdraw(target, whose, found.clock())
    facts = {"chain_id": target.chain_id.hex(), "organisation": whose.name}
    say(facts, lambda: f"Withdrawn: {whose.name} has no grant on {chain} any more.", as_json=as_json)


# --- chains


@chain_app.command("owner")
def chain_owner(
    chain: ChainArgument,
    organisation: Annotated[str | None, typer.Argument(help="The new owner; none shows the owner.")] = None,
    operator: Annotated[bool, typer.Option("--operator", help="Give it to the operator of this home.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whose a chain is, or give it to somebody else; then the grants on it end."""
    if operator and organisation:
        usage("--operator gives the chain to no organisation; name one of the two")
    ended = 0
    with opened(home) as found:
        target = found.chains.named(chain)
        if operator or organisation:
            owner = found.accounts.organisations.live(organisation) if organisation else None
            ended = found.accounts.sharing.set_owner(target, owner, found.clock())
        facts = {**_sharing_facts(found, target), "grants_ended": ended}
    say(
        facts,
        lambda: _sharing_line(facts) + (f" {ended} grants ended." if ended else ""),
        as_json=as_json,
    )


@chain_app.command("visibility")
def chain_visibility(
    chain: ChainArgument,
    visibility: Annotated[str | None, typer.Argument(help="public, members or private; none shows it.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who may read a chain, or set it: everybody, every organisation of this service, or the owner."""
    chosen = visibility_of(visibility) if visibility is not None else None
    with opened(home) as found:
        target = found.chains.named(chain)
        if chosen is not None:
            found.accounts.sharing.set_visibility(target, chosen, found.clock())
        facts = _sharing_facts(found, target)
    say(facts, lambda: _sharing_line(facts), as_json=as_json)


# --- what they print


def _grant_facts(found: "Home", grant: "Grant", now_ms: int) -> dict[str, Any]:
    whose = found.accounts.organisations.by_id(grant.organisation)
    return {
        "organisation_id": grant.organisation,
        "organisation": whose.name,
        "role": grant.role.value,
        "state": "live" if grant.is_live(now_ms) else "expired",
        "expires_at": utc_or_none(grant.expires_at_ms),
    }


def _grant_line(facts: dict[str, Any]) -> str:
    ends = f"until {facts['expires_at']}" if facts["expires_at"] else "without end"
    expired = ", expired" if facts["state"] == "expired" else ""
    return f"{facts['organisation']} is {facts['role']} {ends}{expired}"


def _sharing_facts(found: "Home", chain: "Chain") -> dict[str, Any]:
    access = found.accounts.sharing.access_of(chain.chain_no)
    owner = None if access.owner is None else found.accounts.organisations.by_id(access.owner)
    return {
        "name": chain.name,
        "chain_id": chain.chain_id.hex(),
        "organisation_id": access.owner,
        "organisation": None if owner is None else owner.name,
        "visibility": access.visibility.value,
    }


def _sharing_line(facts: dict[str, Any]) -> str:
    whose = "the operator of this home" if facts["organisation"] is None else facts["organisation"]
    return f"{facts['name'] or facts['chain_id']} belongs to {whose} and is {facts['visibility']}."
