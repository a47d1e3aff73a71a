"""Answers with long lists: the same bytes as any, while the loop goes on."""

import asyncio

from imgvecd import api
from imgvecd.server.route import answer, long_answer

PATH = api.Path(path="/photos/1.jpg")
LABELS = (api.Label(label='a \u2028 "cat"', score=0.1, share=0.5),)


async def test_a_long_list_is_answered_as_a_short_one():
    for images in ((), (api.Labelled(id=1, path=PATH, labels=LABELS),) * 3):
        for after in (None, 7):
            body = api.ClassifyResponse(images=images, next_after=after)
            assert (await long_answer(body, "images")).body == answer(body).body


async def test_the_loop_goes_on_while_it_is_encoded():
    labelled = api.Labelled(id=1, path=PATH, labels=LABELS * 100)
    body = api.ClassifyResponse(images=(labelled,) * 1000)
    encoding = asyncio.create_task(long_answer(body, "images"))
    await asyncio.sleep(0)  # it has begun
    assert not encoding.done()
    assert len((await encoding).body) > 4_000_000
