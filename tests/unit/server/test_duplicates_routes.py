"""The routes about duplicates pass on what they are asked, and refuse what makes no sense."""

import base64
import json

from imgvecd import api


async def post(daemon, path, body):
    headers = {"Content-Type": "application/json"}
    return await daemon.ask("POST", f"/v1/duplicates{path}", json.dumps(body), headers)


async def test_what_is_asked_reaches_the_service(daemon):
    answer = await post(daemon, "", {"kinds": ["burst"], "burst_s": 3})
    assert (answer.status, answer.json["groups"]) == (200, [])
    data = base64.b64encode(b"picture").decode()
    answer = await post(daemon, "/check", {"data": data})
    assert answer.json == {"matches": []}
    decision = {"hashes": ["aa", "bb"], "decision": "keep_both"}
    answer = await post(daemon, "/decisions", decision)
    assert answer.json["done"] == "decide"
    assert daemon.service.asked == [
        api.DuplicatesRequest(kinds=("burst",), burst_s=3),
        api.Term(data=b"picture"),
        api.DuplicateDecision(hashes=("aa", "bb"), decision="keep_both"),
    ]


async def test_what_makes_no_sense_is_refused_with_the_field(daemon):
    for path, body, field in (
        ("", {"kinds": ["twins"]}, "kinds"),
        ("", {"min_similarity": 2}, "min_similarity"),
        ("", {"rules": ["luck"]}, "rules"),
        ("/decisions", {"hashes": ["aa"], "decision": "keep_both"}, "hashes"),
        ("/decisions", {"hashes": ["aa", "bb"], "decision": "delete"}, "decision"),
    ):
        answer = await post(daemon, path, body)
        assert answer.status == 400
        assert field in answer.json["detail"]
    assert daemon.service.asked == []
