"""The timeline, lists in every order, facets and positions agree with what the catalog holds."""

import datetime
import json
import random
import unicodedata

import numpy as np
import pytest

from imgvecd.api import Filters
from imgvecd.catalog import Catalog
from imgvecd.catalog.schema import migrations
from imgvecd.catalog.schema.map_cells import MAP_CELLS
from imgvecd.catalog.schema.migrations import _statements
from imgvecd.errors import BadRequestError, NotFoundError
from imgvecd.types import FileChanges, FoundFile, ImageInfo, ModelInfo, PreprocessSpec, Stamp

MODEL = ModelInfo("m", "m", "m", 4, PreprocessSpec(4, (0.5,) * 3, (0.5,) * 3))
SIZES = [(4000, 3000), (3000, 4000), (100, 100), (8000, 1000), (3000, 2000)]
COUNT = 60


def taken(number):
    if number % 7 == 0:
        return None
    if number % 11 == 0:
        return "2021" if number % 2 else "2021-03"  # all that is known
    day = datetime.datetime.fromisoformat("2021-01-01") + datetime.timedelta(
        days=11 * number, hours=number % 5
    )
    return day.isoformat()


def facts(number):
    found = {"camera": f"Camera {number % 3}", "keywords": ["All", f"k{number % 4}"]}
    if number % 2:
        found |= {
            "gps_latitude": number / 2 - 20,
            "gps_longitude": 179.5 if number % 4 == 1 else -179.5,
        }
    return found


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(str(tmp_path / "state"))
    catalog.models.activate([MODEL])
    (root,) = catalog.files.set_roots([b"/photos"])
    names = [
        (b"%d" % (i % 3), FoundFile(b"%03d.jpg" % i, Stamp(1, i, i + 1, i))) for i in range(COUNT)
    ]
    catalog.files.apply(FileChanges(added=tuple((root.id, folder, file) for folder, file in names)))
    pending = sorted(catalog.work.pending_files(COUNT), key=lambda file: file.name)
    catalog.work.link_contents([(file, file.name.ljust(32)) for file in pending])
    encoded = [
        (row.content_id, ImageInfo("jpeg", *SIZES[i % 5], taken(i), metadata=facts(i)))
        for i, row in enumerate(sorted(_files(catalog), key=lambda file: file.name))
    ]
    vectors = np.eye(4, dtype=np.float32)[np.arange(COUNT) % 4]
    catalog.work.commit_embeddings("m", encoded, vectors, [])
    yield catalog
    catalog.close()


def _files(catalog):
    return catalog.collection.files_of(range(1, COUNT + 1))


def expected(catalog, order):
    """Return the ids in order, worked out the slow way."""
    images = catalog.images.page(-1, COUNT)
    if order == "path":
        return [image.id for image in sorted(images, key=lambda image: image.files[0].path)]
    dated = [image for image in images if image.taken_at]
    undated = [image for image in images if not image.taken_at]
    down = order == "newest"
    dated.sort(key=lambda image: (image.taken_at, image.id), reverse=down)
    undated.sort(key=lambda image: image.id, reverse=down)
    return [image.id for image in [*dated, *undated]]


@pytest.mark.parametrize("order", ["newest", "oldest", "path"])
@pytest.mark.parametrize("limit", [1, 7, 20, COUNT, 1000])
def test_pages_add_up_to_the_whole_list_in_order(catalog, order, limit):
    found, cursor = catalog.timeline.page(order, None, limit, None)
    while cursor is not None:
        page, cursor = catalog.timeline.page(order, cursor, limit, None)
        found += page
    assert found == expected(catalog, order)


@pytest.mark.parametrize("order", ["newest", "oldest", "path"])
def test_pages_of_what_passes_filters(catalog, order):
    allowed = catalog.searching.matching(Filters(camera="Camera 1"))
    found, cursor = catalog.timeline.page(order, None, 3, allowed)
    while cursor is not None:
        page, cursor = catalog.timeline.page(order, cursor, 3, allowed)
        found += page
    chosen = set(allowed.tolist())
    assert found == [i for i in expected(catalog, order) if i in chosen]


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "bnVsbA", "WzEsMl0", "é"])
@pytest.mark.parametrize("order", ["newest", "path"])
def test_a_cursor_that_is_none_is_refused(catalog, cursor, order):
    with pytest.raises(BadRequestError, match="cursor"):
        catalog.timeline.page(order, cursor, 5, None)


def test_a_cursor_of_another_order_is_refused(catalog):
    _, cursor = catalog.timeline.page("newest", None, 5, None)
    with pytest.raises(BadRequestError, match="order"):
        catalog.timeline.page("oldest", cursor, 5, None)


