"""Imports point one way (docs/design, "Layout"), what is pure does no I/O, and what is Apache-2.0 stays free.

Everything is read from the sources by their syntax tree: also imports inside functions count.
"""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import chains.client

ROOT = Path(__file__).parent.parent
LAYERS = ["cli", "chains.commands", "chains.web", "chains", "anchor", "anchor.bitcoin anchor.storage", "anchor.proof"]
"""From the top down: a module imports its own layer and those below."""
PURE = {
    "anchor.lifecycle": {"collections.abc", "dataclasses", "enum"},
    "anchor.directory_rules": {"dataclasses"},
    "anchor.thread_verdict": {"collections.abc", "dataclasses", "enum", "typing"},
    "anchor.plan": {"collections.abc", "dataclasses"},
    "anchor.fees": {"collections.abc", "dataclasses", "math"},
    "anchor.alerts": {"collections.abc", "dataclasses", "enum"},
    "anchor.bitcoin.transaction": {"collections.abc", "dataclasses", "enum", "math", "typing"},
}
"""Modules that do no I/O, and what of the standard library they may import."""
SERVICE_ERRORS = {"anchor.errors"}
"""The tree of errors continues ``anchor.proof.errors`` and imports nothing else: every layer may raise them."""


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the product with its file."""
    yield "cli", ROOT / "cli.py"
    for package in ("anchor", "chains"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


@cache
def imports(path: Path) -> frozenset[str]:
    """Return what a file imports, as absolute module names; ``from a import b`` gives a.b where that is a module."""
    return frozenset(_named(path, ast.walk(ast.parse(path.read_text()))))


@cache
def imports_at_once(path: Path) -> frozenset[str]:
    """Return what of it is imported when the file is: neither in a function nor for the sake of types."""
    return frozenset(_named(path, _at_once(ast.parse(path.read_text()))))


def _at_once(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _at_once(node)


def _named(path: Path, nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            for alias in node.names:
                below = f"{module}.{alias.name}"
                yield below if below in MODULES else module


def layer(module: str) -> int:
    """Return a module's layer: the longest name in LAYERS that it is in."""
    found = [
        (len(name), place)
        for place, names in enumerate(LAYERS)
        for name in names.split()
        if module == name or module.startswith(f"{name}.")
    ]
    return max(found)[1]


def is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in {"cli", "anchor", "chains"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    """A module imports nothing of a layer above its own."""
    ours = {name for name in imports(MODULES[module]) if is_ours(name)} - SERVICE_ERRORS
    assert set() == {name for name in ours if layer(name) < layer(module)}


def test_modules_can_be_imported_in_any_order() -> None:
    """No module needs, to be imported, one that needs it: whichever command begins, and whatever was loaded before."""
    needed: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        named = {name for name in imports_at_once(path) if name in MODULES}
        packages = {name.rsplit(".", depth)[0] for name in named for depth in range(1, name.count(".") + 1)}
        # A package is begun before what is in it, and has it then.
        needed[module] = {name for name in named | packages if not f"{module}.".startswith(f"{name}.")}
    TopologicalSorter(needed).prepare()  # raises where there is a circle, and names it


def test_the_tree_of_errors_rests_on_that_of_the_proofs_only() -> None:
    """``anchor.errors`` imports ``anchor.proof.errors`` and nothing else of ours."""
    assert {"anchor.proof.errors", "enum"} == set(imports(MODULES["anchor.errors"]))


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("anchor.proof")])
def test_proofs_import_the_standard_library_only(module: str) -> None:
    """The folder can be copied: nothing outside it and the standard library is imported, and the header says so."""
    others = {name for name in imports(MODULES[module]) if not name.startswith("anchor.proof")}
    assert set() == {name for name in others if name.split(".")[0] not in sys.stdlib_module_names}
    assert MODULES[module].read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n")


def test_copied_proofs_verify_alone(tmp_path: Path) -> None:
    """A copy of ``anchor/proof`` works in a Python without site packages and without the rest of Anchorline."""
    copy = tmp_path / "anchor" / "proof"
    shutil.copytree(ROOT / "anchor" / "proof", copy, ignore=shutil.ignore_patterns("__pycache__"))
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import anchor.proof.verify as verify, anchor.proof.opentimestamps\n"
        "print(verify.__file__)\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('pymerkle', 'cryptography', 'chains')))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert [str(copy / "verify.py"), "[]"] == done.stdout.splitlines()


