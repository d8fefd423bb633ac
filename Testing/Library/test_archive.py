"""The archive: old files stay readable, what is read is what was written, in whole, in slabs, in layers."""

import hashlib
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import independent_reader
import make_golden
import numpy as np
import pytest
from archives import OBLIQUE, textured
from MedCompressLib.archive import Archive, read_progressively
from MedCompressLib.codecs.deflate import Deflate
from MedCompressLib.codecs.jpeg2000 import Jpeg2000
from MedCompressLib.compression import compress, decompress, info, verify
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Geometry, Volume

GOLDEN = Path(__file__).resolve().parent / "golden"
ENTRIES = json.loads((GOLDEN / "golden.json").read_text())


@pytest.fixture
def two_layers(tmp_path):
    """An archive of two layers, its samples and those of its base."""
    array = textured((7, 30, 40))
    path = tmp_path / "two.mcz"
    make_golden.write_two_layers(path, array, OBLIQUE, "CT")
    return path, array, ((array.astype(np.int32) + 8) // 16 * 16).astype(np.int16)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_golden_files_stay_readable(name):
    entry = ENTRIES[name]
    path = GOLDEN / f"{name}.mcz"
    volume = decompress(path)
    source = make_golden.source(name)
    assert [list(volume.array.shape), volume.scalar_type] == [entry["shape"], entry["scalar_type"]]
    assert volume.modality == entry["modality"]
    assert volume.geometry.as_dict() == {key: entry[key] for key in ("spacing", "origin", "direction")}
    if "sha256" in entry:
        assert make_golden.digest(volume.array) == entry["sha256"] == make_golden.digest(source)
        assert info(path).manifest.lossless
    else:
        assert np.abs(volume.array.astype(float) - source).max() <= entry["largest_deviation"]
        assert not info(path).manifest.lossless
    stages = independent_reader.read(path)[1]
    assert len(stages) == len(info(path).manifest.layers)
    if "sha256" in entry:
        assert stages[-1].tobytes() == volume.array.tobytes()


def test_golden_files_are_complete_and_small():
    files = sorted(GOLDEN.glob("*.mcz"))
    assert [file.stem for file in files] == sorted(ENTRIES)
    assert sum(file.stat().st_size for file in files) < 300_000
    kinds = {info(file).manifest.mapping.kind for file in files}
    assert kinds == {"direct", "offset", "linear", "raw", "table"}


def test_the_specification_shows_the_smallest_golden_file():
    page = (Path(__file__).resolve().parents[2] / "Docs" / "mcz-format.md").read_text()
    dump = re.findall(r"^[0-9a-f]{8}: ((?:[0-9a-f]{2} )+)", page, re.MULTILINE)
    assert bytes.fromhex("".join(dump)) == (GOLDEN / "tiny.mcz").read_bytes()


def test_common_tools_check_an_archive(tmp_path):
    compress(Volume(textured((3, 20, 20))), tmp_path / "a.mcz")
    independent_reader.read(tmp_path / "a.mcz")
    try:
        done = subprocess.run(["unzip", "-tq", tmp_path / "a.mcz"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("the command unzip is not installed")
    assert done.returncode == 0, done.stdout


def test_slabs_are_parts_of_the_whole_and_decode_no_other_chunks(tmp_path, monkeypatch):
    array = textured((11, 20, 24))
    compress(Volume(array), tmp_path / "a.mcz")
    calls = []
    decode = Jpeg2000.decode
    monkeypatch.setattr(Jpeg2000, "decode", lambda *arguments: calls.append(1) or decode(*arguments))
    with Archive(tmp_path / "a.mcz") as archive:
        for start, stop in [(0, 1), (10, 11), (3, 7), (0, 11)]:
            calls.clear()
            assert archive.read_slab(start, stop).tobytes() == array[start:stop].tobytes()
            assert len(calls) == stop - start
        for start, stop in [(3, 3), (-1, 2), (5, 12), (4, 2)]:
            with pytest.raises(MedCompressError, match="slices 0 to 11"):
                archive.read_slab(start, stop)


def test_slabs_of_layers_with_different_chunks(two_layers, monkeypatch):
    path, array, _ = two_layers
    calls = []
    decode = Deflate.decode
    monkeypatch.setattr(Deflate, "decode", lambda *arguments: calls.append(1) or decode(*arguments))
    with Archive(path) as archive:
        for start, stop, chunks in [(0, 7, 4), (1, 2, 1), (1, 3, 2), (2, 6, 2), (6, 7, 1)]:
            calls.clear()
            assert archive.read_slab(start, stop).tobytes() == array[start:stop].tobytes()
            assert len(calls) == chunks


def test_layers_come_from_a_pipe_as_they_arrive(two_layers):
    path, array, base = two_layers
    data = path.read_bytes()
    with Archive(path) as archive:
        border = archive._members[2].end
    read_end, write_end = os.pipe()
    go_on, in_time = threading.Event(), []

    def send():
        with open(write_end, "wb", buffering=0) as pipe:
            pipe.write(data[:border])
            in_time.append(go_on.wait(300))
            pipe.write(data[border:])

    sender = threading.Thread(target=send)
    sender.start()
    with open(read_end, "rb") as stream:
        stages = read_progressively(stream)
        first = next(stages)
        go_on.set()
        second = next(stages)
        assert next(stages, None) is None
    sender.join()
    assert in_time == [True], "the first layer came only with the second"
    assert [(stage.number, stage.total, stage.layer.exact) for stage in (first, second)] == [
        (1, 2, False),
        (2, 2, True),
    ]
    assert first.volume.array.tobytes() == base.tobytes()
    assert second.volume.array.tobytes() == array.tobytes()
    assert first.volume.geometry == second.volume.geometry == OBLIQUE
    assert first.layer.quality["max_error"] == np.abs(base.astype(int) - array).max()


def test_salvage_saves_every_slice_that_is_whole(tmp_path):
    array = textured((9, 30, 30))
    compress(Volume(array, OBLIQUE), tmp_path / "a.mcz")
    data = bytearray((tmp_path / "a.mcz").read_bytes())
    with Archive(tmp_path / "a.mcz") as archive:
        offsets = archive._offsets[0]
    for k in (0, 4, 5):
        data[offsets[k] + 9] ^= 1
    (tmp_path / "a.mcz").write_bytes(data[: offsets[8] + 3])
    with pytest.raises(MedCompressError, match="--salvage"):
        decompress(tmp_path / "a.mcz")
    with Archive(tmp_path / "a.mcz") as archive:
        volume, lost = archive.salvage(fill=-1000)
    assert lost == [0, 4, 5, 8] and volume.geometry == OBLIQUE
    whole = [k for k in range(9) if k not in lost]
    assert volume.array[whole].tobytes() == array[whole].tobytes()
    assert (volume.array[lost] == -1000).all()


def test_salvage_counts_a_slice_as_lost_when_one_layer_is(two_layers):
    path, array, _ = two_layers
    data = bytearray(path.read_bytes())
    with Archive(path) as archive:
        data[archive._offsets[1][1] + 5] ^= 64
        data[archive._offsets[0][6] + 30] ^= 64
    path.write_bytes(data)
    with Archive(path) as archive:
        volume, lost = archive.salvage()
    assert lost == [2, 3, 6]
    assert volume.array[[0, 1, 4, 5]].tobytes() == array[[0, 1, 4, 5]].tobytes()


def test_salvage_of_nothing_is_an_error(tmp_path):
    compress(Volume(textured((2, 9, 9))), tmp_path / "a.mcz")
    with Archive(tmp_path / "a.mcz") as archive:
        end = archive._members[1].end
    os.truncate(tmp_path / "a.mcz", end)
    with Archive(tmp_path / "a.mcz") as archive, pytest.raises(MedCompressError, match="no slice"):
        archive.salvage()


def test_threads_may_share_an_archive(tmp_path):
    array = textured((6, 40, 40))
    compress(Volume(array), tmp_path / "a.mcz")
    failures = []

    def work(archive, k):
        try:
            for _ in range(10):
                archive.verify() if k == 0 else None
                assert archive.read_slab(k, k + 1, 1).tobytes() == array[k : k + 1].tobytes()
        except BaseException as error:
            failures.append(error)

    with Archive(tmp_path / "a.mcz") as archive:
        threads = [threading.Thread(target=work, args=(archive, k)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures


def test_equal_volumes_make_equal_files(tmp_path):
    volume = Volume(textured((3, 20, 20)), Geometry(), "MR")
    digests = set()
    for name in ("a.mcz", "b.mcz"):
        compress(volume, tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    assert verify(tmp_path / "a.mcz").ratio == volume.array.nbytes / os.path.getsize(tmp_path / "a.mcz")
