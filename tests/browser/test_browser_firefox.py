"""``verify.html`` in Firefox: another engine, WebCrypto and parser say of each vector what Python and Chromium say.

Runs where there is a Firefox (Debian firefox-esr, or FIREFOX), and is skipped elsewhere; ``make test`` needs none.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import CHECKS
from tests.browser.firefox import FirefoxPage, firefox, firefox_page
from tests.browser.test_browser_vectors import FILES, RECEIPTS, SIGNATURES, VECTORS, of_file, shown
from tests.browser.verdicts import judged_here, without_malformed_texts

pytestmark = [pytest.mark.xdist_group("browser")]
_AT_ONCE = 100


@pytest.fixture(scope="module")
def page(verify_html: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirefoxPage]:
    """The page in Firefox, with what the tests ask of its functions."""
    program = firefox()
    if program is None:
        pytest.skip("expected Firefox (FIREFOX or on the PATH), found none")
    with firefox_page(program, verify_html.as_uri(), tmp_path_factory.mktemp("firefox") / "profile") as opened:
        opened.run(f"{CHECKS};undefined")
        yield opened


def test_receipts_come_to_the_same(page: FirefoxPage) -> None:
    """Steps, texts, whose word, reasons, outcome, exit code and facts of every receipt of the vectors."""
    for first in range(0, len(RECEIPTS), _AT_ONCE):
        some = RECEIPTS[first : first + _AT_ONCE]
        given = [
            {"receipt": base64.b64encode(each["receipt"].encode()).decode(), "verifier": each["verifier"]}
            for each in some
        ]
        found = page.evaluate(f"verdictsOn({json.dumps(given)})")
        for case, text in zip(some, found, strict=True):
            verdict = text if text in {"malformed", "unknown-version"} else json.loads(text)
            expected = judged_here(case["receipt"].encode(), case["verifier"])
            assert without_malformed_texts(expected) == without_malformed_texts(verdict), case["description"]


@pytest.mark.parametrize("name", FILES)
def test_vectors_of_a_format(page: FirefoxPage, name: str) -> None:
    """Each format is read as its vectors want, and refused under the same names."""
    cases = of_file(name)
    expected = [shown(case.get("want", case.get("want_error"))) for case in cases]
    assert expected == page.evaluate(f"answersTo({json.dumps(cases)})")


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(page: FirefoxPage, name: str) -> None:
    """Whichever check this browser is given, it accepts the signatures that Python accepts."""
    cases = json.loads((VECTORS / f"{name}.json").read_text())["cases"]
    answer = page.evaluate(f"signaturesOf({json.dumps(cases)})")
    assert [[case["want"]] * 2 for case in cases] == answer["found"]
