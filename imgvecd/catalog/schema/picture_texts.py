"""The step of the schema that keeps the text read in pictures, and whose is still to be read."""

from __future__ import annotations

from imgvecd.catalog.schema.queues import enqueue_once

RECOGNISER = "recogniser"
"""Key in `meta` of the fingerprint of what reads texts now."""

UNREAD = (
    "{row}.live AND {row}.format IS NOT NULL AND {row}.failure IS NULL AND NOT EXISTS (SELECT 1"
    f" FROM picture_texts JOIN meta ON key = '{RECOGNISER}' AND value = recogniser"
    " WHERE content_id = {row}.id)"
)
"""Whether {row} of contents can be decoded, and was not read by it."""

_WANTED = f"EXISTS (SELECT 1 FROM meta WHERE key = '{RECOGNISER}') AND {UNREAD.format(row='NEW')}"

PICTURE_TEXTS = f"""
-- text: lines; NULL where reading it failed.
CREATE TABLE picture_texts (
    content_id INTEGER PRIMARY KEY REFERENCES contents(id) ON DELETE CASCADE,
    recogniser TEXT NOT NULL,
    text TEXT
) STRICT;
CREATE TABLE text_queue (
    content_id INTEGER PRIMARY KEY REFERENCES contents(id) ON DELETE CASCADE
) STRICT;

CREATE TRIGGER text_wanted AFTER UPDATE OF format, live, failure ON contents BEGIN
    {enqueue_once("text_queue", "NEW.id", _WANTED)};
END;
CREATE TRIGGER text_read AFTER INSERT ON picture_texts BEGIN
    {enqueue_once("names_stale", "NEW.content_id", "NEW.text != ''")};
END;
CREATE TRIGGER text_forgotten AFTER DELETE ON picture_texts BEGIN
    {enqueue_once("names_stale", "OLD.content_id", "OLD.text != ''")};
END;
"""
"""The statements that make the tables, in order."""
