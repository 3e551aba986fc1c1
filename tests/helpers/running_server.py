"""The server of benchmark files, running in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perturb.distribution.server import file_server, url_of


@contextmanager
def running_server(folder: Path, *, quiet: bool = True) -> Iterator[str]:
    """Run the server during the block; yield its address."""
    server, listener = file_server(folder, port=0, quiet=quiet)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
