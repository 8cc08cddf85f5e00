"""``verify.html`` is joined from its modules: one file, the same for everybody, and nothing but what is in them.

What the page says of receipts is tested in a browser (``tests/browser``).
"""

import base64
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from anchor.proof.codec import sha256
from anchor.proof.errors import Reason
from anchor.proof.findings import Finding
from anchor.proof.verdict import NAMES, Outcome, State
from chains.verify_page import MODULES, BuildError, join, page

FOLDER = Path(str(files("chains.verify_page")))
SOURCES = {name: (FOLDER / "js" / f"{name}.js").read_text() for name in MODULES}
HTML = page().html.decode()
KEY = re.compile(r'^  "([^"]+)":', re.MULTILINE)
# Reasons of steps that the page does not check, and of proofs that no receipt holds.
NEVER_SHOWN = {
    Reason.CONSISTENCY_WRONG,
    Reason.UNVERIFIABLE_EXTENSION,
    Reason.NOT_ON_BEST_CHAIN,
}


def element(name: str) -> str:
    found = re.findall(rf"<{name}>(.*?)</{name}>", HTML, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_every_module_is_in_the_page() -> None:
    """Each JavaScript file of the folder is joined, and nothing of it is left out but imports and exports."""
    assert set(MODULES) == {path.stem for path in (FOLDER / "js").glob("*.js")}
    script = element("script")
    for source in SOURCES.values():
        for line in source.splitlines():
            if line and not line.startswith(("import ", "// SPDX")):
                assert f"{line.removeprefix('export ')}\n" in script
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)


def test_the_page_is_one_file() -> None:
    """Nothing is loaded from elsewhere: no source, link, font, image or style but what is in the file."""
    assert [] == re.findall(r"<(?:link|img|iframe|object|embed|base)\b|\bsrc=|@import|url\(", HTML)
    assert [] == re.findall(r"<[^>]*\bon[a-z]+\s*=", (FOLDER / "page.html").read_text())


def test_the_policy_allows_what_is_in_the_file() -> None:
    """The policy in the file names the hash of its script and of its style, and lets nothing else be loaded or run."""
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', HTML)
    assert [page().policy] == policy
    for name in ("script", "style"):
        digest = base64.b64encode(sha256(element(name).encode())).decode()
        assert f"{name}-src 'sha256-{digest}';" in page().policy
    assert page().policy.startswith("default-src 'none'; ")
    assert "unsafe" not in page().policy


def used_keys() -> Iterator[str]:
    """Yield the keys of texts that modules and template name in full."""
    for name, source in SOURCES.items():
        if name != "texts":
            yield from re.findall(r'(?:say|TEXTS)[(\[]\s*"([^"]+)"', source)
            yield from re.findall(r'new (?:Malformed|Newer|NotExecutable)\(\s*"([^"]+)"', source)
            yield from re.findall(r'new Refused\(\s*(?:reason|"[^"]+"), "([^"]+)"', source)
            yield from re.findall(r'(?:ok|notChecked|absent)\(\w+, "([^"]+)"', source)
    yield from re.findall(r'data-text="([^"]+)"', (FOLDER / "page.html").read_text())


def test_every_text_is_in_the_table() -> None:
    """Each key that is used is in the table once; so are names and plain words for whatever a verdict can say."""
    keys = KEY.findall(SOURCES["texts"])
    assert len(keys) == len(set(keys))
    assert set() == set(used_keys()) - set(keys)
    wanted = {f"reason.{reason}" for reason in Reason if reason not in NEVER_SHOWN}
    wanted |= {f"outcome.{outcome}" for outcome in Outcome}
    wanted |= {f"finding.{finding}" for finding in Finding}
    wanted |= {f"state.{state}" for state in State} | {f"step.{number}" for number in NAMES}
    assert set() == wanted - set(keys)


def test_no_text_is_left_over() -> None:
    """Each text of the table is named by some module or by the template."""
    others = "".join(source for name, source in SOURCES.items() if name != "texts") + (FOLDER / "page.html").read_text()
    # Those that are put together from a reason, a state, an ending, a number or a network.
    made = re.compile(r"(finding|reason|outcome|state|step|network|meaning|dispute|head|ending|kind|changes|2)\..+")
    keys = [key for key in KEY.findall(SOURCES["texts"]) if not made.fullmatch(key)]
    assert [] == [key for key in keys if f'"{key}"' not in others]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"one": "const a = 1;\n", "two": "function a() {}\n"}, "a is declared in one.js"),
        ({"one": "const a = 1;\n", "two": 'import { a } from "./one.js";\n'}, "one.js does not export a"),
        ({"one": 'import { a } from "./none.js";\n'}, "none.js does not export a"),
        ({"one": 'import { a } from "./two.js";\n', "two": "export const a = 1;\n"}, "two.js .* stands behind it"),
        ({"one": 'import * as a from "./one.js";\n'}, "plain imports"),
        ({"one": "export default 1;\n"}, "plain imports"),
        ({"one": 'const a = "</SCRIPT>";\n'}, "end of a script"),
    ],
)
def test_modules_that_do_not_fit_are_refused(modules: dict[str, str], message: str) -> None:
    """A name twice, an import of nothing, a form that joining breaks, the end of the element: no page is made."""
    with pytest.raises(BuildError, match=message):
        join(modules)
