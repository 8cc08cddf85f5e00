"""Shell completion, in a real bash: what it offers behind the words that are there."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], {"verify", "verify-page", "version"}),
        (["git", ""], {"record", "statement", "verify"}),
        (["verify", "--accept"], {"--accept-timestamp"}),
    ],
)
def test_bash_offers_what_fits(tmp_path: Path, words: list[str], offered: set[str]) -> None:
    """Commands, groups of commands and options are completed by what ``--show-completion`` prints."""
    command = tmp_path / "anchorline"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "cli.py"))} "$@"\n')
    command.chmod(0o755)
    typed = " ".join(shlex.quote(word) for word in ["anchorline", *words])
    script = (
        f'eval "$(anchorline --show-completion)"; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; '
        '_anchorline_completion anchorline; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert offered == set(done.stdout.split())
