"""Packages that few settings need are loaded by who sets these, not by every library."""

import subprocess
import sys

FEW_NEED = ("aiohttp", "psycopg", "pgvector", "pyarrow")


def test_a_library_alone_loads_nothing_of_other_machines():
    program = (
        "import sys; import imgvecd.database, imgvecd.embedded_runtime, imgvecd.batch_encoder;"
        f"sys.exit(','.join(m for m in {FEW_NEED} if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
