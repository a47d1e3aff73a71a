"""The shapes that travel over the socket: requests and answers of `/v1`, as msgspec structs.

The server validates against them, the clients read them, and the reference is made from them.

A path is text; where a name on disk is not UTF-8, `path` shows it with replacement characters and
`path_base64` carries the exact bytes. Requests take either.

What comes by the thousand is `gc=False`: no circle can be made of it, so that the collector, for
which every thread waits, need not look at it.

What stands here is the same under `imgvecd.api`, whichever module it is in.
"""

from imgvecd.api.daemon import *  # noqa: F403  # all of it is public
from imgvecd.api.duplicates import *  # noqa: F403  # all of it is public
from imgvecd.api.fields import *  # noqa: F403  # all of it is public
from imgvecd.api.images import *  # noqa: F403  # all of it is public
from imgvecd.api.searching import *  # noqa: F403  # all of it is public
