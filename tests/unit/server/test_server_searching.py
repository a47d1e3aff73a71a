"""The routes around searching: batches, standing and saved searches, labels."""

import asyncio
import json

import pytest
from running import DEADLINE_S

from imgvecd import api
from imgvecd.server import app

MATCH = api.Match(hit=api.Hit(id=7, score=0.31, path="/photos/dog.jpg"), since="c:x:2.7")


async def test_a_batch_is_asked_whole(daemon):
    body = json.dumps({"searches": [{"text": "a"}, {"text": "b", "limit": 2}]})
    answer = await daemon.ask("POST", "/v1/search/batch", body)
    assert answer.status == 200
    (asked,) = daemon.service.asked
    assert asked.searches == (api.SearchRequest(text="a"), api.SearchRequest(text="b", limit=2))


@pytest.mark.parametrize("body", ['{"searches": []}', "{}", '{"searches": [{}]}'])
async def test_a_batch_of_nothing_is_refused(daemon, body):
    assert (await daemon.ask("POST", "/v1/search/batch", body)).status == 400


async def test_filters_and_order_travel_in_a_query_string(daemon):
    url = "/v1/search?text=x&order=newest&all=true&filters=%7B%22taken%22%3A%222023%22%7D"
    assert (await daemon.ask("GET", url)).status == 200
    (asked,) = daemon.service.asked
    assert asked == api.SearchRequest(
        text="x", order="newest", all=True, filters=api.Filters(taken="2023")
    )
    refused = await daemon.ask("GET", "/v1/search?text=x&filters=%7B%22shape%22%3A1%7D")
    assert refused.status == 400
    assert "shape" in refused.json["detail"]


async def test_saved_searches_have_routes(daemon):
    put = await daemon.ask("PUT", "/v1/saved/my%20dogs", json.dumps({"text": "dog"}))
    assert put.json["name"] == "my dogs"
    listed = (await daemon.ask("GET", "/v1/saved")).json
    assert [saved["name"] for saved in listed["saved"]] == ["my dogs"]
    assert (await daemon.ask("GET", "/v1/saved/my%20dogs")).json["hits"]
    assert (await daemon.ask("DELETE", "/v1/saved/my%20dogs")).json == {"saved": []}
    assert (await daemon.ask("DELETE", "/v1/saved/my%20dogs")).status == 404


async def test_labels_have_a_route(daemon):
    body = json.dumps({"labels": ["cat"], "ids": [7]})
    assert (await daemon.ask("POST", "/v1/classify", body)).json == {"images": []}
    assert (await daemon.ask("POST", "/v1/classify", '{"labels": []}')).status == 400


async def events(reader, count):
    """Return the next events as dicts; the head of the answer is left out."""
    found = []
    while len(found) < count:
        block = await asyncio.wait_for(reader.readuntil(b"\n\n"), DEADLINE_S)
        lines = block.decode().splitlines()
        fields = dict(line.split(": ", 1) for line in lines if line.count(": ") == 1)
        if "event" in fields:
            found.append(fields)
    return found


async def listen(daemon, head=""):
    reader, writer = await asyncio.open_unix_connection(daemon.path)
    request = f"GET /v1/search/live?text=dog HTTP/1.1\r\nHost: x\r\n{head}\r\n"
    writer.write(request.encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_a_listener_hears_where_it_begins_and_each_match(daemon):
    reader, writer = await listen(daemon, "Last-Event-ID: c:x:1.5\r\n")
    await daemon.service.searching.matches.put(None)
    await daemon.service.searching.matches.put(MATCH)
    ready, match = await events(reader, 2)
    assert (ready["event"], ready["id"]) == ("ready", "c:x:1.5")
    assert (match["event"], match["id"]) == ("match", "c:x:2.7")
    assert json.loads(match["data"])["hit"]["path"] == "/photos/dog.jpg"
    assert daemon.service.asked[-1][1] == "c:x:1.5"
    writer.close()


async def test_listeners_do_not_hold_up_the_end(start, monkeypatch):
    monkeypatch.setattr(app, "DRAIN_S", 86_400.0)  # for requests under way
    daemon = await start()
    reader, writer = await listen(daemon)
    await events(reader, 1)
    await asyncio.wait_for(daemon.server.close(), DEADLINE_S)
    assert await asyncio.wait_for(reader.read(), DEADLINE_S) is not None
    writer.close()