def month_of(catalog, month, allowed, start=0, limit=1000):
    return catalog.timeline.month(month, allowed, "c:x:1", start, limit)


@pytest.mark.parametrize("filters", [None, Filters(camera="Camera 1")])
def test_the_timeline_has_the_list_in_order_of_time(catalog, filters):
    allowed = None if filters is None else catalog.searching.matching(filters)
    timeline = catalog.timeline.timeline(allowed, "c:x:1")
    months = [month_of(catalog, month.month, allowed) for month in timeline.months]
    ids = [i for month in months for i in month.ids]
    chosen = None if allowed is None else set(allowed.tolist())
    assert ids == [i for i in expected(catalog, "newest") if chosen is None or i in chosen]
    assert [month.count for month in timeline.months] == [len(month.ids) for month in months]
    assert timeline.months[-1].month == "undated"
    images = catalog.images.images(ids)
    hashes = [digest for month in months for digest in month.hashes]
    assert all(images[i].hash.startswith(digest) for i, digest in zip(ids, hashes, strict=True))
    days = [day for month in months for day in month.days]
    assert days == [int((images[i].taken_at or "")[8:10] or 0) for i in ids]
    assert timeline.total == len(timeline.shapes) == len(ids)
    for shape, i in zip(timeline.shapes, ids, strict=True):
        ratio = shape / 128 if shape <= 128 else 128 / (256 - shape)
        assert ratio == pytest.approx(images[i].width / images[i].height, rel=0.04)


@pytest.mark.parametrize(
    "month",
    [
        *("202", "2021-1", "x", "2021-13x", "٢٠٢١-01", "", "2021-13", "2021-00", "2021-99", "0000"),
        *("0000-01", "2021-", "2021-01\n"),
    ],
)
def test_what_is_no_month_is_not_found(catalog, month):
    with pytest.raises(NotFoundError):
        month_of(catalog, month, None)


def test_a_month_can_be_read_in_parts(catalog):
    for month in catalog.timeline.timeline(None, "c").months:
        whole = month_of(catalog, month.month, None)
        parts = [month_of(catalog, month.month, None, s, 2) for s in range(0, month.count + 2, 2)]
        assert whole.ids == tuple(i for part in parts for i in part.ids)
        assert whole.days == tuple(day for part in parts for day in part.days)
        assert {len(part.ids) for part in parts[:-2]} <= {2}


def test_facets_follow_what_files_and_people_say(catalog):
    cameras = {facet.value: facet.count for facet in catalog.facets.facets("camera", "", 9)}
    assert cameras == {"Camera 0": 20, "Camera 1": 20, "Camera 2": 20}
    catalog.user_metadata.tag([1, 2], ["Family"])
    catalog.user_metadata.tag([3], ["family"])
    catalog.user_metadata.tag([2], ["x"], ["FAMILY"])
    (family,) = catalog.facets.facets("tag", "amil", 9)
    assert family.count == 2
    assert catalog.searching.matching(Filters(tags=("FAMILY",))).tolist() == [1, 3]
    assert [facet.value for facet in catalog.facets.facets("tag", "", 1)] == ["All"]
    folders = catalog.facets.facets("folder", "", 9)
    assert {(facet.value, facet.count) for facet in folders} == {
        (f"/photos/{i}", 20) for i in range(3)
    }


def test_facets_take_no_notice_of_case_and_spelling(catalog):
    catalog.user_metadata.tag([1, 2], [unicodedata.normalize("NFD", "Café")])
    catalog.user_metadata.tag([3], ["Café"])
    catalog.user_metadata.tag([4], ["CAFÉ"])
    for contains in ("café", unicodedata.normalize("NFD", "CAFÉ")):
        (cafe,) = catalog.facets.facets("tag", contains, 9)
        assert (unicodedata.normalize("NFC", cafe.value), cafe.count) == ("Café", 4)
    assert catalog.searching.matching(Filters(tags=("café",))).tolist() == [1, 2, 3, 4]
    catalog.user_metadata.tag([5], ["all"])  # which is a keyword of its file, too
    assert {facet.value: facet.count for facet in catalog.facets.facets("tag", "all", 9)} == {
        "All": COUNT
    }


def test_favorites_are_counted(catalog):
    assert catalog.facets.facets("favorite", "", 9) == []
    catalog.user_metadata.change(1, {"favorite": True})
    (favorites,) = catalog.facets.facets("favorite", "", 9)
    assert favorites.count == 1
    assert catalog.facets.facets("favorite", "x", 9) == []


def test_what_no_file_bears_any_more_is_in_no_facet_and_place(catalog):
    catalog.files.apply(FileChanges(removed=tuple(file.id for file in _files(catalog))))
    assert catalog.facets.facets("camera", "", 9) == []
    assert clusters(catalog) == ()
    assert catalog.timeline.timeline(None, "c").total == 0


