"""Qdrant's HTTP API, as far as the index uses it, over the local mode of Qdrant's own client.

What comes in must fit the client's models of the API, so a request that a real server would not read is refused here
too. Sharding, replication and quantization are only noted: the local mode has none of them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter
from qdrant_client import QdrantClient, models


@dataclass
class QdrantServer:
    """A server and what it has seen: requests as (method, path, body), and the key of the last one. With ``fails`` it
    answers that status; with ``hides`` it knows of no collection until it is asked to make one."""

    url: str = ""
    fails: int = 0
    hides: bool = False
    key: str | None = None
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    local: QdrantClient = field(default_factory=lambda: QdrantClient(":memory:"))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """The status and the result of one request."""
        if self.fails:
            return self.fails, None
        _, _, name, *rest = path.split("/")
        match method, rest:
            case "GET", ["exists"]:
                return 200, {"exists": self.local.collection_exists(name) and not self.hides}
            case "PUT", []:
                if self.local.collection_exists(name):
                    return 409, None
                asked = models.CreateCollection.model_validate(body)
                return 200, self.local.create_collection(name, asked.vectors)
            case "DELETE", []:
                return 200, self.local.delete_collection(name)
            case "PUT", ["index"]:
                models.CreateFieldIndex.model_validate(body)
                return 200, {"operation_id": 0, "status": "completed"}
            case "PUT", ["points"]:
                return 200, self.local.upsert(name, models.PointsList.model_validate(body).points)
            case "POST", ["points"]:
                wanted = models.PointRequest.model_validate(body)
                return 200, self.local.retrieve(name, wanted.ids, wanted.with_payload, wanted.with_vector)
            case "POST", ["points", "delete"]:
                return 200, self.local.delete(name, models.PointIdsList.model_validate(body))
            case "POST", ["points", "count"]:
                counted = models.CountRequest.model_validate(body)
                return 200, self.local.count(name, counted.filter)
            case "POST", ["points", "query"]:
                (answer,) = self.local.query_batch_points(name, [models.QueryRequest.model_validate(body)])
                return 200, answer
            case "POST", ["points", "query", "batch"]:
                asked_for = models.QueryRequestBatch.model_validate(body).searches
                exact = [one.model_copy(update={"params": None}) for one in asked_for]
                return 200, self.local.query_batch_points(name, exact)
        return 404, None


@contextmanager
def qdrant_server() -> Iterator[QdrantServer]:
    """A server on a free port."""
    state = QdrantServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body, path = json.loads(data) if data else None, urlsplit(self.path).path
            with state.lock:
                state.key = self.headers.get("api-key")
                state.seen.append((self.command, path, body))
                status, result = state.answer(self.command, path, body)
            told = {"status": "ok" if status == 200 else {"error": "no"}, "time": 0.0}
            told["result"] = TypeAdapter(Any).dump_python(result, mode="json")
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the names that the library looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
