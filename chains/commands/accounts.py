"""Commands for accounts: ``org`` and ``key``.

Arguments are names that people give; ``chains.accounts`` does what they ask. A new key is printed on standard output,
once, and nowhere else.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchor.proof.times import utc
from chains.commands.terminal import KEEPING, HomeOption, JsonOption, command_group, opened, say, usage
from chains.expiry import duration_ms, expiry_ms

if TYPE_CHECKING:
    from chains.access import Role
    from chains.api_keys import ApiKey
    from chains.home import Home
    from chains.organisations import Organisation
    from chains.quota import Quota

app = command_group()
org_app = command_group("Organisations that have an account on this log's service.")
key_app = command_group("API keys: made for an organisation, shown once.")
app.add_typer(org_app, name="org", rich_help_panel=KEEPING)
app.add_typer(key_app, name="key", rich_help_panel=KEEPING)

OrganisationArgument = Annotated[str, typer.Argument(help="Name or id of the organisation.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="The visible part: al_ and 8 characters.")]
EntriesOption = Annotated[int, typer.Option(help="Entries a second on average; 0 is without limit.")]
BytesOption = Annotated[int, typer.Option(help="Bytes of content a day; 0 is without limit.")]
EXPIRES_HELP = "When it ends: 90d, 12h, 2030-01-31, 2030-01-31T12:00Z, or never."


# --- organisations


@org_app.command("create")
def org_create(
    name: Annotated[str, typer.Argument(help="Name of the organisation.")],
    entries_per_s: EntriesOption = 0,
    bytes_per_day: BytesOption = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an organisation."""
    quota = _quota(entries_per_s, bytes_per_day)
    with opened(home) as found:
        made = found.accounts.organisations.create(name, found.clock(), quota)
    say(_organisation_facts(made), lambda: f"Organisation {made.name}: {made.organisation_id}", as_json=as_json)


@org_app.command("list")
def org_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the organisations, removed ones too."""
    with opened(home) as found:
        rows = [_organisation_facts(each) for each in found.accounts.organisations.all()]
    say(
        {"organisations": rows},
        lambda: [f"{row['organisation_id']}  {row['state']:8} {row['name']}" for row in rows] or "No organisation yet.",
        as_json=as_json,
    )


@org_app.command("show")
def org_show(organisation: OrganisationArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show an organisation: its quota, its keys, how many chains it owns."""
    with opened(home) as found:
        accounts = found.accounts
        which = accounts.organisations.named(organisation)
        keys = [_key_facts(key, found) for key in accounts.keys.all(which)]
        facts = {**_organisation_facts(which), "chains": accounts.sharing.owned_by(which), "keys": keys}
    say(
        facts,
        lambda: [
            f"Organisation {facts['name']}: {facts['organisation_id']}, {facts['state']}",
            f"  owns {facts['chains']} chains",
            f"  entries a second: {_or_unlimited(facts['entries_per_s'])}",
            f"  bytes of content a day: {_or_unlimited(facts['bytes_per_day'])}",
            *(f"  key {_key_line(key)}" for key in keys),
        ],
        as_json=as_json,
    )


