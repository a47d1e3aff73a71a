"""Pages of groups of duplicates, by the API, the SDK and the command, while the library changes."""

import asyncio
import json
import shutil

import pytest
from running import DEADLINE_S

from imgvecd import AsyncClient, Client
from imgvecd.errors import DaemonError

COPIED = ("astronaut", "brick", "cat", "coffee", "galaxies")


@pytest.fixture
def daemon(start, shipped_photos):
    """A daemon whose library has five groups of equal files."""
    (shipped_photos / "copies").mkdir()
    for name in COPIED:
        copy_of(shipped_photos, name)
    daemon = start(shipped_photos)
    daemon.sync()
    return daemon


def copy_of(folder, name):
    (photo,) = (path for path in folder.rglob(f"{name}.jpg") if path.parent.name != "copies")
    shutil.copy(photo, folder / "copies")


def names(groups):
    """Return the photos of which a page's groups are."""
    return [group["files"][0]["path"].rpartition("/")[2].removesuffix(".jpg") for group in groups]


def pages(ask, **request):
    """Return the groups of every page, one page after the other."""
    found, cursor = [], None
    while True:
        page = ask({**request, **({"cursor": cursor} if cursor else {})})
        assert len(page["groups"]) <= request["limit"]
        found.append(page)
        cursor = page.get("next_cursor")
        if cursor is None:
            return found


def test_pages_hold_each_group_once_however_they_are_asked_for(daemon):
    whole = daemon.post("/v1/duplicates")
    assert sorted(names(whole["groups"])) == list(COPIED)
    assert whole["next_cursor"] is None

    by_api = pages(lambda body: daemon.post("/v1/duplicates", body), limit=2)
    assert [len(page["groups"]) for page in by_api] == [2, 2, 1]
    assert {page["groups_in_all"] for page in by_api} == {5}
    assert [group for page in by_api for group in page["groups"]] == whole["groups"]

    def by_command(body):
        more = ("--cursor", body["cursor"]) if "cursor" in body else ()
        answer = daemon.imgvec("duplicates", "--json", "--limit", str(body["limit"]), *more)
        return json.loads(answer.stdout)

    assert [page["groups"] for page in pages(by_command, limit=2)] == [
        page["groups"] for page in by_api
    ]
    with Client(str(daemon.socket)) as client:
        first = client.duplicates(limit=3)
        second = client.duplicates(limit=3, cursor=first.next_cursor)
        assert (len(first.groups), len(second.groups), second.next_cursor) == (3, 2, None)

    async def by_async_client():
        async with AsyncClient(str(daemon.socket)) as client:
            return await client.duplicates(limit=3, cursor=first.next_cursor)

    assert asyncio.run(by_async_client()).groups == second.groups


def test_a_cursor_belongs_to_its_request(daemon):
    with Client(str(daemon.socket)) as client:
        first = client.duplicates(limit=2)
        # how much is shown at once may change, and nothing else
        rest = client.duplicates(limit=10, cursor=first.next_cursor)
        assert len(rest.groups) == 3
        for other in ({"kinds": ["same_bytes"]}, {"burst_s": 3}, {"rules": ["age"]}):
            with pytest.raises(DaemonError, match="another request"):
                client.duplicates(limit=2, cursor=first.next_cursor, **other)
        for made_up in ("AAAA", "x" * 300, first.next_cursor[:-3], "cursor"):
            with pytest.raises(DaemonError, match="cursor"):
                client.duplicates(limit=2, cursor=made_up)
    refused = daemon.imgvec("duplicates", "--limit", "2", "--cursor", "AAAA")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"cursor" in refused.stderr


def test_what_changes_between_pages_costs_no_group(daemon, shipped_photos):
    with Client(str(daemon.socket)) as client:
        first = client.duplicates(limit=2)
        shown = {group.files[0].path for group in first.groups}
        before = {group.files[0].path for group in client.duplicates().groups}
        copy_of(shipped_photos, "grass")  # a new group
        gone = first.groups[0]
        for file in gone.files[1:]:  # one that was shown is none any more
            (shipped_photos / "copies" / file.path.rpartition("/")[2]).unlink(missing_ok=True)
        client.sync(timeout_s=DEADLINE_S)
        found, cursor = set(), first.next_cursor
        while cursor:
            page = client.duplicates(limit=1, cursor=cursor)
            found |= {group.files[0].path for group in page.groups}
            cursor = page.next_cursor
        assert before - shown <= found
        assert not shown & found
        assert client.duplicates().groups_in_all == 5
