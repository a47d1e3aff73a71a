"""Queues of contents that triggers fill."""


def enqueue_once(queue: str, content: str, condition: str) -> str:
    """Return the statement, for a trigger, that has a content wait unless it does already.

    OR IGNORE would not hold: the statement that set the trigger off says what a conflict does.

    Args:
        queue: table whose one column is `content_id`.
        content: expression for the content's id.
    """
    return (
        f"INSERT INTO {queue} SELECT {content} WHERE ({condition})"
        f" AND {content} NOT IN (SELECT content_id FROM {queue})"
    )
