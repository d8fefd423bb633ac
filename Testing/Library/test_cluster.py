"""Groups spread over a Dask cluster: the same bytes as on one machine, failures in one sentence."""

import pickle
import re
import socketserver
import subprocess
import sys
import threading

import pytest
from archives import textured
from MedCompressLib.__main__ import main
from MedCompressLib.codecs import codec_names, get_codec
from MedCompressLib.compression import compress
from MedCompressLib.errors import Cancelled, MedCompressError
from MedCompressLib.jobs import Progress
from MedCompressLib.sources import opening
from MedCompressLib.targets import Lossless, Psnr, Ratio
from MedCompressLib.volume import Volume, write_volume

distributed = pytest.importorskip("distributed")
TARGETS = [Lossless(), Ratio(4), Psnr(45)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two worker processes of one thread."""
    local = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        local_directory=str(tmp_path_factory.mktemp("dask")),
    )
    with local:
        yield local


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "a.nrrd"
    write_volume(Volume(textured((24, 80, 90))), path, compressed=False)
    return path


@pytest.mark.parametrize("codec, target", [*(("jpeg2000", t) for t in TARGETS), ("deflate", Lossless())], ids=str)
def test_same_bytes_as_without_a_cluster(cluster, stack, tmp_path, monkeypatch, codec, target):
    monkeypatch.setattr(opening, "WHOLE_LIMIT", 0)
    compress(stack, tmp_path / "here.mcz", codec, target)
    compress(stack, tmp_path / "there.mcz", codec, target, scheduler=cluster.scheduler_address)
    assert (tmp_path / "here.mcz").read_bytes() == (tmp_path / "there.mcz").read_bytes()


def test_the_work_is_shared_by_both_workers(cluster, stack, tmp_path):
    with distributed.Client(cluster, set_as_default=False) as client:
        before = client.run(done)
        compress(stack, tmp_path / "a.mcz", scheduler=cluster.scheduler_address)
        after = client.run(done)
    assert len(after) == 2 and all(after[worker] > before[worker] for worker in after)


def done(dask_worker):
    return dask_worker.state.executed_count


def test_the_command_takes_the_address_of_a_scheduler(cluster, stack, tmp_path, capsys):
    options = ["--ratio", "6", "--scheduler", cluster.scheduler_address]
    assert main(["compress", str(stack), str(tmp_path / "there.mcz"), *options]) == 0
    assert main(["compress", str(stack), str(tmp_path / "here.mcz"), *options[:2]]) == 0
    assert (tmp_path / "here.mcz").read_bytes() == (tmp_path / "there.mcz").read_bytes()


def test_cancelling_leaves_nothing_and_a_cluster_that_works(cluster, stack, tmp_path):
    steps = iter(range(1000))
    progress = Progress(lambda *_: next(steps) == 6 and progress.cancel())
    with pytest.raises(Cancelled):
        compress(stack, tmp_path / "a.mcz", scheduler=cluster.scheduler_address, progress=progress)
    assert not list(tmp_path.iterdir())
    compress(stack, tmp_path / "a.mcz", scheduler=cluster.scheduler_address)


def test_a_worker_that_dies_does_not_end_the_work(stack, tmp_path):
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as local:
        victims = list(local.workers.values())[:1]

        def kill_one(fraction, message):
            if fraction > 0.3 and victims:
                victims.pop().process.process.kill()

        progress = Progress(kill_one)
        compress(stack, tmp_path / "there.mcz", scheduler=local.scheduler_address, progress=progress)
    compress(stack, tmp_path / "here.mcz")
    assert (tmp_path / "here.mcz").read_bytes() == (tmp_path / "there.mcz").read_bytes()


def test_the_last_worker_that_dies_ends_the_work_with_an_error(stack, tmp_path, monkeypatch):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as local:

        def close_the_worker(fraction, message):
            if message.startswith("Encoding"):
                monkeypatch.setattr("MedCompressLib.cluster._CONNECT_SECONDS", 1)
                monkeypatch.setattr("MedCompressLib.cluster._WORKER_SECONDS", 1)
            if fraction > 0.3:
                local.sync(local.workers[0].close)

        progress = Progress(close_the_worker)
        with pytest.raises(MedCompressError, match="has no workers"):
            compress(stack, tmp_path / "a.mcz", scheduler=local.scheduler_address, progress=progress)
    assert not list(tmp_path.iterdir())


def test_nobody_at_the_address(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("MedCompressLib.cluster._CONNECT_SECONDS", 1)
    with pytest.raises(MedCompressError, match="no Dask scheduler answers"):
        compress(stack, tmp_path / "a.mcz", scheduler="tcp://127.0.0.1:9")
    assert not list(tmp_path.iterdir())


def test_an_address_that_is_none_or_not_a_scheduler_s_is_one_line(stack, tmp_path):
    with socketserver.TCPServer(("127.0.0.1", 0), Chatty) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        for address in ("nonsense", f"tcp://127.0.0.1:{other.server_address[1]}"):
            options = ["compress", str(stack), str(tmp_path / "a.mcz"), "--lossless", "--scheduler", address]
            done = subprocess.run([sys.executable, "-m", "medcompress", *options], capture_output=True, text=True)
            assert done.returncode == 2
            assert re.fullmatch("medcompress: no Dask scheduler answers at .*\n", done.stderr)
        other.shutdown()


class Chatty(socketserver.BaseRequestHandler):
    """A server of another kind, whose words Dask takes for the length of a message."""

    def handle(self):
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_a_cluster_without_workers(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("MedCompressLib.cluster._WORKER_SECONDS", 0.5)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as local:
        with pytest.raises(MedCompressError, match="has no workers"):
            compress(stack, tmp_path / "a.mcz", scheduler=local.scheduler_address)


def test_workers_of_another_version_are_refused(cluster, stack, tmp_path, monkeypatch):
    monkeypatch.setattr("MedCompressLib.codecs.deflate.Deflate.version", lambda self: "zlib 0.1")
    with pytest.raises(MedCompressError, match="install the same versions"):
        compress(stack, tmp_path / "a.mcz", "deflate", scheduler=cluster.scheduler_address)


@pytest.mark.parametrize("name", codec_names())
def test_every_codec_can_travel(name):
    codec = get_codec(name)
    assert pickle.loads(pickle.dumps(codec)).capabilities == codec.capabilities
