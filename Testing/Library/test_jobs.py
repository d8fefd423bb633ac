"""Long work: progress, cancelling, kills, a full disk. What stood there stays, or what is new is whole."""

import json
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import MedCompressLib
import numpy as np
import pytest
from archives import textured
from killed import killed
from MedCompressLib.codecs.chunk_store import ChunkStore
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import Cancelled, MedCompressError
from MedCompressLib.jobs import Job, Progress
from MedCompressLib.volume import Volume, write_volume

LIBRARY = Path(MedCompressLib.__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(LIBRARY), "PYTHONUNBUFFERED": "1"}
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A volume that takes about half a second to compress, and one that takes seconds."""
    folder = tmp_path_factory.mktemp("sources")
    write_volume(Volume(textured((24, 128, 128))), folder / "short.nrrd")
    write_volume(Volume(textured((40, 512, 512))), folder / "long.nrrd")
    return folder


class Followed(Job):
    """Keeps the fraction after each line, also after those that come between two polls."""

    def _take(self, line):
        super()._take(line)
        self.seen = {*getattr(self, "seen", ()), self.fraction}


def test_a_job_reports_progress_and_its_result(sources, tmp_path):
    job = Followed(["compress", str(sources / "short.nrrd"), str(tmp_path / "a.mcz"), "--ratio", "5"])
    while job.poll() == "running":
        time.sleep(0.01)
    assert job.state == "done" and job.fraction == 1 and len(job.seen) > 20
    assert job.result["ratio"] == pytest.approx(5, rel=0.02)
    assert (tmp_path / "a.mcz").stat().st_size == job.result["file_size"]
    assert job.remaining is None and job.elapsed > 0
    job.cancel()
    assert job.state == "done"


def test_a_job_that_fails_shows_the_last_line(tmp_path):
    job = Job(["verify", str(tmp_path / "missing.mcz")])
    assert job.wait() == "failed" and job.result is None and not job.died
    assert "missing.mcz" in job.error and "\n" not in job.error and "Traceback" not in job.error


def test_cancelling_a_job_ends_its_processes_and_leaves_nothing(sources, tmp_path):
    for fraction in (0.0, 0.01, 0.3):
        job = Job(["compress", str(sources / "long.nrrd"), str(tmp_path / "a.mcz"), "--ratio", "5"])
        while job.fraction < fraction and job.poll() == "running":
            time.sleep(0.01)
        job.cancel()
        assert (job.state, job.poll()) == ("cancelled", "cancelled")
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(ProcessLookupError):
            os.killpg(job.process_id, 0)


class FakePipe:
    """What a child says, line by line, each of which has been taken when `say` returns."""

    def __init__(self):
        self._lines = queue.Queue()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __iter__(self):
        while (line := self._lines.get()) is not None:
            yield line
            self._lines.task_done()

    def say(self, text):
        for line in text.splitlines(keepends=True):
            self._lines.put(line)
        self._lines.join()

    def close(self):
        self._lines.put(None)


class FakeProcess:
    """A child that prints what it is told and ends when it is told."""

    pid = 4_194_304

    def __init__(self, *arguments, **options):
        self.arguments, self.options, self.returncode = arguments, options, None
        self.stdout, self.stderr = FakePipe(), FakePipe()

    def end(self, code):
        self.stdout.close()
        self.stderr.close()
        self.returncode = code

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        return self.returncode


class Deaf(FakeProcess):
    """A child that only a kill ends, and whose pipes stay open even then."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.signals, self.waits = [], []

    def wait(self, timeout=None):
        self.waits.append(timeout or 0)
        if signal.SIGKILL not in self.signals:
            raise subprocess.TimeoutExpired("medcompress", timeout)


@posix
def test_cancelling_a_job_waits_two_seconds_at_most(monkeypatch):
    child = Deaf()
    job = Job(["info", "a.mcz"], start=lambda *arguments, **options: child)
    monkeypatch.setattr(os, "killpg", lambda group, sign: child.signals.append(sign))
    monkeypatch.setattr("threading.Thread.join", lambda thread, timeout: child.waits.append(timeout))
    job.cancel()
    assert job.state == "cancelled" and child.signals == [signal.SIGTERM, signal.SIGKILL]
    assert len(child.waits) == 4 and sum(child.waits) < 2


