"""``verify.html`` on every sample of ``anchorline examples``, with what stands beside the samples.

A log of its own makes them for this file; what each must come to is what the samples themselves say.
"""

from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Page

from chains.examples import FILE, HEADERS, RECEIPT, write_examples
from chains.home import CARD
from tests.browser.verdicts import judged_here, judged_there

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_every_sample_gets_its_verdict(loaded: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says of each sample what Python says, word for word, with the exit code and reasons that it is for."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "samples"
    examples = write_examples(folder)
    beside = {"card": (folder / CARD).read_text(), "headers": (folder / HEADERS).read_text()}
    cases = [
        (
            (folder / example.name / RECEIPT).read_bytes(),
            beside | {"content_digest": sha256((folder / example.name / FILE).read_bytes()).hexdigest()},
        )
        for example in examples
    ]
    for example, case, found in zip(examples, cases, judged_there(loaded, cases), strict=True):
        assert judged_here(*case) == found, example.name
        assert isinstance(found, dict)
        assert (example.exit_code, list(example.reasons)) == (found["exit_code"], found["reasons"]), example.name
