"""The C of the native hashing under the sanitizers for addresses, undefined behaviour and threads, built here for it.

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
# Where libc does not have dlopen and threads itself.
DYNAMIC = ["-ldl", "-lpthread"] if sys.platform == "linux" else []
SANITIZED = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FOR_THREADS = ["-g", "-O1", "-fsanitize=thread"]


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


def build_changed(folder: Path, name: str, before: str, after: str, *options: str) -> Path:
    """Compile the driver with the module's C, one file of which is changed; return the program. Skip as ``build``."""
    build(folder / "sound", *options)
    changed, program = folder / "changed", folder / "driver"
    shutil.copytree(
        SOURCES, changed, ignore=lambda _, names: [each for each in names if not each.endswith((".c", ".h"))]
    )
    text = (changed / name).read_text()
    assert before in text
    (changed / name).write_text(text.replace(before, after))
    sources = [DRIVER, *sorted(changed.glob("*.c"))]
    subprocess.run(["cc", *options, f"-I{changed}", *sources, *DYNAMIC, "-o", program], check=True)
    return program


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
    before, after = "put(edge + held, piece, size);", "put(edge + held, piece, size + 1);"
    program = build_changed(tmp_path, "messages.h", before, after, *SANITIZED)
    done = subprocess.run([program], capture_output=True, check=False, timeout=300, env=os.environ | {"LD_PRELOAD": ""})
    assert done.returncode != 0
    assert b"heap-buffer-overflow" in done.stderr


@pytest.mark.native
def test_parts_share_nothing_that_one_of_them_writes(tmp_path: Path) -> None:
    """What several threads hash and decrypt is written by one of them each, and read when they have ended."""
    program = tmp_path / "driver"
    build(program, *FOR_THREADS)
    done = run_threads(program)
    assert (0, "") == (done.returncode, done.stderr.decode()), done.stdout.decode()
    assert done.stdout.startswith(b"ok")


@pytest.mark.native
def test_the_sanitizer_for_threads_sees_what_it_is_there_for(tmp_path: Path) -> None:
    """Results that are read before a thread has ended are noticed: the test above can fail."""
    program = build_changed(tmp_path, "parts.c", "pthread_join(threads[i], NULL)", "(void)0", *FOR_THREADS)
    done = run_threads(program)
    assert done.returncode != 0
    assert b"data race" in done.stderr


def run_threads(program: Path) -> subprocess.CompletedProcess[bytes]:
    """Run what the driver does with several threads."""
    environment = os.environ | {"LD_PRELOAD": "", "TSAN_OPTIONS": "halt_on_error=1"}
    return subprocess.run([program, "threads"], capture_output=True, check=False, timeout=300, env=environment)
