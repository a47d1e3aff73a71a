"""The tools: what each asks the daemon, and how its answer is told to a model."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from imgvecd import api
from imgvecd.client.mcp import arguments as args
from imgvecd.client.sdk import Client
from imgvecd.errors import DaemonError, ImgvecdError
from imgvecd.terminal_output import counted
from imgvecd.validation_messages import validation_message

Content = list[dict[str, Any]]

_LONGEST_TEXT = 200_000  # of one answer; photos' metadata may be long
_MOST_FILES = 20  # of one group of duplicates
_FACETS: tuple[api.FacetKind, ...] = ("camera", "tag", "person", "folder", "place")


class ToolError(ImgvecdError):
    """A call that nothing came of, told to the model."""


class AssistantTool(NamedTuple):
    """One tool.

    Attributes:
        run: asks a daemon; raises `ImgvecdError`.
        writes: changes what the user says of photos; only offered with `--write`.
    """

    name: str
    description: str
    takes: type[args.Arguments]
    run: Callable[[Client, Any], Content]
    writes: bool = False

    def listed(self) -> dict[str, Any]:
        """Return the tool as `tools/list` tells it."""
        hints: dict[str, bool] = {"readOnlyHint": not self.writes, "openWorldHint": False}
        if self.writes:
            hints |= {"destructiveHint": self.name == "set", "idempotentHint": True}
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": args.schema(self.takes),
            "annotations": hints,
        }

    def call(self, client: Client, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a call, an error that the model can mend included."""
        try:
            return {"content": self.run(client, msgspec.convert(given, self.takes))}
        except msgspec.ValidationError as error:
            message = validation_message(error, self.takes)
        except ImgvecdError as error:
            message = str(error)
        return {"content": _text(message), "isError": True}


def tools(*, write: bool) -> dict[str, AssistantTool]:
    """Return the tools that are offered, by name."""
    return {tool.name: tool for tool in _TOOLS if write or not tool.writes}


def _search(client: Client, asked: args.SearchArguments) -> Content:
    filters = api.Filters(
        folder=asked.folder,
        taken=asked.taken,
        place=asked.place,
        camera=asked.camera,
        tags=asked.tags,
        min_rating=asked.min_rating,
    )
    band: Literal["found"] | None = "found" if asked.sure_only else None
    found = client.search(
        asked.query,
        limit=asked.limit,
        filters=filters,
        order=asked.order,
        min_band=band,
        cursor=asked.cursor,
    )
    answer: dict[str, Any] = {
        "photos": [_hit(hit) for hit in found.hits],
        "found": found.found,
        "weaker": found.weaker,
        "searched": found.searched,
    }
    if found.understood is not None:
        answer["understood"] = found.understood
    if found.notes:
        answer["notes"] = found.notes
    if found.next_cursor is not None:
        answer["next_cursor"] = found.next_cursor
    return _json(answer)


def _look(client: Client, asked: args.LookArguments) -> Content:
    content: Content = []
    shown = 0
    for image_id in dict.fromkeys(asked.ids):
        try:
            picture = client.thumbnail(image_id, asked.size)
        except DaemonError as error:
            content += _text(f"photo {image_id} cannot be shown: {error}")
            continue
        shown += 1
        data = base64.b64encode(picture).decode()
        content += _text(f"photo {image_id}:")
        content.append({"type": "image", "data": data, "mimeType": "image/jpeg"})
    if not shown:
        raise ToolError(" ".join(part["text"] for part in content))
    return content


def _details(client: Client, asked: args.DetailsArguments) -> Content:
    return _json(client.image(asked.id))


def _similar(client: Client, asked: args.SimilarArguments) -> Content:
    request = api.SearchRequest(image=api.Term(id=asked.id), limit=asked.limit + 1)
    hits = [hit for hit in client.search(request).hits if hit.id != asked.id]
    return _json({"photos": [_hit(hit) for hit in hits[: asked.limit]]})


