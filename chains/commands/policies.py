"""Commands about the policy of a chain: ``policy show``, ``policy change``, ``policy check``.

Arguments are names that people give; the rules are those of ``anchor.proof.policy`` (docs/operate/policies.md).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.drafting import prepared, record
from chains.commands.key_options import AuthorPasswordOption, SignersOption
from chains.commands.policy_options import (
    AdminOption,
    AdminsNeededOption,
    CorrectorOption,
    CorrectorsNeededOption,
    IdKindOption,
    MediaTypeOption,
    PolicyOption,
    PolicyOptions,
    PrepareOption,
    ToSignOption,
    WriterOption,
    WritersNeededOption,
    policy_lines,
    refuse_next_early,
    signing_of,
    stated_facts,
)
from chains.commands.terminal import (
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    fail,
    given_files,
    opened,
    read_at_most,
    say,
    usage,
)

if TYPE_CHECKING:
    from anchor.proof.policy import Policy
    from chains.chain import Chain
    from chains.home import Home
    from chains.policy_history import StatedPolicy

app = command_group()
policy_app = command_group("Policies: who may write into a chain, who may change that, what an entry must have.")
app.add_typer(policy_app, name="policy", rich_help_panel=RECORDING)
Name = Annotated[str, typer.Argument(help="Name or id of the chain.")]


@policy_app.command("show")
def policy_show(name: Name, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the policy that is in force in a chain, and the ones before it."""
    from chains.policy_history import policies_of

    with opened(home) as found:
        chain = found.chains.named(name)
        told = policies_of(found.policies, chain)
        facts = {
            "chain_id": chain.chain_id.hex(),
            "in_force": stated_facts(told[-1]) if told else None,
            "history": [stated_facts(each) for each in told],
        }
        lines = _shown(found, name, told)
    say(facts, lambda: lines, as_json=as_json)


@policy_app.command("check")
def policy_check(
    file: Annotated[Path, typer.Argument(help="File of a policy.")],
    as_json: JsonOption = False,
) -> None:
    """Read the file of a policy and say what it means; no log is needed. Exit code 1: it is no policy."""
    from chains.client.policy_document import MAX_DOCUMENT, policy_to_json, read_policy

    data = given_files(lambda: read_at_most(file, MAX_DOCUMENT + 1))
    policy = read_policy(data)
    say(
        {"policy": policy_to_json(policy), "statement": policy.encode().hex()},
        lambda: [f"{file} is a policy:", *policy_lines(None, policy)],
        as_json=as_json,
    )


@policy_app.command("change")
def policy_change(
    name: Name,
    policy: PolicyOption = None,
    admin: AdminOption = None,
    admins_needed: AdminsNeededOption = None,
    writer: WriterOption = None,
    writers_needed: WritersNeededOption = None,
    corrector: CorrectorOption = None,
    correctors_needed: CorrectorsNeededOption = None,
    only_type: MediaTypeOption = None,
    need_id: IdKindOption = None,
    reason: Annotated[str, typer.Option(help="Why; it is content, which can be erased.")] = "",
    sign: SignersOption = None,
    signer: ToSignOption = None,
    prepare: PrepareOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the policy of a chain, by an entry that those sign who may. It counts from the next entry on.

    --policy FILE takes the place of all of it, the other options of what they name. Where several must sign and are
    not at one machine, one prepares a draft, each signs it (`draft sign`), one submits it (`draft submit`).
    """
    options = PolicyOptions(
        *(policy, admin, admins_needed, writer, writers_needed, corrector, correctors_needed, only_type, need_id)
    )
    if not options.is_given:
        usage("nothing to change: name a file with --policy, or what is to be another")
    signing = signing_of(sign, signer, prepare, password_file)
    with opened(home) as found:
        chain = found.chains.named(name)
        before = _in_force(found, chain, name)
        wanted = options.policy(found, before.policy, signing.public_keys)
        draft = signing.draft(_entry(found, chain, before, wanted, reason))
        refuse_next_early(found, chain, draft)
        if signing.prepare is not None:
            prepared(draft, signing.prepare, policy_lines(found, wanted), as_json=as_json)
            return
        _, accepted = record(found, draft)
        lines = policy_lines(found, wanted)
    facts = {
        "chain_id": chain.chain_id.hex(),
        "leaf_index": accepted.leaf_index,
        "entry_hash": accepted.entry_hash.hex(),
    }
    changed = f"Chain {name} has another policy from behind its entry {accepted.leaf_index} on:"
    say(facts, lambda: [changed, *lines], as_json=as_json)


def _shown(found: "Home", name: str, told: "list[StatedPolicy]") -> list[str]:
    from anchor.proof.times import utc

    if not told:
        return [f"Chain {name} has no policy: it is open. A policy begins with the first entry of a chain."]
    lines = [f"Chain {name}, policy in force, stated by entry {told[-1].stated.index}:"]
    lines += policy_lines(found, told[-1].policy)
    lines.append("History:")
    for each in told:
        sealed = "not sealed yet" if each.sealed_at_ms is None else f"sealed {utc(each.sealed_at_ms)}"
        keys = ", ".join(key.hex() for key in each.keys)
        lines.append(f"  entry {each.stated.index}, {sealed}, signed by {keys}")
    return lines


def _in_force(found: "Home", chain: "Chain", name: str) -> "StatedPolicy":
    from chains.policy_history import policies_of

    told = policies_of(found.policies, chain)
    if not told:
        fail(f"chain {name} has no policy: a policy begins with the first entry of a chain, open another one with it")
    return told[-1]


def _entry(found: "Home", chain: "Chain", before: "StatedPolicy", wanted: "Policy", reason: str) -> Any:
    from anchor.proof.policy import follows
    from chains.client.own_entry import Form, Sent, make_entry
    from chains.client.policy_document import MEDIA_TYPE

    statement = follows(wanted, before.stated.entry_hash).encode()
    form = Form("text/plain" if reason else MEDIA_TYPE, log_id=found.directory.log.log_id, policy=statement)
    return make_entry(chain.chain_id, reason.encode(), form, os.urandom, Sent.CONTENT)