@pytest.mark.parametrize("module", PURE)
def test_what_is_pure_does_no_io(module: str) -> None:
    """Of the standard library only what computes is imported, and neither ``open`` nor ``print`` is called."""
    outside = {name for name in imports(MODULES[module]) if not is_ours(name)}
    assert set() == outside - PURE[module]
    tree = ast.parse(MODULES[module].read_text())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert set() == called & {"open", "print", "input", "exec", "eval", "__import__"}


def test_pymerkle_is_imported_in_one_module() -> None:
    """Pymerkle is GPL: it stays behind ``anchor.log``."""
    users = {module for module, path in MODULES.items() if any("pymerkle" in name for name in imports(path))}
    assert {"anchor.log"} == users


def reached(module: str) -> set[str]:
    """Return every module of ours that importing this one imports, its packages included."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name not in MODULES:
            continue
        found.add(name)
        waiting += list(imports(MODULES[name]))
        waiting += [name.rsplit(".", 1)[0]] if "." in name else []
    return found


def test_proofs_never_reach_pymerkle() -> None:
    """Nothing that the verifier imports, however far down, is ``anchor.log``."""
    for module in [name for name in MODULES if name.startswith("anchor.proof")]:
        assert "anchor.log" not in reached(module)


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("chains.client")])
def test_the_client_may_be_embedded_anywhere(module: str) -> None:
    """It imports itself, proofs, the standard library and httpx; what signs with keys, and never GPL."""
    text = MODULES[module].read_text()
    assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
    ours = {name for name in imports(MODULES[module]) if is_ours(name)}
    assert set() == {name for name in ours if not name.startswith(("chains.client", "anchor.proof"))}
    others = {name.split(".")[0] for name in imports(MODULES[module]) if not is_ours(name)}
    assert others - sys.stdlib_module_names <= {"httpx", "cryptography", "pkcs11"}
    at_the_top = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    assert [] == [node.module for node in at_the_top if (node.module or "").startswith("cryptography")]
    assert "anchor.log" not in reached(module)


def test_a_copied_client_works_alone(tmp_path: Path) -> None:
    """A copy of client and proofs needs nothing else of Anchorline, and no cryptography."""
    for folder in (Path("anchor/proof"), Path("chains/client")):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / folder.parent / "__init__.py").touch()
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules['cryptography'] = None\n"
        "import chains.client, chains.client.signing as signing, anchor.proof.ed25519 as ed25519\n"
        "from chains.client import *\n"
        "print(chains.client.__file__, signing.fastest_check() is ed25519.verify)\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('pymerkle', 'msgspec', 'uvicorn')))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert [f"{tmp_path / 'chains' / 'client' / '__init__.py'} True", "[]"] == done.stdout.splitlines()


def test_the_page_may_be_embedded_anywhere() -> None:
    """What builds ``verify.html`` imports the standard library only; it and every file of the page are Apache-2.0."""
    folder = ROOT / "chains" / "verify_page"
    assert set() == {name.split(".")[0] for name in imports(folder / "__init__.py")} - sys.stdlib_module_names
    sources = [path for path in folder.rglob("*") if path.suffix in {".py", ".js", ".css", ".html"}]
    assert len(sources) > 20
    for path in sources:
        assert "SPDX-License-Identifier: Apache-2.0" in path.read_text()[:120], path


def test_only_the_command_line_prints() -> None:
    """Outside ``cli`` and its commands errors are raised and facts returned."""
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        printed = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
        assert module == "cli" or module.startswith("chains.commands.") or not printed, module


def test_no_module_reads_the_clock_on_its_own() -> None:
    """Time comes in as an argument; the clock is read where parts are put together, and by the scheduler."""
    clocks = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "today")}
    readers = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (getattr(node.func.value, "id", ""), node.func.attr) in clocks
    }
    # libbitcoinkernel reads this machine's clock, so anchor.bitcoin.regtest_kernel compares with the same.
    assert readers <= {"chains.home", "anchor.daemon", "anchor.bitcoin.regtest_kernel"}


def test_a_command_that_talks_to_nobody_loads_no_http() -> None:
    """The parts of a home load without httpx, which takes a fifth of the time of a short command."""
    program = "import sys, chains.commands.application, chains.home, chains.writer; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "False\n" == done.stdout


def test_every_name_of_the_client_is_there() -> None:
    """Also those whose module is loaded when they are first asked for."""
    assert [] == [name for name in chains.client.__all__ if not hasattr(chains.client, name)]


def test_a_name_that_the_client_has_not_is_an_attribute_error() -> None:
    """As of any module: ``hasattr`` and a misspelt import say so."""
    assert not hasattr(chains.client, "Cleint")
