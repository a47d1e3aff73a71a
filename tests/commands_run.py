"""Running a command for a test, which fails with what it said."""

import subprocess


def ran(*command, code=0, **options):
    """Return what a command printed; fail with its end otherwise."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == code, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