@org_app.command("quota")
def org_quota(
    organisation: OrganisationArgument,
    entries_per_s: Annotated[int | None, typer.Option(help="Entries a second on average; 0: without limit.")] = None,
    bytes_per_day: Annotated[int | None, typer.Option(help="Bytes of content a day; 0: without limit.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set what an organisation may write; what is not named stays as it is."""
    if entries_per_s is None and bytes_per_day is None:
        usage("name --entries-per-s, --bytes-per-day, or both; `anchorline org show` shows them")
    with opened(home) as found:
        organisations = found.accounts.organisations
        which = organisations.live(organisation)
        quota = _quota(
            which.quota.entries_per_s or 0 if entries_per_s is None else entries_per_s,
            which.quota.bytes_per_day or 0 if bytes_per_day is None else bytes_per_day,
        )
        organisations.set_quota(which, quota)
        facts = _organisation_facts(organisations.by_id(which.organisation_id))
    say(
        facts,
        lambda: (
            f"{facts['name']} may write {_or_unlimited(facts['entries_per_s'])} entries a second and "
            f"{_or_unlimited(facts['bytes_per_day'])} bytes of content a day."
        ),
        as_json=as_json,
    )


@org_app.command("remove")
def org_remove(organisation: OrganisationArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End an account: its keys hold no more. Its chains stay, as visible as they are."""
    with opened(home) as found:
        organisations = found.accounts.organisations
        which = organisations.live(organisation)
        organisations.remove(which, found.clock())
        facts = _organisation_facts(organisations.by_id(which.organisation_id))
        facts["chains"] = found.accounts.sharing.owned_by(which)
    say(
        facts,
        lambda: (
            f"Organisation {facts['name']} is removed: none of its keys holds any more. It still owns "
            f"{facts['chains']} chains; `anchorline chain owner` gives them to somebody else."
        ),
        as_json=as_json,
    )


# --- keys


@key_app.command("create")
def key_create(
    organisation: Annotated[str | None, typer.Argument(help="Name or id of the organisation.")] = None,
    role: Annotated[str, typer.Option(help="owner, writer, reader or auditor.")] = "",
    operator: Annotated[bool, typer.Option("--operator", help="A key of the operator, of no organisation.")] = False,
    label: Annotated[str, typer.Option(help="What it is for, e.g. the machine that has it.")] = "",
    expires: Annotated[str, typer.Option(help=EXPIRES_HELP)] = "365d",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and print it: this once, and never again."""
    from chains.access import Role

    if operator == bool(organisation) or operator == bool(role):
        usage("say whose key it is: ORGANISATION with --role, or --operator")
    chosen = Role.OPERATOR if operator else role_of(role, [each for each in Role if each != Role.OPERATOR])
    with opened(home) as found:
        now_ms = found.clock()
        owner = found.accounts.organisations.live(organisation) if organisation else None
        made = found.accounts.keys.create(owner, chosen, label, expiry_ms(expires, now_ms), now_ms)
        facts = {**_key_facts(made.key, found), "key": made.token}
    say(facts, lambda: made.token, as_json=as_json)


@key_app.command("list")
def key_list(
    organisation: Annotated[str | None, typer.Argument(help="Only the keys of this organisation.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List keys by their visible parts, with role, state and expiry."""
    with opened(home) as found:
        which = found.accounts.organisations.named(organisation) if organisation else None
        rows = [_key_facts(key, found) for key in found.accounts.keys.all(which)]
    say({"keys": rows}, lambda: [_key_line(row) for row in rows] or "No key yet.", as_json=as_json)


@key_app.command("rotate")
def key_rotate(
    key_id: KeyArgument,
    overlap: Annotated[str, typer.Option(help="How long the old key holds on, e.g. 7d or 0s.")] = "7d",
    expires: Annotated[str, typer.Option(help=EXPIRES_HELP)] = "365d",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key in the place of another, which holds on for a while, and print it: this once."""
    with opened(home) as found:
        now_ms, keys = found.clock(), found.accounts.keys
        made = keys.rotate(keys.by_id(key_id), duration_ms(overlap), expiry_ms(expires, now_ms), now_ms)
        facts = {**_key_facts(made.key, found), "key": made.token}
    say(facts, lambda: made.token, as_json=as_json)


@key_app.command("revoke")
def key_revoke(key_id: KeyArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End a key, now and for ever."""
    with opened(home) as found:
        keys = found.accounts.keys
        facts = _key_facts(keys.revoke(keys.by_id(key_id), found.clock()), found)
    say(facts, lambda: f"Key {facts['key_id']} is revoked since {facts['revoked_at']}.", as_json=as_json)


# --- what they share


def role_of(text: str, among: "list[Role]") -> "Role":
    """Read a role; end the command where it is none of those that it can be."""
    known = {role.value: role for role in among}
    return known.get(text) or usage(f"--role: expected one of {', '.join(known)}, got {text[:40]!r}")


def utc_or_none(ms: int | None) -> str | None:
    """Return a time as people read it, None where there is none."""
    return None if ms is None else utc(ms)


def _quota(entries_per_s: int, bytes_per_day: int) -> "Quota":
    from chains.quota import Quota

    return Quota(entries_per_s or None, bytes_per_day or None)


def _organisation_facts(organisation: "Organisation") -> dict[str, Any]:
    return {
        "organisation_id": organisation.organisation_id,
        "name": organisation.name,
        "state": "live" if organisation.removed_at_ms is None else "removed",
        "made_at": utc(organisation.made_at_ms),
        "removed_at": utc_or_none(organisation.removed_at_ms),
        "entries_per_s": organisation.quota.entries_per_s,
        "bytes_per_day": organisation.quota.bytes_per_day,
    }


def _key_facts(key: "ApiKey", found: "Home") -> dict[str, Any]:
    """Return what may be known of a key: everything but the key."""
    owner = None if key.organisation_id is None else found.accounts.organisations.by_id(key.organisation_id)
    return {
        "key_id": key.key_id,
        "organisation_id": key.organisation_id,
        "organisation": None if owner is None else owner.name,
        "role": key.role.value,
        "label": key.label,
        "state": key.state(found.clock()),
        "made_at": utc(key.made_at_ms),
        "expires_at": utc_or_none(key.expires_at_ms),
        "revoked_at": utc_or_none(key.revoked_at_ms),
        "replaces": key.replaces,
    }


def _key_line(facts: dict[str, Any]) -> str:
    whose = facts["organisation"] or "-"
    ends = f"until {facts['expires_at']}" if facts["expires_at"] else "without end"
    return f"{facts['key_id']}  {facts['role']:8} {facts['state']:8} {ends:26} {whose}  {facts['label']}".rstrip()


def _or_unlimited(amount: int | None) -> str:
    return "without limit" if amount is None else str(amount)