def test_a_job_with_an_injected_process_and_clock():
    now, made = [100.0], []

    def start(*arguments, **options):
        made.append(FakeProcess(*arguments, **options))
        return made[-1]

    job = Job(["info", "a.mcz"], python="/python", start=start, clock=lambda: now[0])
    child = made[0]
    (command,) = child.arguments
    assert command[:2] == ["/python", "-m"] and command[3:] == ["info", "a.mcz", "--progress", "json", "--json"]
    assert (job.poll(), job.fraction, job.elapsed, job.remaining) == ("running", 0, 0, None)
    now[0] = 130.0
    child.stdout.say('{"fraction": 0.25, "message": "Encoding"}\nsome library speaks\n3\n')
    child.stderr.say("a warning\n\n")
    assert (job.poll(), job.fraction, job.message) == ("running", 0.25, "Encoding")
    assert (job.elapsed, job.remaining) == (30, 90)
    child.stdout.say('{"answer": 42}\n')
    child.end(0)
    assert (job.wait(), job.result) == ("done", {"answer": 42})
    now[0] = 500.0
    assert job.elapsed == 30
    assert {"some library speaks\n", "a warning\n"} <= set(job.log)


def test_a_job_whose_process_dies_without_a_word():
    child = FakeProcess()
    job = Job(["info", "a.mcz"], start=lambda *arguments, **options: child)
    child.end(-9)
    assert job.wait() == "failed" and "without a message" in job.error and job.died


def test_a_result_that_came_before_the_cancel_counts():
    class Finishing(FakeProcess):
        def wait(self, timeout=None):
            if self.returncode is None:
                self.stdout.say('{"answer": 42}\n')
                self.end(-signal.SIGTERM)
            return self.returncode

    job = Job(["info", "a.mcz"], start=Finishing)
    job.cancel()
    assert (job.state, job.poll(), job.result) == ("done", "done", {"answer": 42})


def test_the_last_words_of_a_process_are_waited_for():
    """The threads that read them may get no processor for a while."""
    ready = threading.Event()

    class Late(FakePipe):
        def __iter__(self):
            assert ready.wait(300)
            yield '{"answer": 42}\n'

    child = FakeProcess()
    child.stdout = Late()
    job = Job(["info", "a.mcz"], start=lambda *arguments, **options: child)
    child.end(0)
    assert job.poll() == "running"
    threading.Timer(1, ready.set).start()
    assert (job.wait(), job.result) == ("done", {"answer": 42})


def test_pipes_that_stay_open_are_given_up_without_a_block(monkeypatch):
    now, child = [100.0], FakeProcess()
    job = Job(["info", "a.mcz"], start=lambda *arguments, **options: child, clock=lambda: now[0])
    monkeypatch.setattr("threading.Thread.join", lambda *_: pytest.fail("poll blocks"))
    child.stdout.say('{"answer": 42}\n')
    child.returncode = 0
    assert job.poll() == "running"
    now[0] = 104.0
    assert job.poll() == "running"
    now[0] = 106.0
    assert (job.poll(), job.result, job.elapsed) == ("done", {"answer": 42}, 0)


def test_progress_is_cooperative_and_nests():
    calls = []
    whole = Progress(lambda fraction, message: calls.append((fraction, message)))
    whole.part(0.5, 1.0).part(0, 0.5)(0.5, "half of the third quarter")
    whole(7, "too much")
    assert calls == [(0.625, "half of the third quarter"), (1.0, "too much")]
    whole.cancel()
    with pytest.raises(Cancelled):
        whole.part(0, 1)(0, "no")


def command(sources, name, path):
    return [sys.executable, "-m", "MedCompressLib", "compress", str(sources / name), str(path), "--ratio", "5"]


def timed(arguments):
    began = time.monotonic()
    subprocess.run(arguments, env=ENVIRONMENT, check=True, capture_output=True)
    return time.monotonic() - began


@posix
@pytest.mark.parametrize("standing", [True, False], ids=["over an older archive", "where nothing stood"])
def test_kill_at_any_moment_leaves_the_old_or_the_whole_new_archive(sources, tmp_path, standing):
    path = tmp_path / "a.mcz"
    compress(Volume(textured((2, 20, 20))), tmp_path / "old.mcz")
    old = (tmp_path / "old.mcz").read_bytes()
    arguments = command(sources, "short.nrrd", path)
    duration = timed(arguments)
    new = path.read_bytes()

    def prepare():
        path.write_bytes(old) if standing else path.unlink(missing_ok=True)

    def found():
        return path.read_bytes() if path.exists() else None

    for step in ("#0 Reading", "#1 Measuring", "Encoding: slice group 1 of", "Encoding: slice group 24 of", "Writing"):
        prepare()
        killed(step, *arguments[3:])
        assert found() == (old if standing else None), step
    prepare()
    killed("Wrote", *arguments[3:])
    assert found() == new
    for moment in np.random.default_rng(7).uniform(0.1, 1.1, 6):
        prepare()
        process = subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        time.sleep(moment * duration)
        process.kill()
        process.wait()
        assert found() in (new, old if standing else None)


