"""Both programs in a folder, as pip puts them there."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = {"imgvec": "imgvecd.client.main", "imgvecd": "imgvecd.cli.main"}


def install(folder):
    """Write the programs into a folder, which exists; they run this checkout."""
    for name, module in MODULES.items():
        script = folder / name
        script.write_text(
            f"#!{sys.executable} -P\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from {module} import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)
