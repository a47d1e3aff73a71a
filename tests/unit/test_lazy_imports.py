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


def test_a_worker_for_an_english_text_loads_what_that_needs():
    """Somebody waits for the first text on an idle daemon, and imports are most of that wait."""
    program = (
        "import sys; import imgvecd.workers.encode\n"
        "from imgvecd.adapters.texttower.tokens import Tokens\n"
        "Tokens('a b', 8)(['a b'])\n"
        "unneeded = 'psutil', 'ftfy', 'torch', 'openvino', 'PIL', 'aiohttp'\n"
        "sys.exit(','.join(m for m in unneeded if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
