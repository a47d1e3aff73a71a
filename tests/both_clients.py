"""Both clients behind one interface, so that one test body is run over either."""

import asyncio
import inspect
import threading

from imgvecd import AsyncClient, Client


class BlockingAsyncClient:
    """An `AsyncClient` on a loop of its own, whose methods block like those of `Client`."""

    def __init__(self, *args, **options):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.client = AsyncClient(*args, **options)

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def call(*args, **options):
            result = method(*args, **options)
            return self._iterate(result) if inspect.isasyncgen(result) else self._run(result)

        return call

    def __enter__(self):
        self._run(self.client.__aenter__())
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self._run(self.client.close())
        self._run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _iterate(self, items):
        try:
            while True:
                try:
                    yield self._run(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self._run(items.aclose())


CLIENTS = [Client, BlockingAsyncClient]
