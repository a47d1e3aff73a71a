import os
import subprocess
import sys

import pytest

PROGRAMS = {
    "imgvec": ("imgvecd.client.main", "imgvecd.client.commands"),
    "imgvecd": ("imgvecd.cli.main", "imgvecd.cli.serve"),
}
INTERRUPTED_IN = """
import sys

class Interrupted:
    def find_spec(self, name, *_):
        if name == {late!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from {main} import main
sys.exit(main(["--help"]))
"""


FAILING = """
import sys
from imgvecd import command_line
from imgvecd.errors import ImgvecdError

def fail(_):
    sys.stdout.write("written")
    raise ImgvecdError("it failed")

sys.exit(command_line.run("imgvec", lambda: fail, []))
"""
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def run_in_shell(program, redirection, *, arguments="completions bash"):
    command = f"{sys.executable} -m {PROGRAMS[program][0]} {arguments} {redirection}"
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=BUFFERED
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_while_it_is_imported_ends_without_a_traceback(program):
    main, late = PROGRAMS[program]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IN.format(main=main, late=late)],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("arguments", ["completions bash", "--help", "--version"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_full_disk_below_the_output_is_told(program, arguments):
    done = run_in_shell(program, ">/dev/full", arguments=arguments)
    told = f"{program}: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, told)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_closed_streams_are_no_error(program, closed):
    done = run_in_shell(program, closed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_where_no_message_can_be_written_the_exit_code_tells(program):
    arguments = "status --socket /nowhere" if program == "imgvec" else "check-config"
    arguments += " --config /nowhere" if program == "imgvecd" else ""
    assert run_in_shell(program, "2>/dev/full", arguments=arguments).returncode == 2


def test_an_error_after_output_that_cannot_be_written_is_told():
    def told(output):
        done = subprocess.run(
            [sys.executable, "-c", FAILING],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=BUFFERED,
        )
        return done.returncode, done.stderr

    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "wb") as full, open(writing, "wb") as unread:
        assert told(unread) == (2, "imgvec: it failed\n")
        unwritten = "imgvec: standard output cannot be written: No space left on device\n"
        assert told(full) == (2, f"imgvec: it failed\n{unwritten}")
