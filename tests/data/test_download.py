"""Downloads from a server of our own on this machine: good, damaged, cut off, refused, and from the next mirror."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import platformdirs
import pytest

from mae_bench.data.download import DownloadNeeded, data_folder, fetch, git_blob_id, no_downloads
from mae_bench.foundation.errors import DataError

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Mirrors(BaseHTTPRequestHandler):
    """/good/ sends the file, /damaged/ one changed byte, /cut/ half of what it announces, any other path a 404."""

    def do_GET(self):
        self.server.requests.append(self.path)
        mirror = self.path.split("/")[1]
        body = {"good": CONTENT, "damaged": b"?" + CONTENT[1:], "cut": CONTENT[: len(CONTENT) // 2]}.get(mirror)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Write nothing: the tests read stderr."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Mirrors)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _fetch(server, *mirrors):
    prefixes = [f"http://127.0.0.1:{server.server_port}/{mirror}/" for mirror in mirrors]
    return fetch("images.gz", prefixes, SHA256, prepared="images.npz")


def test_good_file_is_fetched_once_and_announced(server, tmp_path, capfd):
    path = _fetch(server, "good")
    assert path == tmp_path / "data" / "images.gz"
    assert path.read_bytes() == CONTENT
    first = capfd.readouterr()
    assert first.out == ""
    assert first.err == f"Downloading images.gz from http://127.0.0.1:{server.server_port}/good/\n"

    assert _fetch(server, "good") == path
    assert server.requests == ["/good/images.gz"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("bad", ["damaged", "cut", "absent"])
def test_the_next_mirror_serves_if_one_fails(server, bad):
    assert _fetch(server, bad, "good", "absent").read_bytes() == CONTENT
    assert server.requests == [f"/{bad}/images.gz", "/good/images.gz"]


@pytest.mark.parametrize(
    "known_hash", [f"md5:{hashlib.md5(CONTENT).hexdigest()}", f"git-blob:{git_blob_id(CONTENT)}"], ids=["md5", "git"]
)
def test_other_hashes_serve_as_well(server, known_hash):
    mirrors = [f"http://127.0.0.1:{server.server_port}/{mirror}/" for mirror in ("damaged", "good")]
    for _ in range(2):
        assert fetch("images.gz", mirrors, known_hash, prepared="images.npz").read_bytes() == CONTENT
    assert server.requests == ["/damaged/images.gz", "/good/images.gz"]


@pytest.mark.parametrize(
    ("content", "blob"),
    [
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ],
)
def test_git_blob_ids_are_those_of_git_hash_object(content, blob):
    assert git_blob_id(content) == blob


def test_unreachable_mirror_is_passed_over(server):
    # Nothing listens on port 1 of this machine.
    mirrors = ["http://127.0.0.1:1/", f"http://127.0.0.1:{server.server_port}/good/"]
    assert fetch("images.gz", mirrors, SHA256, prepared="images.npz").read_bytes() == CONTENT


def test_total_failure_is_one_sentence_and_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError) as caught:
        _fetch(server, "damaged", "cut", "absent")
    message = str(caught.value)
    base = f"http://127.0.0.1:{server.server_port}"
    assert message == (
        f"images.gz could not be fetched ({base}/damaged/: what it sent does not have the known hash; "
        f"{base}/cut/: the transfer failed (ChunkedEncodingError); {base}/absent/: HTTP status 404); "
        f"check the network, or put images.npz into {tmp_path / 'data'} (or into the folder that MAE_BENCH_DATA names)."
    )
    assert list((tmp_path / "data").iterdir()) == []


def test_damaged_copy_is_downloaded_again(server, tmp_path):
    path = _fetch(server, "good")
    path.write_bytes(CONTENT[:-1])
    assert _fetch(server, "good").read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_damaged_copy_that_cannot_be_replaced_is_named(server):
    path = _fetch(server, "good")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"images\.gz could not be fetched \(the copy in the data folder is damaged; h"):
        _fetch(server, "absent")


def test_data_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(DataError, match=r"cannot hold images\.gz \(.+\); set MAE_BENCH_DATA to a folder you can write"):
        fetch("images.gz", [], SHA256, prepared="images.npz")


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("MAE_BENCH_DATA", "")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: f"/cache/{name}")
    assert str(data_folder()) == "/cache/mae-bench"


def test_where_downloads_are_not_allowed_nothing_is_asked_for_or_written(server, tmp_path):
    with no_downloads(), pytest.raises(DownloadNeeded, match=r"images\.gz is not in"):
        _fetch(server, "good")
    assert server.requests == [] and not (tmp_path / "data").exists()
    path = _fetch(server, "good")
    with no_downloads():
        assert _fetch(server, "good") == path
    path.write_bytes(b"damaged")
    with no_downloads(), pytest.raises(DownloadNeeded):
        _fetch(server, "good")
    assert path.read_bytes() == b"damaged" and len(server.requests) == 1
    assert _fetch(server, "good").read_bytes() == CONTENT
