"""A bitcoind of the test's own, and an operator who knows nothing but the command line.

Every command is a new process, as a person or a timer would start it. ``test_real_node`` and ``test_stock_ots`` tell
their stories with both.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Done
from tests.forked import run_forked
from tests.node import Node, running_node

# Scripts without a key: blocks that pay to nobody of ours, and others that differ from them.
NOBODY, NOBODY_ELSE = "raw(51)", "raw(52)"
MATURE = 101


class Operator:
    """Somebody at a terminal with one home, and a verifier beside it who only has files."""

    def __init__(self, folder: Path, node: Node) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.node = node
        self.card = self.home / "log-card.json"

    def run(self, *arguments: object, rc: int = 0, home: Path | None = None) -> str:
        """Run a command on the home; return what it printed, after checking its exit code."""
        return self.plain(*arguments, "--home", home or self.home, rc=rc)

    def plain(self, *arguments: object, rc: int = 0) -> str:
        """Run a command that needs no home."""
        done = self._ended(*arguments, rc=rc)
        return done.text + done.err

    def facts(self, *arguments: object) -> Any:
        """Run a command on the home and return its facts, whatever else it had to say: of a node that is slow, say."""
        return self._ended(*arguments, "--home", self.home, "--json").facts

    def _ended(self, *arguments: object, rc: int = 0) -> Done:
        done = run_forked(*arguments, cwd=self.folder)
        said = done.text + done.err
        assert "Traceback" not in said, said
        assert rc == done.exit_code, f"{arguments}: {said}"
        return done

    def init(self) -> str:
        """Make the home; return the wallet's address."""
        made = self.facts(
            "init",
            *("--origin", "test.anchorline.example", "--network", "regtest", "--no-password"),
            *("--core-url", self.node.url, "--core-cookie-file", self.node.cookie),
        )
        return str(made["address"])

    def init_and_fund(self) -> None:
        """Make the home, and give its wallet one coin that is deep enough to start a thread."""
        self.node.call("generatetoaddress", 1, self.init())
        self.node.call("generatetodescriptor", MATURE - 1, NOBODY)

    def record(self, name: str, content: bytes, chain: str = "acme") -> str:
        """Write a file beside the home and record it; return the entry's hash."""
        (self.folder / name).write_bytes(content)
        return str(self.facts("add", chain, self.folder / name)["entries"][0]["entry_hash"])

    def anchor(self, blocks: int = 1) -> dict[str, Any]:
        """Seal, send an anchor, let others mine, look; return the facts of the newest attempt."""
        self.run("seal")
        assert "send" == self.facts("tick", "--now")["did"]
        self.node.call("generatetodescriptor", blocks, NOBODY)
        return self.look()

    def look(self) -> dict[str, Any]:
        """Tick; return the facts of the newest attempt that is watched."""
        attempts: list[dict[str, Any]] = self.facts("tick")["attempts"]
        return attempts[-1]

    def receipt(self, entry: str, name: str) -> Path:
        """Write an entry's receipt to a file; return its path."""
        path = self.folder / f"{name}.receipt"
        self.run("receipt", entry, "--output", path)
        return path

    def verify(self, *arguments: object, rc: int = 0) -> str:
        """Verify as a third party does, with the log's card."""
        return self.plain("verify", *arguments, "--log", self.card, rc=rc)

    @property
    def by_node(self) -> tuple[object, ...]:
        """The options of a verifier who trusts this node, whatever the depth."""
        return ("--node-url", self.node.url, "--node-cookie-file", self.node.cookie, "--depth", 1)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A bitcoind without any index, whose mempool does not outlive it."""
    with running_node(tmp_path / "node", "-persistmempool=0") as running:
        yield running


@pytest.fixture
def operator(tmp_path: Path, node: Node) -> Operator:
    """An operator with that node."""
    return Operator(tmp_path, node)
