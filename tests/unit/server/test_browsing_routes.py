"""Lists, timelines and months as they are asked for over HTTP."""

import pytest

from imgvecd import api


async def test_lists_in_an_order_go_on_with_a_cursor(daemon):
    response = await daemon.ask("GET", "/v1/images?order=newest&cursor=abc&limit=7")
    assert response.status == 200
    assert daemon.service.asked == [("listing", "newest", "abc", 7, api.Filters())]


@pytest.mark.parametrize("query", ["cursor=abc", "order=newest&after=3", "order=upwards"])
async def test_what_does_not_go_together_is_refused(daemon, query):
    response = await daemon.ask("GET", f"/v1/images?{query}")
    assert response.status == 400
    assert daemon.service.asked == []


@pytest.mark.parametrize("path", ["/v1/timeline", "/v1/timeline/2023-05"])
async def test_what_a_client_has_is_not_sent_again(daemon, path):
    first = await daemon.ask("GET", path)
    assert first.status == 200
    tag = first.headers["ETag"]
    again = await daemon.ask("GET", path, headers={"If-None-Match": tag})
    assert (again.status, len(daemon.service.asked)) == (304, 1)
    url = path + "?filters=%7B%22tags%22:[%22a%22]%7D"
    narrowed = await daemon.ask("GET", url, headers={"If-None-Match": tag})
    assert narrowed.status == 200


async def test_a_month_is_read_in_parts(daemon):
    assert (await daemon.ask("GET", "/v1/timeline/2023-05?start=7&limit=3")).status == 200
    assert daemon.service.asked == [("month", "2023-05", api.Filters(), 7, 3)]
    for query in ("start=-1", "limit=0", "limit=100001"):
        assert (await daemon.ask("GET", f"/v1/timeline/2023-05?{query}")).status == 400


@pytest.mark.parametrize("query", ["kind=colour", "kind=tag&limit=0", ""])
async def test_facets_are_of_a_kind(daemon, query):
    assert (await daemon.ask("GET", f"/v1/facets?{query}")).status == 400


@pytest.mark.parametrize(
    "query", ["south=-91", "columns=0", "columns=65", "west=x", "south=2&north=1"]
)
async def test_boxes_lie_on_the_earth(daemon, query):
    assert (await daemon.ask("GET", f"/v1/positions?{query}")).status == 400
