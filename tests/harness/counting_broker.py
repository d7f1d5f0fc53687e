"""A stand-in for a broker that answers ApiVersions and nothing else, and keeps
every frame that reaches it."""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass

from . import apis
from .wire import Writer

UNSUPPORTED_VERSION = 35


@dataclass(frozen=True)
class Frame:
    key: int
    version: int
    data: bytes


class CountingBroker:
    """Has as much of a `KafkaCluster` as an `Envoy` needs."""

    def __init__(self, backlog: int = 512):
        self.ids = [1]
        self.frames: list[Frame] = []
        self.broken: list[bytes] = []
        """Bytes that came and were no frame."""
        self.connections = 0
        """How many connections ever came."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.ports = {1: self._listener.getsockname()[1]}
        self.bootstrap = f"127.0.0.1:{self.ports[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def addresses(self, listener: str) -> list[str]:
        return [self.bootstrap]

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # after a close alone the accepting thread would go on
        self._listener.close()

    def others(self) -> list[Frame]:
        """All frames but ApiVersions requests."""
        return [f for f in self.frames if f.key != apis.API_VERSIONS.key]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            pending = b""
            while piece := connection.recv(1 << 20):
                pending += piece
                while len(pending) >= 4 and len(pending) >= 4 + (size := struct.unpack(">I", pending[:4])[0]):
                    frame, pending = pending[4 : 4 + size], pending[4 + size :]
                    connection.sendall(self._answer(frame))
            if pending:
                self.broken.append(pending)

    def _answer(self, frame: bytes) -> bytes:
        if len(frame) < 8:
            self.broken.append(frame)
            return b""
        key, version, correlation = struct.unpack(">hhi", frame[:8])
        self.frames.append(Frame(key, version, frame))
        if key != apis.API_VERSIONS.key:
            return b""
        known = version <= 4
        writer = Writer(version if known else 0, known and version >= apis.API_VERSIONS.flexible_from)
        keys = [{"key": k, "min": 0, "max": 4 if k == apis.API_VERSIONS.key else 13} for k in range(101)]
        writer.fields(apis.API_VERSIONS.response, {"error_code": 0 if known else UNSUPPORTED_VERSION, "api_keys": keys})
        return struct.pack(">ii", len(writer.out) + 4, correlation) + writer.out
