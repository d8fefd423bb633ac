"""Damaged archives: an error or the right voxels, never a wrong volume."""

import io

import make_golden
import numpy as np
import pytest
from archives import OBLIQUE, textured
from MedCompressLib.__main__ import main
from MedCompressLib.archive import Archive, read_progressively
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.targets import Ratio
from MedCompressLib.volume import Volume

ARRAY = textured((4, 24, 30))
KINDS = ["lossless", "lossy", "two layers", "deflate"]


@pytest.fixture(scope="module", params=KINDS)
def sound(request, tmp_path_factory):
    """(bytes of a sound archive, the volumes after its layers)"""
    path = tmp_path_factory.mktemp("sound") / "a.mcz"
    if request.param == "two layers":
        make_golden.write_two_layers(path, ARRAY, OBLIQUE, "CT")
    elif request.param == "deflate":
        compress(Volume(ARRAY, OBLIQUE), path, "deflate")
    else:
        compress(Volume(ARRAY, OBLIQUE), path, target=Ratio(2.5) if request.param == "lossy" else None)
    with open(path, "rb") as stream:
        stages = [stage.volume.array for stage in read_progressively(stream)]
    return path.read_bytes(), stages


def damaged(data, count, seed):
    """The archive with one bit or byte changed, or cut off, or with more behind it, at `count` random places."""
    random = np.random.default_rng(seed)
    for number in range(count):
        place = int(random.integers(len(data)))
        if number % 3 == 0:
            yield f"cut at {place}", data[:place]
        elif number % 3 == 1:
            changed = bytearray(data)
            changed[place] ^= 1 << int(random.integers(8))
            yield f"bit at {place}", bytes(changed)
        else:
            changed = bytearray(data)
            changed[place] = (changed[place] + int(random.integers(1, 256))) % 256
            yield f"byte at {place}", bytes(changed)
    yield "a byte more", data + b"\0"
    yield "twice", data + data
    yield "something before", b"\0" + data
    yield "a part twice", data[:-50] + data[-100:]


def test_whole_volumes_are_never_read_from_damaged_files(sound, tmp_path, capsys):
    path = tmp_path / "a.mcz"
    for what, data in damaged(sound[0], 450, 1):
        path.write_bytes(data)
        with pytest.raises(MedCompressError) as failure:
            decompress(path, threads=1)
        assert ":" in str(failure.value), what
        assert main(["verify", str(path), "--threads", "1"]) == 2, what
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1, what


def test_slabs_of_damaged_files_are_right_or_refused(sound, tmp_path):
    path, right, read = tmp_path / "a.mcz", sound[1][-1], 0
    for what, data in damaged(sound[0], 200, 2):
        path.write_bytes(data)
        for start, stop in [(0, 1), (2, 4)]:
            try:
                with Archive(path) as archive:
                    slab = archive.read_slab(start, stop, threads=1)
            except MedCompressError:
                continue
            assert slab.tobytes() == right[start:stop].tobytes(), what
            read += 1
    assert read > 20


def test_layers_of_damaged_streams_are_right_or_refused(sound):
    data, right = sound
    for what, changed in damaged(data, 200, 3):
        stages = read_progressively(io.BytesIO(changed), threads=1)
        for number in range(len(right)):
            try:
                stage = next(stages)
            except MedCompressError:
                break
            assert stage.volume.array.tobytes() == right[number].tobytes(), what
        else:
            pytest.fail(f"{what}: the last layer was handed out")


def test_salvage_of_damaged_files_saves_right_slices_or_refuses(sound, tmp_path):
    path, right = tmp_path / "a.mcz", sound[1][-1]
    for what, data in damaged(sound[0], 100, 4):
        path.write_bytes(data)
        try:
            with Archive(path) as archive:
                volume, lost = archive.salvage(threads=1)
        except MedCompressError:
            continue
        whole = [k for k in range(len(right)) if k not in lost]
        assert volume.array[whole].tobytes() == right[whole].tobytes(), what


@pytest.mark.parametrize("content", [b"", b"PK", b"\x89PNG" + bytes(100), b"PK\5\6" + bytes(18), bytes(10_000)])
def test_other_files_are_no_archives(tmp_path, content):
    (tmp_path / "a.mcz").write_bytes(content)
    with pytest.raises(MedCompressError, match="no MedCompress archive"):
        decompress(tmp_path / "a.mcz")


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    for path in (tmp_path / "missing.mcz", tmp_path):
        with pytest.raises(MedCompressError, match="cannot be read"):
            decompress(path)
