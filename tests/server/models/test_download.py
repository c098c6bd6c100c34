"""Downloads over a connection that fails in every way it can."""

import hashlib
import logging
import resource
import signal
import threading
import time
from pathlib import Path

import pytest

from gguf_writer import tiny_model
from home_llm.models import Backoff, Hub, ModelError, Progress, StoppedError, find_candidates
from home_llm.models.download import download
from hub import LocalHub
from hub_repository import Repository
from waiting import wait_until

NAME = "acon96/Home-3B-v3-GGUF"
FILE = "Home.Q4_K_M.gguf"
DATA = tiny_model(300_000)


class Downloader:
    """Downloads the one model of a repository, and keeps what was reported."""

    def __init__(self, hub: LocalHub, client: Hub, folder: Path) -> None:
        self.hub = hub
        self.client = client
        self.folder = folder
        self.cancel = threading.Event()
        self.reports: list[Progress] = []

    def __call__(self) -> list[str]:
        """List the repository and download its model."""
        repository = self.client.repository(NAME, threading.Event())
        return download(
            self.client,
            repository,
            find_candidates(repository.files)[0],
            self.folder,
            on_progress=self.reports.append,
            cancel=self.cancel,
        )

    @property
    def target(self) -> Path:
        """Name the file that is whole."""
        return self.folder / FILE

    @property
    def part(self) -> Path:
        """Name the file that is not whole yet."""
        return self.folder / f"{FILE}.part"

    def ranges(self) -> list[str]:
        """List the ranges that the storage host was asked for."""
        return [request.range for request in self.hub.seen("cdn")]


@pytest.fixture(name="repository")
def repository_fixture(hub: LocalHub) -> Repository:
    """Put the one model on the hub."""
    return hub.add_repository(NAME, {FILE: DATA, "README.md": b"hi"})


@pytest.fixture(name="fetch")
def fetch_fixture(hub: LocalHub, client: Hub, repository: Repository, tmp_path: Path) -> Downloader:
    """Make a downloader of that model."""
    return Downloader(hub, client, tmp_path / "models")


def test_whole_download(fetch: Downloader) -> None:
    """A file arrives byte for byte, under its name only, with its checksum and a last report of all bytes."""
    assert fetch() == [hashlib.sha256(DATA).hexdigest()]
    assert fetch.target.read_bytes() == DATA
    assert [path.name for path in fetch.folder.iterdir()] == [FILE]
    last = fetch.reports[-1]
    assert (last.file, last.done, last.total, last.percent) == (FILE, len(DATA), len(DATA), 100.0)
    assert last.rate > 0


def test_pinned_to_the_listed_commit(fetch: Downloader, repository: Repository) -> None:
    """The bytes are asked for at the commit that was listed, so that both belong together."""
    fetch()
    assert f"/resolve/{repository.sha}/" in fetch.hub.seen("resolve")[0].path


def test_cut_connection(fetch: Downloader) -> None:
    """A cut connection is continued at the byte where it ended, as often as it takes."""
    fetch.hub.cut_after(50_000, times=5)
    fetch()
    assert fetch.target.read_bytes() == DATA
    assert fetch.ranges() == ["", *(f"bytes={50_000 * number}-" for number in range(1, 6))]


def test_no_progress_gives_up(fetch: Downloader) -> None:
    """Connections that bring nothing are tried again a few times only; what was there stays."""
    fetch.hub.cut_after(50_000)
    fetch.hub.cut_after(0, times=20)
    with pytest.raises(ModelError) as caught:
        fetch()
    assert caught.value.retryable
    assert fetch.part.stat().st_size == 50_000
    assert len(fetch.ranges()) == 4


def test_faults_on_the_way(fetch: Downloader) -> None:
    """Passing faults of hub and storage are waited out."""
    fetch.hub.fail_next(503, where="cdn")
    fetch.hub.fail_next(429, where="resolve", retry_after=0)
    fetch()
    assert fetch.target.read_bytes() == DATA


def test_refusal_is_not_repeated(fetch: Downloader) -> None:
    """A refusal ends the download at once."""
    fetch.hub.fail_next(403, where="cdn")
    with pytest.raises(ModelError) as caught:
        fetch()
    assert caught.value.status == 403
    assert len(fetch.ranges()) == 1


def test_stop_and_continue(fetch: Downloader) -> None:
    """A stopped download ends at once and a later one continues it, in another process for all it knows."""
    fetch.hub.slow_down(200_000)

    def stop() -> None:
        wait_until(lambda: fetch.reports and fetch.reports[-1].done >= 20_000)
        fetch.cancel.set()

    threading.Thread(target=stop).start()
    with pytest.raises(StoppedError):
        fetch()
    had = fetch.part.stat().st_size
    assert 20_000 <= had < len(DATA)
    assert not fetch.target.exists()
    fetch.hub.slow_down(0)
    fetch.cancel.clear()
    fetch.reports.clear()
    assert fetch() == [hashlib.sha256(DATA).hexdigest()]
    assert fetch.ranges()[-1] == f"bytes={had}-"
    assert fetch.reports[0].done > had


def test_stop_on_a_dead_connection(fetch: Downloader) -> None:
    """Stopping does not wait for a connection on which nothing comes."""
    fetch.hub.stall_after(65_536)

    def stop_soon() -> None:
        wait_until(lambda: fetch.reports)
        time.sleep(0.1)
        fetch.cancel.set()

    threading.Thread(target=stop_soon).start()
    started = time.monotonic()
    with pytest.raises(StoppedError):
        fetch()
    assert time.monotonic() - started < 2
    assert fetch.part.stat().st_size > 0


