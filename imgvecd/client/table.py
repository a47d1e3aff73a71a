"""Aligned columns, also where characters are two columns wide."""

from __future__ import annotations

from collections.abc import Sequence

import tabulate


def align(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; tabulate measures with wcwidth, which is installed with us."""
    return tabulate.tabulate(rows, headers, tablefmt="plain", disable_numparse=True)
