"""Commands that look after a log: ``status``, ``audit``, ``doctor`` and ``version``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchor.proof.times import utc
from chains.commands.live import (
    CookieFile,
    NetworksFile,
    Node,
    NodeUser,
    NoHeaderStore,
    PasswordFile,
    StoreFolder,
    TrustedBlocks,
    TrustedEsploraUrls,
    TrustedHeaders,
    TrustedNodeUrl,
    is_named,
)
from chains.commands.terminal import (
    EXIT_FAILED,
    KEEPING,
    HomeOption,
    JsonOption,
    command_group,
    opened,
    reader_of,
    say,
    usage,
)
from chains.counted import counted

if TYPE_CHECKING:
    from chains.diagnosis import Finding

app = command_group()


@app.command(rich_help_panel=KEEPING)
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the state of the log: chains, checkpoints, anchors, wallet."""
    from chains.status import status_of

    with opened(home) as found:
        facts = status_of(found)
    say(facts, lambda: _status_lines(facts), as_json=as_json)


@app.command(rich_help_panel=KEEPING)
def audit(
    url: Annotated[
        str | None,
        typer.Argument(help="Audit this published log from outside: a service, or a mirror's address or folder."),
    ] = None,
    log: Annotated[Path | None, typer.Option(help="With URL: the log's card; pins whose log it must be.")] = None,
    node_url: TrustedNodeUrl = None,
    node_cookie_file: CookieFile = None,
    node_user: NodeUser = "",
    node_password_file: PasswordFile = None,
    esplora_url: TrustedEsploraUrls = None,
    networks: NetworksFile = None,
    block: TrustedBlocks = None,
    headers: TrustedHeaders = None,
    header_store: StoreFolder = None,
    no_header_store: NoHeaderStore = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute and check everything this home holds, or follow a published log from outside.

    Recoveries of identities that the log announced are held against the blocks of a headers file, or of your header
    store; a note says where there were none.

    A log at URL is audited as `thread --mirror` does, and compared with what it showed the last time, which is kept on
    this machine. Exit codes: 0 all holds; 1 something does not; of a URL also 3 incomplete, 4 could not be checked.
    """
    from dataclasses import asdict

    from chains.audit import Audit

    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    if url is not None:
        from chains.commands.publishing import follow

        if block or headers or header_store or no_header_store:
            usage("blocks, headers and a header store are for the audit of a home: of a URL, Bitcoin sources are asked")
        follow(url, log, node, esplora_url or [], networks, as_json=as_json)
    if log or networks or is_named(node, esplora_url or []):
        usage("a card, Bitcoin sources and networks are for a log from outside: name its URL")
    from chains.commands.verifying import Trust, trusted_blocks

    trust = Trust(block or [], headers, node, [], header_store, no_header_store, None)
    with (
        opened(home) as found,
        trusted_blocks(found.directory.log, trust, {found.network.name: found.network}) as views,
    ):
        parts = (found.engine, found.trees, found.directory, found.chains, reader_of(found), found.journal)
        audited = Audit(*parts, views=views).run()
    facts = asdict(audited) | {"clean": audited.clean}
    say(
        facts,
        lambda: [
            f"{counted(audited.entries, 'entries')} of {counted(audited.chains, 'chains')}, "
            f"{counted(audited.heads, 'heads')}, {counted(audited.seals, 'seals')}, "
            f"{counted(audited.checkpoints, 'checkpoints')}, {counted(audited.promises, 'promises')}, "
            f"{counted(audited.anchors, 'anchor attempts')}: "
            + ("all hold." if audited.clean else f"{len(audited.findings) + audited.more_findings} findings."),
            *_named_lines(audited.named_entries),
            *(
                [f"  {counted(audited.unreadable, 'contents')} cannot be read here: their keys are not in this home."]
                if audited.unreadable
                else []
            ),
            *(f"  {finding.where}: {finding.what}" for finding in audited.findings),
            *(f"  note: {remark}" for remark in audited.remarks),
        ],
        as_json=as_json,
    )
    raise typer.Exit(0 if audited.clean else EXIT_FAILED)


def _named_lines(count: int) -> list[str]:
    return [f"{counted(count, 'entries')} in the name of an identity, judged by its keys."] if count else []


@app.command(rich_help_panel=KEEPING)
def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings too.")] = False,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="Seconds that all checks together may take.")] = 30,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine the log, its Bitcoin sources and this machine; exit code 1 where something is wrong."""
    from chains.diagnosis import Level, worst_of
    from chains.doctor import examine, facts_of_findings
    from chains.home import default_home

    findings = examine(home or default_home(), timeout_s=timeout)
    say(facts_of_findings(findings), lambda: _doctor_lines(findings), as_json=as_json)
    bad = {Level.ERROR, Level.WARNING} if strict else {Level.ERROR}
    raise typer.Exit(EXIT_FAILED if worst_of(findings) in bad else 0)


@app.command(rich_help_panel=KEEPING)
def version(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say too what it runs on.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the version; with -v also Python, SQLite, OpenSSL, and which hashing, cipher and check of signatures."""
    from chains.versions import running_versions

    facts = running_versions()
    say(facts, lambda: _version_lines(facts, verbose=verbose), as_json=as_json)


def _version_lines(facts: dict[str, Any], *, verbose: bool) -> list[str]:
    lines = [f"anchorline {facts['anchorline']}"]
    if verbose:
        lines += [f"  {name:10} {facts[name]}" for name in ("python", "sqlite", "openssl")]
        ways = "hashing", "cipher", "signatures"
        lines += [f"  {name:10} {facts[name]['name']} ({facts[name]['reason']})" for name in ways]
    return lines


def _doctor_lines(findings: "list[Finding]") -> list[str]:
    lines = []
    for each in findings:
        lines.append(f"{each.level:12} {each.check:16} {each.found}")
        lines += [f"{'':29} -> {each.advice}"] if each.advice else []
    return lines


def _status_lines(facts: dict[str, Any]) -> list[str]:
    newest = facts["checkpoint"]
    wallet = facts["wallet"]
    lines = [
        f"Log {facts['origin']} on {facts['network']} ({facts['log_id']})",
        (
            f"  {counted(facts['chains'], 'chains')}, {counted(facts['entries'], 'entries')}, {facts['unsealed']} not "
            f"sealed yet"
        ),
        "  no checkpoint yet"
        if newest is None
        else f"  checkpoint of {newest['size']} leaves (seal {newest['seal_number']}), root {newest['root']}",
    ]
    lines.append(f"  sealing and anchoring: {_lease_text(facts['lease'])}")
    lines += [f"  attempt {item['attempt']}: {item['state']}, {item['txid']}" for item in facts["attempts"]]
    lines += [
        f"  gap: promises received from {gap['lost_from_ms']} to {gap['lost_to_ms']} ms may be missing"
        for gap in facts["epochs"]
    ]
    lines += [f"  ALERT {alert['name']}: {alert['message']}" for alert in facts["alerts"]]
    known = (
        "not asked"
        if wallet["balance_sat"] is None
        else f"{wallet['balance_sat']} sat, about {counted(wallet['anchors_left'], 'anchors')}"
    )
    lines.append(f"  wallet {wallet['address']}: {known}")
    stamps = facts["time_stamps"]
    lines += [f"  {counted(stamps['kept'], 'time stamps')} kept"] if stamps["kept"] else []
    lines += [f"  time-stamping authority {cause}" for cause in stamps["failing"].values()]
    if facts["source_error"]:
        lines.append(f"  Bitcoin source: {facts['source_error']}")
    return lines


def _lease_text(lease: dict[str, Any]) -> str:
    holder = lease["holder"]
    if holder is None:
        return "by nobody now; `anchorline daemon` does both"
    until = f"until {utc(lease['until_ms'])} unless renewed"
    return f"`anchorline {holder['work']}`, process {holder['process']} on {holder['host']}, {until}"
