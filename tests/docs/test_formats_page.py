"""The page about formats names every extension and every field, and nothing else."""

import re
from pathlib import Path

from imgvecd.core.files import formats

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
FIELDS = {
    "camera", "lens", "iso", "exposure_s", "f_number", "focal_length_mm", "exposure_bias_ev",
    "flash", "orientation", "gps_latitude", "gps_longitude", "gps_altitude_m", "rating",
    "keywords", "people", "title", "description", "creator", "copyright", "city", "country",
    "favorite",
}  # fmt: skip


def test_every_extension_is_on_the_page():
    table = PAGE.split("## Formats")[1].split("\n\n")[1]
    columns = "".join(line.split("|")[2] for line in table.splitlines())
    assert set(re.findall(r"`(\w+)`", columns)) == formats.IMAGE_EXTENSIONS


def test_every_companion_is_on_the_page():
    beside = PAGE.split("## Sidecars")[1]
    for extension in formats.COMPANION_EXTENSIONS:
        assert f".{extension}`" in beside


def test_every_field_is_on_the_page():
    table = PAGE.split("## Metadata")[1].split("\n\n")[2]
    names = "".join(line.split("|")[1] for line in table.splitlines())
    assert set(re.findall(r"`(\w+)`", names)) == FIELDS