def clusters(catalog, box=(-90, -180, 90, 180), columns=8):
    return catalog.facets.clusters(box, columns).clusters


def test_positions_in_a_box_across_the_date_line(catalog):
    assert sum(cluster.count for cluster in clusters(catalog)) == COUNT // 2
    across = clusters(catalog, (-90, 179, 90, -179), 1)
    assert sum(cluster.count for cluster in across) == COUNT // 2
    assert clusters(catalog, (-90, -170, 90, 170), 4) == ()


@pytest.mark.parametrize("columns", [1, 8, 64])
@pytest.mark.parametrize("box", [(-90, -180, 90, 180), (-15, 179, -5, -179), (-90, -180, 0, 0)])
def test_clusters_are_the_cells_of_a_grid_that_stays(catalog, box, columns):
    found = catalog.facets.clusters(box, columns)
    size = found.cell_degrees
    width = (box[3] - box[1]) % 360 or 360
    assert size == 45 or width / columns / 2 < size <= width / columns
    placed = {}
    for number in range(1, COUNT, 2):
        latitude, longitude = (facts(number)[f"gps_{axis}"] for axis in ("latitude", "longitude"))
        if box[0] <= latitude <= box[2] and (longitude - box[1]) % 360 <= width:
            cell = (latitude + 90) // size, (longitude + 180) // size
            placed.setdefault(cell, []).append((latitude, longitude, number + 1))
    assert len(found.clusters) == len(placed)
    for cluster in found.clusters:
        cell = (cluster.latitude + 90) // size, (cluster.longitude + 180) // size
        latitudes, longitudes, ids = zip(*placed[cell], strict=True)
        assert cluster.latitude == pytest.approx(sum(latitudes) / len(ids))
        assert cluster.longitude == pytest.approx(sum(longitudes) / len(ids))
        assert (cluster.count, cluster.id in ids) == (len(ids), True)
        assert cluster.hash == catalog.images.page(cluster.id - 1, 1)[0].hash[:16]


def test_cells_follow_what_comes_moves_and_goes(catalog):
    """Kept by triggers, they are what counting anew gives, with a picture that is there."""
    chosen = random.Random(4)
    for step in range(80):
        with catalog._database.write() as (connection, _):
            said = {"gps_latitude": chosen.choice([-90, 90, 0, 47.1, 47.10001, 91, "x"])}
            said["gps_longitude"] = chosen.choice([-180, 180, 0, 8.5, 8.50001])
            connection.execute(
                "UPDATE contents SET metadata = ?, live = ? WHERE id = ?",
                (json.dumps(said), step % 4 > 0, chosen.randint(1, COUNT)),
            )
    with catalog._database.write() as (connection, _):
        kept = connection.execute("SELECT * FROM map_cells").fetchall()
        for level, y, x, *_, sample in kept:
            latitude, longitude = connection.execute(
                "SELECT latitude, longitude FROM positions WHERE content_id = ?", (sample,)
            ).fetchone()
            cells = (int((latitude + 90) / 360 * 2**level), int((longitude + 180) / 360 * 2**level))
            assert cells == (y, x)
        connection.execute("DELETE FROM map_cells")
        for statement in _statements(MAP_CELLS):
            if statement.lstrip().startswith("INSERT"):
                connection.execute(statement)
        again = connection.execute("SELECT * FROM map_cells").fetchall()
    assert [row[:6] for row in kept] == [row[:6] for row in again]


def test_an_older_catalog_gets_its_words_and_places(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        later = {"0011-browsing", "0020-map-cells"}
        before = [step for step in migrations.MIGRATIONS if step[0] not in later]
        patch.setattr(migrations, "MIGRATIONS", tuple(before))
        old = Catalog(str(tmp_path / "state"))
        (root,) = old.files.set_roots([b"/photos"])
        file = FoundFile(b"a.jpg", Stamp(1, 1, 1, 1))
        old.files.apply(FileChanges(added=((root.id, b"", file),)))
        old.work.link_contents([(row, b"a" * 32) for row in old.work.pending_files(9)])
        with old._database.write() as (connection, _):
            values = json.dumps({**facts(1), "people": "Ann"}), json.dumps({"tags": ["t", 1, None]})
            connection.execute("UPDATE contents SET metadata = ?, user_metadata = ?", values)
        old.close()
    catalog = Catalog(str(tmp_path / "state"))
    assert [facet.value for facet in catalog.facets.facets("person", "", 9)] == ["Ann"]
    tags = {facet.value for facet in catalog.facets.facets("tag", "", 9)}
    assert tags == {"All", "k1", "t", "1"}
    assert len(clusters(catalog)) == 1
    catalog.close()
