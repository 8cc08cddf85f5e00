"""A scenario: a chain of another log goes on here, by an archive that was made once; run again, it is there or refused.

The archive's place comes by the environment, since a killed process is a fork of a new interpreter.
"""

import os
from pathlib import Path

import pytest

import chains.continuing
from anchor.errors import ChainExistsError
from anchor.storage.engine import Engine
from chains.access import Visibility
from chains.accounts import Accounts
from chains.archive.files import opened_export
from chains.chain import Chain
from chains.continuing import continue_chain
from chains.export_part import export_part
from chains.life_stating import close_chain
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import new_service
from tests.simulators.store import LOG, START_MS, Store

ARCHIVE = "ANCHORLINE_TEST_ARCHIVE"
NAME = "acme"
CONTENTS = (b"beam 7", b"beam 8", b"beam 9", b"beam 10")


def make_archive(folder: Path) -> Path:
    """Make a log with one chain that was closed to go on here, and export it; return the archive."""
    bitcoin = SimulatedBitcoin()
    with new_service(folder / "earlier", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(149)
        service.open_chain(NAME)
        service.add(NAME, *CONTENTS)
        chain = service.home.chains.named(NAME)
        close_chain(service.home.writer, chain, "we move", LOG.log_id, service.clock())
        service.anchor(bitcoin)
        service.anchor(bitcoin)
        target = folder / "acme.tar.gz"
        export_part(service.home, target, [chain])
    return target


def go_on(engine: Engine, folder: Path) -> None:
    """Continue the chain; where an earlier run did, that is said, and nothing is written."""
    del folder
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(chains.continuing, "_AT_ONCE", 2)
        store = Store(engine)
        is_there = store.chains.by_name(NAME) is not None
        with opened_export(Path(os.environ[ARCHIVE]), print) as files:
            if not is_there:
                continue_chain(store.writer, files, NAME, START_MS, note=lambda chain: owned(store, chain))
                return
            with pytest.raises(ChainExistsError, match="in this log already"):
                continue_chain(store.writer, files, NAME, START_MS)


def owned(store: Store, chain: Chain) -> None:
    """Say whose the chain is, as the command does in the same transaction."""
    Accounts(store.engine).sharing.own(chain, None, Visibility.PRIVATE)
