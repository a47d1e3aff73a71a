"""`imgvec browse`: a page to look at the library, and the gateway that serves it.

The gateway runs as the user who asks: loopback HTTP in front, the daemon's Unix socket behind. The
daemon listens nowhere new, and sees the same peer as with any other command. Imported by that
command only, since it needs aiohttp.
"""
