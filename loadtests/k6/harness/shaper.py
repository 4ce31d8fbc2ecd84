"""A wire between gateway and customer database that can be made slow, thin, or cut."""
import asyncio
import threading

from . import ports

CHUNK = 65536


class Shaper:
    """Forwards a free loopback port to another. Runs on a thread of its own until closed."""

    def __init__(self, to_port):
        self.to_port, self.port = to_port, ports.free()
        self.delay_s, self.bytes_per_s, self.is_cut = 0.0, 0, False
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(asyncio.start_server(self.accept, "127.0.0.1", self.port))
        started.set()
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))

    def slow(self, delay_s, bytes_per_s=0):
        """So late each way, and no more than so many bytes a second on each connection; zeros are a good wire."""
        self.delay_s, self.bytes_per_s = delay_s, bytes_per_s

    def cut(self):
        """Every connection is reset, and no new one comes through."""
        self.is_cut = True
        self.loop.call_soon_threadsafe(self.reset)

    def mend(self):
        """A good wire again."""
        self.is_cut = False
        self.slow(0)

    def reset(self):
        for writer in list(self.writers):
            writer.transport.abort()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    async def accept(self, reader, writer):
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, upstream_writer}
        self.writers |= both
        await asyncio.gather(self.pump(reader, upstream_writer), self.pump(upstream_reader, writer))
        self.writers -= both

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.bytes_per_s:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
