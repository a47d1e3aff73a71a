"""Programs that print figures: `python -m benchmarks.NAME`."""

import sys
from pathlib import Path

# what tests share imports each other as pytest lets it
sys.path.append(str(Path(__file__).parents[1] / "tests"))
