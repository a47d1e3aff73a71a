"""What KRunner asks over D-Bus: photos for the words in its box, and to open one of them.

The interface is `org.kde.krunner1`. The session bus starts the program when KRunner asks, and it
ends by itself when nobody has asked for a while. Needs the extra `desktop`.
"""

import asyncio
import os
import subprocess
import urllib.parse
from typing import Annotated, Any

from dbus_fast import Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusSignature, DBusStr
from dbus_fast.constants import RequestNameReply
from dbus_fast.service import ServiceInterface, dbus_method

from imgvecd import api
from imgvecd.client.async_client import AsyncClient
from imgvecd.client.desktop.entries import BUS_NAME, BUS_PATH, LABEL, find_similar
from imgvecd.errors import ImgvecdError

_IDLE_S = 300.0
_MOST = 8
_LONGEST = 200  # characters of a query: what is longer was pasted for something else
_TIMEOUT_S = 5.0
_POSSIBLE_MATCH = 30  # of Plasma::QueryMatch::Type
_SIMILAR = "similar"

_Actions = Annotated[list[list[str]], DBusSignature("a(sss)")]
_Matches = Annotated[list[list[Any]], DBusSignature("a(sssida{sv})")]


async def serve(socket: str, idle_s: float = _IDLE_S) -> int:
    """Answer on the session bus until it ends, or nobody has asked for `idle_s` seconds."""
    bus = await MessageBus().connect()
    runner = Runner(socket)
    bus.export(BUS_PATH, runner)
    if await bus.request_name(BUS_NAME) is not RequestNameReply.PRIMARY_OWNER:
        return 0  # another one serves already
    waiting = [
        asyncio.ensure_future(runner.idle(idle_s)),
        # the end of the session
        asyncio.ensure_future(bus.wait_for_disconnect()),  # type: ignore[no-untyped-call]
    ]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    bus.disconnect()
    return 0


class Runner(ServiceInterface):
    """Answers KRunner, and knows when it was last asked."""

    def __init__(self, socket: str) -> None:
        super().__init__("org.kde.krunner1")
        self._client = AsyncClient(socket, _TIMEOUT_S)
        self._asked = asyncio.Event()

    async def idle(self, seconds: float) -> None:
        """Return when nobody has asked for so long."""
        while True:
            try:
                await asyncio.wait_for(self._asked.wait(), seconds)
            except TimeoutError:
                return
            self._asked.clear()

    @dbus_method()
    def Actions(self) -> _Actions:  # noqa: N802  # the interface's name
        """Return what can be done with a match, beside opening it."""
        self._asked.set()
        return [[_SIMILAR, LABEL, "image-x-generic"]]

    @dbus_method()
    async def Match(self, query: DBusStr) -> _Matches:  # noqa: N802  # the interface's name
        """Return the photos that surely fit, best first; none while the daemon cannot say."""
        self._asked.set()
        if not query.strip() or len(query) > _LONGEST:
            return []
        try:
            hits = await self._found(query)
        except ImgvecdError:
            return []  # KRunner shows no errors, and asks again with the next letter
        return [_match(hit) for hit in hits]

    @dbus_method()
    async def Run(self, match: DBusStr, action: DBusStr) -> None:  # noqa: N802  # the interface's name
        """Open a photo, or the page with photos like it."""
        self._asked.set()
        try:
            path = await self._path(match)
        except (ImgvecdError, ValueError):
            return  # gone since, or no match of ours
        if action == _SIMILAR:
            opened: tuple[str | bytes, ...] = (*find_similar(), path)
        else:
            opened = ("xdg-open", path)
        subprocess.Popen(opened, start_new_session=True, stdin=subprocess.DEVNULL)  # noqa: ASYNC220  # no shell

    async def _found(self, query: str) -> list[api.Hit]:
        found = await self._client.search(query, limit=_MOST)
        return [hit for hit in found.hits if hit.band != "weaker"]

    async def _path(self, match: str) -> bytes:
        files = (await self._client.image(int(match))).files
        file = next((file for file in files if not file.offline), files[0])
        return api.Path(file.path, file.path_base64).raw()


def _match(hit: api.Hit) -> list[Any]:
    folder, name = os.path.split(hit.path)
    path = api.Path(hit.path, hit.path_base64).raw()
    properties = {
        "subtext": Variant("s", " · ".join(filter(None, [hit.taken_at, folder]))),
        "urls": Variant("as", [f"file://{urllib.parse.quote(path)}"]),
        "actions": Variant("as", [_SIMILAR]),
    }
    relevance = 0.5 if hit.relevance is None else hit.relevance
    return [str(hit.id), name, "image-x-generic", _POSSIBLE_MATCH, relevance, properties]
