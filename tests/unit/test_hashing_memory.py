"""The C of the native hashing under the sanitizers for addresses and undefined behaviour, built here for the purpose.

``hashing_driver.c`` beside this file calls every function with buffers of exactly the length that it may touch.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent.parent / "anchor" / "hashing"
DRIVER = Path(__file__).with_name("hashing_driver.c")
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# Where libc does not have dlopen itself.
DYNAMIC = ["-ldl"] if sys.platform == "linux" else []
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build(target: Path, *options: str) -> None:
    """Compile the driver with the module's C; skip where there is no compiler, or none with sanitizers."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here")
    if options:
        probe = target.with_name("probe.c")
        probe.write_text("int main(void) { return 0; }\n")
        done = subprocess.run([compiler, *options, probe, "-o", target], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"the compiler here has no sanitizers: {done.stderr.decode()[-200:]}")
    sources = [DRIVER, *sorted(SOURCES.glob("*.c"))]
    command: list[str | Path] = [compiler, *STRICT, *options, f"-I{SOURCES}", *sources, *DYNAMIC, "-o", target]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (0, "") == (done.returncode, done.stderr.decode())


@pytest.mark.native
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_nothing_is_read_or_written_beyond_a_buffer(tmp_path: Path, level: str) -> None:
    """At every length of message, prefix, batch, tree and row the C stays inside its buffers, and all ways agree."""
    program = tmp_path / "driver"
    build(program, level, *SANITIZED)
    done = subprocess.run([program], capture_output=True, check=False, timeout=300, env=os.environ | {"LD_PRELOAD": ""})
    assert (0, "") == (done.returncode, done.stderr.decode()), done.stdout.decode()
    assert done.stdout.startswith(b"ok")


@pytest.mark.native
def test_the_sanitizer_sees_what_it_is_there_for(tmp_path: Path) -> None:
    """A buffer that is one byte too short is noticed: the test above can fail."""
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in SOURCES.glob("*.[ch]"):
        text = path.read_text().replace("put(edge + held, piece, size);", "put(edge + held, piece, size + 1);")
        (changed / path.name).write_text(text)
    assert (changed / "messages.h").read_text() != (SOURCES / "messages.h").read_text()
    program = tmp_path / "driver"
    build(tmp_path / "sound", *SANITIZED)
    sources = [DRIVER, *sorted(changed.glob("*.c"))]
    subprocess.run(["cc", *SANITIZED, f"-I{changed}", *sources, *DYNAMIC, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, check=False, timeout=300, env=os.environ | {"LD_PRELOAD": ""})
    assert done.returncode != 0
    assert b"heap-buffer-overflow" in done.stderr