@posix
def test_kill_while_the_archive_is_written(sources, tmp_path):
    """The same where it matters most: the process stops itself at each step of writing."""
    code = (
        "import os, signal, sys\n"
        "from MedCompressLib.__main__ import main\n"
        "step, moment = iter(range(10**6)), int(sys.argv[1])\n"
        "def hook(event, arguments):\n"
        "    if event in ('open', 'os.rename', 'os.remove', 'os.truncate') and sys.argv[3] in str(arguments):\n"
        "        if next(step) == moment: os.kill(os.getpid(), int(sys.argv[2]))\n"
        "sys.addaudithook(hook)\n"
        "sys.exit(main(sys.argv[4:]))\n"
    )
    path = tmp_path / "a.mcz"
    for sign in (signal.SIGKILL, signal.SIGTERM):
        ended = []
        for moment in range(6):
            path.write_bytes(b"the old file")
            arguments = command(sources, "short.nrrd", path)[3:]
            run = [sys.executable, "-c", code, str(moment), str(int(sign)), "a.mcz", *arguments]
            done = subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True)
            ended.append(done.returncode)
            if path.read_bytes() != b"the old file":
                assert decompress(path).array.shape == (24, 128, 128)
            if sign == signal.SIGTERM:
                assert [entry.name for entry in tmp_path.iterdir()] == ["a.mcz"], moment
                assert done.returncode == 0 or done.stderr.count("\n") == 1
            for rest in tmp_path.glob(".a.mcz.*"):
                rest.unlink()
        assert 0 in ended and len([code for code in ended if code]) >= 2


@posix
def test_terminate_leaves_no_temporary_file(sources, tmp_path):
    path = tmp_path / "a.mcz"
    duration = timed(command(sources, "short.nrrd", tmp_path / "a.mcz"))
    path.unlink()
    for moment in np.linspace(0.4, 1.0, 6):
        path.unlink(missing_ok=True)
        process = subprocess.Popen(
            command(sources, "short.nrrd", path), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        time.sleep(moment * duration)
        process.terminate()
        words = process.communicate()[1].decode()
        assert [entry.name for entry in tmp_path.iterdir()] in ([], ["a.mcz"])
        assert "Traceback" not in words
        if path.exists():
            decompress(path)


@pytest.fixture(params=["tmpfs", "limit"])
def small_disk(request, tmp_path):
    """A folder in which no file grows beyond about 200 kB, and the limit for this process's children."""
    if request.param == "limit":
        if os.name == "nt":
            pytest.skip("RLIMIT_FSIZE is of POSIX")
        yield tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        return
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only root mounts a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder, None
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_line_and_the_old_file_stays(sources, small_disk):
    folder, limit = small_disk
    path = folder / "a.mcz"
    compress(Volume(textured((2, 20, 20))), path)
    old = path.read_bytes()
    arguments = [*command(sources, "short.nrrd", path)[:-2], "--lossless"]
    done = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "space" in done.stderr
    assert [entry.name for entry in folder.iterdir()] == ["a.mcz"] and path.read_bytes() == old


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is of Linux")
def test_a_full_disk_while_encoding_is_the_same_error(tmp_path, monkeypatch):
    monkeypatch.setattr("MedCompressLib.codecs.chunk_store._MEMORY_LIMIT", 10)
    with pytest.raises(MedCompressError, match="free space"), ChunkStore(3, tmp_path) as chunks:
        chunks._file.write(bytes(20))
        chunks._file._file.close()
        chunks._file._file = open("/dev/full", "wb+", buffering=100)
        for index in range(3):
            chunks.put(index, bytes(90))


def test_the_json_of_a_command_stays_one_document(sources, tmp_path):
    done = subprocess.run(
        [*command(sources, "short.nrrd", tmp_path / "a.mcz"), "--json"], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["codec"] == "jpeg2000" and done.stderr == ""