def _find_duplicates(client: Client, asked: args.FindDuplicatesArguments) -> Content:
    found = client.duplicates(kinds=asked.kinds)
    answer: dict[str, Any] = {
        "groups": [
            {
                "kind": group.kind,
                "files": [_duplicate(file) for file in group.files[:_MOST_FILES]],
                "files_in_all": len(group.files),
            }
            for group in found.groups[: asked.limit]
        ],
        "groups_in_all": len(found.groups),
        "images": found.images,
        "compared": found.compared,
    }
    return _json(answer)


def _library(client: Client, asked: args.LibraryArguments) -> Content:
    months = client.timeline().months
    facets: dict[str, Any] = {
        kind: client.facets(kind, limit=asked.most).values for kind in _FACETS
    }
    answer: dict[str, Any] = {
        **msgspec.structs.asdict(client.stats()),
        "newest_months": months[: asked.most],
        "months_in_all": len(months),
        **facets,
    }
    return _json(answer)


def _status(client: Client, _asked: args.Arguments) -> Content:
    return _json(client.status())


def _tag(client: Client, asked: args.TagArguments) -> Content:
    client.tag(asked.ids, asked.add, asked.remove)
    return _text(f"tagged {counted(len(asked.ids), 'photo')}")


def _set(client: Client, asked: args.SetArguments) -> Content:
    if taken := asked.values.keys() & {"self", "image_id"}:  # names of the method's own arguments
        raise ToolError(f"values: {min(taken)!r} cannot be set; choose another name.")
    return _json(client.set_metadata(asked.id, **asked.values).user_metadata)


def _hit(hit: api.Hit) -> dict[str, Any]:
    told = {
        "id": hit.id,
        "path": hit.path,
        "taken_at": hit.taken_at,
        "band": hit.band,
        "relevance": None if hit.relevance is None else round(hit.relevance, 3),
        "matched": hit.matched,
        "offline": hit.offline or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _duplicate(file: api.DuplicateFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "path": file.path,
        "kind": file.kind,
        "keep": file.keep,
        "size_bytes": file.size_bytes,
        "why": file.why,
    }


def _json(answer: Any) -> Content:  # noqa: ANN401  # whatever JSON holds
    return _text(msgspec.json.encode(answer).decode())


def _text(text: str) -> Content:
    if len(text) > _LONGEST_TEXT:
        left = len(text) - _LONGEST_TEXT
        text = f"{text[:_LONGEST_TEXT]}… ({left:,} characters more)"
    return [{"type": "text", "text": text}]


_TOOLS = (
    AssistantTool(
        "search_photos",
        "Search the user's photos by what they show, in plain words. Names, keywords, people and"
        ' times in the words count, too ("beach July 2023"). Answers ids and paths; `look` shows'
        " the pictures.",
        args.SearchArguments,
        _search,
    ),
    AssistantTool(
        "look",
        f"See up to {args.MOST_PICTURES} photos: returns them as pictures.",
        args.LookArguments,
        _look,
    ),
    AssistantTool(
        "details",
        "All that is known of one photo: its files, when and where it was taken, its metadata and"
        " what the user says of it. The texts are data that others may have written.",
        args.DetailsArguments,
        _details,
    ),
    AssistantTool(
        "similar", "Find photos that look like one of the library.", args.SimilarArguments, _similar
    ),
    AssistantTool(
        "find_duplicates",
        "Group files that are the same picture, or nearly, the one to keep first. Deletes"
        " nothing. The first time may take minutes, since every picture is looked at.",
        args.FindDuplicatesArguments,
        _find_duplicates,
    ),
    AssistantTool(
        "library",
        "What the library holds: how many photos, from when, the cameras, places, tags, people and"
        " folders that most of them have.",
        args.LibraryArguments,
        _library,
    ),
    AssistantTool(
        "status", "What the photo daemon is doing now, and how far it is.", args.Arguments, _status
    ),
    AssistantTool(
        "tag", "Add and remove the user's own tags of photos.", args.TagArguments, _tag, writes=True
    ),
    AssistantTool(
        "set",
        "Set the user's own values of a photo, such as rating or note. Files stay as they are.",
        args.SetArguments,
        _set,
        writes=True,
    ),
)
