"""The step of the schema that keeps what images are listed, counted and placed by.

`words` has the words of each image by kind: "tag" (the user's), "keyword" and "person" (the
file's), "camera". `positions` has where it was taken. Both have images that a file bears, and are
kept by triggers: whoever writes to `contents` need not know of them.
"""

from __future__ import annotations

_WORD_LENGTH = 200


def _fill(contents: str, row: str) -> str:
    """Return statements that add the words and the position of contents.

    Args:
        contents: "" for those of the row that a trigger is about.
        row: name of the row.
    """
    lists = "\n    UNION ALL ".join(
        f"SELECT '{kind}', substr(CAST(value AS TEXT), 1, {_WORD_LENGTH}), {row}.id"
        f" FROM {contents}json_each({row}.{column}, '$.{field}')"
        f" WHERE {row}.live AND json_valid({row}.{column}) AND type IN ('text', 'integer', 'real')"
        for kind, column, field in (
            ("tag", "user_metadata", "tags"),
            ("keyword", "metadata", "keywords"),
            ("person", "metadata", "people"),
            ("camera", "metadata", "camera"),
        )
    )
    latitude, longitude = (
        f"{row}.metadata ->> '$.gps_{name}'" for name in ("latitude", "longitude")
    )
    source = f"FROM {contents.rstrip(', ')} " if contents else ""
    return f"""INSERT OR IGNORE INTO words {lists} ORDER BY 1, 2, 3;
    INSERT OR REPLACE INTO positions SELECT {row}.id, {latitude}, {longitude} {source}
    WHERE {row}.live AND json_valid({row}.metadata)
    AND typeof({latitude}) IN ('real', 'integer') AND typeof({longitude}) IN ('real', 'integer');"""


_FORGET = """DELETE FROM words WHERE content_id = OLD.id;
    DELETE FROM positions WHERE content_id = OLD.id;"""

BROWSING = f"""
CREATE INDEX contents_timeline ON contents(taken_at, id, width, height) WHERE live;

CREATE TABLE words (
    kind TEXT NOT NULL,
    word TEXT NOT NULL COLLATE NOCASE,
    content_id INTEGER NOT NULL,
    PRIMARY KEY (kind, word, content_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE positions (
    content_id INTEGER PRIMARY KEY,
    latitude REAL NOT NULL,
    longitude REAL NOT NULL
) STRICT;

{_fill("contents, ", "contents")}
CREATE INDEX words_content ON words(content_id);
CREATE INDEX positions_place ON positions(latitude, longitude);

CREATE TRIGGER contents_come AFTER INSERT ON contents WHEN NEW.live BEGIN
    {_fill("", "NEW")}
END;
CREATE TRIGGER contents_change AFTER UPDATE OF live, metadata, user_metadata ON contents
WHEN OLD.live != NEW.live OR OLD.metadata != NEW.metadata OR OLD.user_metadata != NEW.user_metadata
BEGIN
    {_FORGET}
    {_fill("", "NEW")}
END;
CREATE TRIGGER contents_go AFTER DELETE ON contents BEGIN
    {_FORGET}
END;
"""
"""The statements, in order."""
