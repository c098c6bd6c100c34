"""A faithful Hugging Face hub on this machine, for huggingface_hub's real client.

It speaks what that client calls: model info, tree, resolve with its redirect to a storage host of another
origin, byte ranges, ETags, error codes, and the Xet headers that the real hub adds. And it fails on command.

    with LocalHub() as hub:
        hub.add_repository("owner/name", {"model.Q4_K_M.gguf": data})
        hub.fail_next(503, retry_after=1)
        hub.cut_after(1000)
"""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from hub_repository import Repository, git_oid, is_lfs, sibling, tree_item

_API = re.compile(r"^/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+)(?:/(.*))?)?$")
_RESOLVE = re.compile(r"^/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")
_PIECE = 8192


@dataclass(frozen=True)
class Request:
    """A request that was received: `where` is "api", "resolve" or "cdn"."""

    where: str
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str:
        """The Range header, or ""."""
        return self.headers.get("range", "")


@dataclass
class Failure:
    """An answer to give in place of the right one."""

    status: int
    times: int
    where: str
    headers: dict[str, str]


class LocalHub:
    """A hub and its storage host, each on a port of its own; a context manager.

    Attributes:
        url: the hub's address.
        token: the one token that opens gated and private repositories.
        requests: every request so far.
    """

    def __init__(self, token: str = "hf_right", *, host: str = "127.0.0.1") -> None:
        """Prepare an empty hub; it listens once entered."""
        self.token = token
        self._host = host
        self.requests: list[Request] = []
        self.ignore_ranges = False
        self._repositories: dict[str, Repository] = {}
        self._failures: list[Failure] = []
        self._cuts: list[int] = []
        self._rate = 0
        self._stall: int | None = None
        self._closing = threading.Event()
        self._servers: list[ThreadingHTTPServer] = []

    def __enter__(self) -> Self:
        """Open both ports and begin to serve."""
        for handler in (_HubHandler, _CdnHandler):
            server = _Server((self._host, 0), handler)
            server.hub = self
            self._servers.append(server)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of every connection and close the ports."""
        self._closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        """The hub's address."""
        return f"http://{self._host}:{self._servers[0].server_address[1]}"

    @property
    def cdn_url(self) -> str:
        """The storage host's address: another origin, as in reality."""
        return f"http://{self._host}:{self._servers[1].server_address[1]}"

    def add_repository(
        self, name: str, files: Mapping[str, bytes], *, gated: bool = False, private: bool = False
    ) -> Repository:
        """Add a repository, or give it new content."""
        self._repositories[name] = Repository(dict(files), gated, private)
        return self._repositories[name]

    def fail_next(
        self,
        status: int,
        *,
        times: int = 1,
        where: str = "",
        retry_after: str | float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next requests (of "api", "resolve" or "cdn"; "" is any) with an error."""
        extra = dict(headers or {})
        if retry_after is not None:
            extra["Retry-After"] = str(retry_after)
        self._failures.append(Failure(status, times, where, extra))

    def cut_after(self, count: int, times: int = 1) -> None:
        """Cut the connection after so many bytes of each of the next files' bodies."""
        self._cuts.extend([count] * times)

    def slow_down(self, bytes_per_second: int) -> None:
        """Send no faster than this."""
        self._rate = bytes_per_second

    def stall_after(self, count: int) -> None:
        """Send so many bytes of a file, then nothing, and keep the connection open."""
        self._stall = count

    def corrupt(self, name: str, file: str) -> None:
        """Serve other bytes than announced, of the same number."""
        repository = self._repositories[name]
        data = bytearray(repository.files[file])
        data[len(data) // 2] ^= 0xFF
        repository.served[file] = bytes(data)

    def heal(self, name: str) -> None:
        """Serve the right bytes again."""
        self._repositories[name].served.clear()

    def announce_size(self, name: str, file: str, size: int) -> None:
        """Announce another size than the file has."""
        self._repositories[name].announced[file] = size

    def seen(self, where: str) -> list[Request]:
        """Return the requests that one of the three kinds received."""
        return [request for request in self.requests if request.where == where]

    # What the handlers ask.

    def repository(self, name: str) -> Repository | None:
        """Return the repository of that name."""
        return self._repositories.get(name)

    def failure(self, where: str) -> Failure | None:
        """Take the failure that is due, if one is."""
        for failure in self._failures:
            if failure.where in ("", where) and failure.times > 0:
                failure.times -= 1
                return failure
        return None

    def send_body(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        """Send a file's bytes as slowly and as incompletely as was ordered."""
        cut = self._cuts.pop(0) if self._cuts and data else None
        limit = len(data) if cut is None else min(cut, len(data))
        piece = min(_PIECE, max(1, self._rate // 20)) if self._rate else _PIECE
        for start in range(0, limit, piece):
            if self._stall is not None and start >= self._stall:
                self._closing.wait()
                return
            handler.wfile.write(data[start : min(start + piece, limit)])
            if self._rate and self._closing.wait(piece / self._rate):
                return
        if limit < len(data):
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: LocalHub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests, not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Keep quiet: tests read `requests`."""

    @property
    def hub(self) -> LocalHub:
        return self.server.hub

    def do_HEAD(self) -> None:
        self.handle_request()

    def do_GET(self) -> None:
        self.handle_request()

    def handle_request(self) -> None:
        raise AssertionError

    def received(self, where: str) -> bool:
        """Log the request; True when a failure was answered already."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.hub.requests.append(Request(where, self.command, self.path, headers))
        failure = self.hub.failure(where)
        if failure is None:
            return False
        self.answer(failure.status, b'{"error":"made to fail"}', failure.headers)
        return True

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        headers = {"X-Error-Message": message, "Content-Type": "application/json"}
        self.answer(status, body, headers | ({"X-Error-Code": code} if code else {}))


class _HubHandler(_Handler):
    def handle_request(self) -> None:
        split = urlsplit(self.path)
        path = unquote(split.path)
        if match := _API.match(path):
            if not self.received("api") and (repository := self.admitted(match[1], api=True)):
                self.answer_api(match, repository, parse_qs(split.query))
        elif match := _RESOLVE.match(path):
            if not self.received("resolve") and (repository := self.admitted(match[1], api=False)):
                self.answer_resolve(match[1], match[2], match[3], repository)
        else:
            self.received("api")
            self.refuse(404, "", "Sorry, we can't find the page you are looking for.")

    def admitted(self, name: str, *, api: bool) -> Repository | None:
        """Return the repository if the caller may see it, else answer as the hub does."""
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if sent and sent != self.hub.token:
            self.refuse(401, "", "Invalid credentials in Authorization header")
            return None
        repository = self.hub.repository(name)
        if repository is None or (repository.private and not sent):
            # Without a token the hub does not tell a missing repository from a private one.
            status, message = (404, "Repository not found") if sent else (401, "Invalid username or password.")
            self.refuse(status, "RepoNotFound", message)
            return None
        if repository.gated and not sent and not api:
            self.refuse(401, "GatedRepo", f"Access to model {name} is restricted.")
            return None
        return repository

    def answer_api(self, match: re.Match[str], repository: Repository, query: dict[str, list[str]]) -> None:
        name, kind, revision = match[1], match[2], match[3]
        if revision and revision not in ("main", repository.sha):
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif kind == "tree":
            self.answer_json([tree_item(repository, file) for file in sorted(repository.files)])
        else:
            blobs = query.get("blobs", ["false"])[0].lower() == "true"
            siblings = [sibling(repository, file, blobs=blobs) for file in sorted(repository.files)]
            self.answer_json(
                {
                    "_id": "0" * 24,
                    "id": name,
                    "modelId": name,
                    "author": name.split("/")[0],
                    "sha": repository.sha,
                    "lastModified": "2026-01-01T00:00:00.000Z",
                    "createdAt": "2026-01-01T00:00:00.000Z",
                    "private": repository.private,
                    "gated": "manual" if repository.gated else False,
                    "disabled": False,
                    "downloads": 1,
                    "likes": 0,
                    "tags": ["gguf"],
                    "siblings": siblings,
                }
            )

    def answer_json(self, data: Any) -> None:
        self.answer(200, json.dumps(data).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def answer_resolve(self, name: str, revision: str, file: str, repository: Repository) -> None:
        if revision not in ("main", repository.sha):
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        if file not in repository.files:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        data = repository.files[file]
        headers = {"X-Repo-Commit": repository.sha, "Accept-Ranges": "bytes"}
        if not is_lfs(file, data):
            self.answer(200, data, headers | {"ETag": f'"{git_oid(data)}"'})
            return
        sha = hashlib.sha256(data).hexdigest()
        target = f"{self.hub.cdn_url}/repos/{sha}?file={quote(f'{name}/{file}')}&Signature=s&Expires=9999999999"
        headers |= {
            "Location": target,
            "X-Linked-Size": str(repository.size(file)),
            "X-Linked-ETag": f'"{sha}"',
            "ETag": f'"{git_oid(data)}"',
            # The real hub offers its own transfer protocol beside plain HTTP.
            "X-Xet-Hash": sha,
            "Link": f'<{self.hub.url}/api/models/{name}/xet-read-token/{repository.sha}>; rel="xet-auth"',
        }
        self.answer(302, f"Found. Redirecting to {target}".encode(), headers)


class _CdnHandler(_Handler):
    def handle_request(self) -> None:
        if self.received("cdn"):
            return
        if "Authorization" in self.headers:
            # A signed address and a token at once: storage refuses, and the token has leaked.
            self.refuse(400, "", "Only one auth mechanism allowed")
            return
        path = parse_qs(urlsplit(self.path).query)["file"][0]
        owner, name, file = path.split("/", 2)
        repository = self.hub.repository(f"{owner}/{name}")
        if repository is None or file not in repository.files:
            self.refuse(403, "", "AccessDenied")
            return
        data = repository.served.get(file, repository.files[file])
        self.answer_range(data, f'"{hashlib.sha256(repository.files[file]).hexdigest()}"')

    def answer_range(self, data: bytes, etag: str) -> None:
        status, start, end = 200, 0, len(data)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match and not self.hub.ignore_ranges:
            status, start = 206, int(match[1])
            end = min(end, int(match[2]) + 1) if match[2] else end
            if start >= len(data):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(end - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        if self.command != "HEAD":
            self.hub.send_body(self, data[start:end])