def test_server_without_ranges(fetch: Downloader) -> None:
    """Where ranges are ignored the file is begun again, and counted right."""
    fetch.hub.ignore_ranges = True
    fetch.hub.cut_after(100_000)
    fetch()
    assert fetch.target.read_bytes() == DATA
    assert max(report.done for report in fetch.reports) == len(DATA)


def test_wrong_bytes(fetch: Downloader) -> None:
    """A wrong checksum deletes the file and says so; the next download is right."""
    fetch.hub.corrupt(NAME, FILE)
    with pytest.raises(ModelError, match=r"wrong checksum and was deleted") as caught:
        fetch()
    assert caught.value.retryable
    assert not list(fetch.folder.iterdir())
    fetch.hub.heal(NAME)
    fetch()
    assert fetch.target.read_bytes() == DATA


def test_wrong_beginning_on_disk(fetch: Downloader) -> None:
    """Bytes on disk that are not the file's are found out by the checksum."""
    fetch.folder.mkdir()
    fetch.part.write_bytes(b"?" * 1000)
    with pytest.raises(ModelError, match="wrong checksum"):
        fetch()
    assert not fetch.part.exists()


def test_too_many_bytes_on_disk(fetch: Downloader) -> None:
    """A partial file longer than the file itself is begun again."""
    fetch.folder.mkdir()
    fetch.part.write_bytes(b"?" * (len(DATA) + 1))
    fetch()
    assert fetch.target.read_bytes() == DATA


def test_all_bytes_on_disk(fetch: Downloader) -> None:
    """A partial file that has all bytes needs no request for more."""
    fetch.folder.mkdir()
    fetch.part.write_bytes(DATA)
    fetch()
    assert fetch.target.read_bytes() == DATA
    assert not fetch.ranges()


def test_fewer_bytes_than_announced(fetch: Downloader) -> None:
    """A file that ends before the announced size is not taken for whole."""
    fetch.hub.announce_size(NAME, FILE, len(DATA) + 100)
    with pytest.raises(ModelError, match=r"fewer bytes of Home\.Q4_K_M\.gguf than it announced"):
        fetch()
    assert not list(fetch.folder.iterdir())


def test_more_bytes_than_announced(fetch: Downloader) -> None:
    """A file that goes on after the announced size is refused."""
    fetch.hub.announce_size(NAME, FILE, len(DATA) - 100)
    with pytest.raises(ModelError, match=f"instead of {len(DATA) - 100:,}"):
        fetch()
    assert not list(fetch.folder.iterdir())


def test_full_disk_is_seen_first(fetch: Downloader) -> None:
    """A file that the disk has no room for is not begun."""
    fetch.hub.announce_size(NAME, FILE, 10**16)
    with pytest.raises(ModelError, match=r"disk is too full for Home.*10000000.0 GB are to come"):
        fetch()
    assert not fetch.ranges()


def test_disk_fills_up_on_the_way(fetch: Downloader) -> None:
    """A write that fails for want of room is told in the same words."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(ModelError, match="disk is too full"):
            fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    fetch()
    assert fetch.target.read_bytes() == DATA


def test_unwritable_folder(fetch: Downloader) -> None:
    """A file that cannot be written names the folder."""
    fetch.folder.mkdir()
    fetch.part.mkdir()
    with pytest.raises(ModelError, match="could not be written to"):
        fetch()


def test_split_model(hub: LocalHub, client: Hub, tmp_path: Path) -> None:
    """All parts are fetched, flat in one folder, and progress counts them together; done parts stay done."""
    parts = {f"Q8_0/big-Q8_0-{number:05}-of-00003.gguf": tiny_model(30_000, part=number) for number in (1, 2, 3)}
    hub.add_repository(NAME, parts)
    fetch = Downloader(hub, client, tmp_path / "models")
    hub.fail_next(403, where="resolve", headers={"X-Skip": "1"})
    with pytest.raises(ModelError):
        fetch()
    sums = fetch()
    assert sums == [hashlib.sha256(data).hexdigest() for data in parts.values()]
    names = sorted(path.name for path in fetch.folder.iterdir())
    assert names == [Path(path).name for path in parts]
    assert fetch.reports[-1].done == fetch.reports[-1].total == sum(len(data) for data in parts.values())
    before = len(fetch.ranges())
    assert fetch() == sums
    assert len(fetch.ranges()) == before


def test_log(fetch: Downloader, caplog: pytest.LogCaptureFixture) -> None:
    """The log tells every ten percent, not every chunk."""
    caplog.set_level(logging.INFO)
    fetch.hub.slow_down(600_000)
    fetch()
    lines = [record.getMessage() for record in caplog.records if "Downloading" in record.getMessage()]
    assert 8 <= len(lines) <= 11
    assert all(f"{FILE}: " in line and "/s" in line for line in lines)


def test_waiting_grows() -> None:
    """Waits double up to a limit, honour what is asked, and end."""
    backoff = Backoff(attempts=5, first=1, longest=4)
    fault = ModelError("x", retryable=True)
    assert [backoff.seconds(number, fault) for number in range(1, 6)] == [1, 2, 4, 4, None]
    assert backoff.seconds(1, ModelError("x", retryable=True, retry_after=3)) == 3
    assert backoff.seconds(1, ModelError("x", retryable=True, retry_after=5)) is None
    assert backoff.seconds(1, ModelError("x")) is None
