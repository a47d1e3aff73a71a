"""`imgvec mcp` and a real daemon, asked by the client of the official SDK."""

import base64
import json
import subprocess
import sys

from later import Later

from imgvecd import Client

# Importing the SDK takes two seconds.
ClientSession = Later("mcp", "ClientSession")
StdioServerParameters = Later("mcp", "StdioServerParameters")
stdio_client = Later("mcp.client.stdio", "stdio_client")


def answered(result):
    assert not result.model_dump(by_alias=True).get("isError"), result
    return json.loads(result.content[0].text)


async def test_the_official_client_finds_and_sees_photos(start_fast, shipped_photos):
    daemon = start_fast(shipped_photos)
    command = ["-m", "imgvecd.client.main", "mcp", "--write", "--socket", str(daemon.socket)]
    server = StdioServerParameters(command=sys.executable, args=command)
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        hello = (await session.initialize()).model_dump(by_alias=True)
        assert hello["serverInfo"]["name"] == "imgvecd"
        listed = (await session.list_tools()).model_dump(by_alias=True)["tools"]
        assert {tool["name"] for tool in listed} >= {"search_photos", "look", "tag", "set"}
        await session.send_ping()
        arguments = {"query": "a cup of coffee", "limit": 3}
        searched = answered(await session.call_tool("search_photos", arguments))
        assert searched["searched"] > 3
        stats = answered(await session.call_tool("library", {}))
        one = next(Client(str(daemon.socket)).images()).id
        photo = answered(await session.call_tool("details", {"id": one}))
        assert photo["files"]
        seen = await session.call_tool("look", {"ids": [one], "size": 256})
        assert base64.b64decode(seen.content[1].data).startswith(b"\xff\xd8")
        similar = answered(await session.call_tool("similar", {"id": one, "limit": 2}))
        assert one not in [each["id"] for each in similar["photos"]]
        assert answered(await session.call_tool("status", {}))["pid"] == daemon.process.pid
        duplicates = answered(await session.call_tool("find_duplicates", {}))
        assert duplicates["images"] == stats["images"]
        assert (
            not (await session.call_tool("tag", {"ids": [one], "add": ["seen"]}))
            .model_dump(by_alias=True)
            .get("isError")
        )
        kept = answered(await session.call_tool("set", {"id": one, "values": {"rating": 4}}))
        assert kept["rating"] == 4
        refused = await session.call_tool("look", {"ids": list(range(9))})
        assert refused.model_dump(by_alias=True)["isError"] is True


def test_the_server_imports_nothing_heavy():
    code = (
        "import sys; import imgvecd.client.mcp.stdio, imgvecd.client.main;"
        "heavy = {'numpy', 'torch', 'faiss', 'aiohttp', 'mcp', 'pydantic', 'PIL'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.stdout.strip() == "[]"
