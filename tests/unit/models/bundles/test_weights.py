"""Downloading published files from a local server that interrupts, resumes and refuses."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deepgif.models.bundles import weights
from deepgif.models.bundles.weights import RemoteFile, WeightsError, fetch

CONTENT = bytes(range(256)) * 8000


@pytest.fixture
def server():
    """Serves CONTENT; ``cuts`` are the lengths of the next, interrupted responses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            self.server.starts.append(start)
            if self.path != "/file":
                self.send_error(404)
                return
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206 if start and self.server.ranges else 200)
            body = CONTENT[start if self.server.ranges else 0 :]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: self.server.cuts.pop(0) if self.server.cuts else None])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.cuts, running.starts, running.ranges = [], [], True
        running.url = f"http://127.0.0.1:{running.server_port}/file"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(server, **changes):
    given = {"path": "a/file", "url": server.url, "sha256": hashlib.sha256(CONTENT).hexdigest()[:8]}
    return RemoteFile(**{**given, **changes})


def test_downloaded_once(server, tmp_path, caplog):
    """Its progress is logged; the second call finds the file."""
    caplog.set_level("INFO")
    for _ in range(2):
        assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0]
    assert "of 1 MB" in caplog.text


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_resumes(server, tmp_path, ranges):
    """It continues if the server supports ranges, even in another process."""
    server.cuts, server.ranges = [100_000, 50_000], ranges
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.starts == ([0, 100_000, 150_000] if ranges else [0, 100_000, 50_000])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file.part").write_bytes(CONTENT)
    assert fetch(remote(server, path="b/file"), tmp_path).read_bytes() == CONTENT


def test_too_many_interruptions(server, tmp_path):
    """The partial file is kept for the next attempt."""
    server.cuts = [10, 10, 10]
    with pytest.raises(WeightsError, match=r"to .*a/file"):
        fetch(remote(server), tmp_path)
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 10, 20, 30]


def test_damaged(server, tmp_path):
    """It is not kept."""
    with pytest.raises(WeightsError, match="checksum"):
        fetch(remote(server, sha256="00"), tmp_path)
    assert list((tmp_path / "a").iterdir()) == []


def test_without_a_network(server, tmp_path):
    """The error says what to download and where to put it."""
    for url in (f"{server.url}s", "http://127.0.0.1:9/file", "http://nobody.invalid/file"):
        with pytest.raises(WeightsError, match=rf"cannot be downloaded .*Download {url} to {tmp_path}/a/file"):
            fetch(remote(server, url=url), tmp_path)
    assert weights.VGG16.sha256 in weights.VGG16.url
