"""The OpenAPI document against the service that serves it: schemathesis makes requests of it, and judges the answers.

Few examples by default; ANCHORLINE_OPENAPI_EXAMPLES says how many for each operation.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chains.access import Role
from chains.web.api import OPERATIONS
from chains.web.problems import KINDS
from tests.simulators.api_server import ApiServer, make_home, make_key, run_beside, serving

EXAMPLES = os.environ.get("ANCHORLINE_OPENAPI_EXAMPLES", "4")
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "unsupported_method", "allow_header_conformance"),
)
# What breaks a rule that no schema can say (an entry whose ids do not give the chain id) is refused too, so that
# schemathesis' own "valid data must be accepted" does not hold; nor does its contrary, since a batch of which some
# items are malformed is answered item by item.


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApiServer, str]]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("openapi")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    key = make_key(home, "acme", Role.OWNER)
    with serving(home) as server, server.client(key) as client:
        client.post("/v1/chains", json={"name": "public", "visibility": "public", "external_ids": ["public"]})
        run_beside(home, "seal")
        yield server, key
    patched.undo()


@pytest.mark.parametrize("is_known", [True, False], ids=["with a key", "a stranger"])
def test_every_answer_is_as_documented(served: tuple[ApiServer, str], is_known: bool, tmp_path: Path) -> None:
    """With a key and without: no fault, no undocumented status or type, and no answer of another shape."""
    server, key = served
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/v1/openapi.json"]
    options = ["--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES]
    options += ["--exclude-path", "/v1/events"]  # it has no end; tests/contract/test_events.py listens to it
    options += ["--suppress-health-check", "all", "--no-color", "--generation-database", ":memory:"]
    options += ["-H", f"Authorization: Bearer {key}"] if is_known else []
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert not [line for line in server.lines if line.startswith("event=fault")]


def test_every_problem_is_one_of_the_documented_kinds() -> None:
    """Operations name codes that there are, each operation once, each path with the parameters it needs."""
    for operation in OPERATIONS:
        assert set(operation.problems) <= set(KINDS)
        assert (operation.run is None) != (operation.run_async is None)
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
