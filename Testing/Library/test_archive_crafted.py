"""Archives that someone made to hurt: refused with one sentence, and nothing large is allocated on the way."""

import hashlib
import io
import json
import tracemalloc
import zlib

import pytest
from archives import altered, assembled, contents, textured
from MedCompressLib.archive import read_progressively
from MedCompressLib.archive.container import Member
from MedCompressLib.compression import compress, decompress
from MedCompressLib.errors import MedCompressError
from MedCompressLib.volume import Volume

HUGE = [1 << 31, 1 << 31, 1 << 31]


@pytest.fixture(scope="module", params=["jpeg2000", "deflate"])
def sound(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("crafted") / "a.mcz"
    compress(Volume(textured((3, 20, 24)), modality="CT"), path, request.param)
    return path


def refused(data, path):
    """Both readers refuse it in one line; returns the line."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(MedCompressError) as failure:
            decompress(path, threads=1)
        with pytest.raises(MedCompressError):
            list(read_progressively(io.BytesIO(data), threads=1))
        assert tracemalloc.get_traced_memory()[1] < 8 * len(data) + (16 << 20)
    finally:
        tracemalloc.stop()
    return str(failure.value)


def put(document, dotted, value):
    """Set or, for the value `...`, remove what stands at a place such as "layers.0.codec"."""
    *path, last = [int(name) if name.isdigit() else name for name in dotted.split(".")]
    for name in path:
        document = document[name]
    if value is ...:
        del document[last]
    else:
        document[last] = value


WRONG = [
    ("format", "something"),
    ("version", 2),
    ("version", 3),
    ("version", "1"),
    ("version", True),
    ("version", 1.0),
    ("shape", HUGE),
    ("shape", [3, 1 << 31, 1 << 31]),
    ("shape", [3, 20, 1 << 20]),
    ("shape", [3, 1 << 16, 1 << 16]),
    ("shape", [3, 20, 25]),
    ("shape", [-3, 20, 24]),
    ("shape", [0, 20, 24]),
    ("shape", [3, 20]),
    ("shape", [3.0, 20, 24]),
    ("shape", "abc"),
    ("shape", None),
    ("scalar_type", "object"),
    ("scalar_type", "float16"),
    ("scalar_type", "int32"),
    ("scalar_type", ["int16"]),
    ("spacing", [1, 1]),
    ("spacing", [1, 0, 1]),
    ("spacing", ["1", "1", "1"]),
    ("spacing", [True, 1, 1]),
    ("spacing", [10**400, 1, 1]),
    ("origin", {"0": 1, "1": 2, "2": 3}),
    ("direction", [0] * 9),
    ("direction", [1, 0, 0, 0, 1, 0, 0, 0]),
    ("modality", 7),
    ("lossless", False),
    ("lossless", "yes"),
    ("peak", "big"),
    ("peak", -1),
    ("peak_reason", None),
    ("created_by", {}),
    ("target", {"kind": "best"}),
    ("target", {"kind": ["ratio"]}),
    ("target", {"kind": "ratio", "value": "ten"}),
    ("target", {"kind": "ratio", "value": 10, "more": 1}),
    ("target", []),
    ("samples", {}),
    ("samples", None),
    ("samples.kind", "magic"),
    ("samples.more", 1),
    ("samples.coded_type", "object"),
    ("samples.coded_type", ">i2"),
    ("samples.coded_type", [["a", "i4"]]),
    ("samples.coded_type", "float64"),
    ("samples.bits", 1 << 40),
    ("samples.scale", 0),
    ("samples.scale", "1"),
    ("samples.offset", None),
    ("samples.table", "eJwDAAAAAAE="),
    ("layers", []),
    ("layers", {}),
    ("layers", None),
    ("layers.0", None),
    ("layers.0.role", "residual"),
    ("layers.0.member", "../../etc/passwd"),
    ("layers.0.member", "/layers/0.j2k"),
    ("layers.0.member", "layers/0.j2k\n"),
    ("layers.0.member", "layers/٣.j2k"),
    ("layers.0.member", 3),
    ("layers.0.codec", "pickle"),
    ("layers.0.codec", ["jpeg2000"]),
    ("layers.0.codec_version", ...),
    ("layers.0.dtype", "float64"),
    ("layers.0.dtype", "uint16"),
    ("layers.0.bits", 0),
    ("layers.0.bits", 17),
    ("layers.0.slices", 0),
    ("layers.0.slices", 1 << 40),
    ("layers.0.exact", 1),
    ("layers.0.quality", None),
    ("layers.0.quality", {}),
    ("layers.0.quality.psnr", "inf"),
    ("layers.0.size", 0),
    ("layers.0.size", 1 << 60),
    ("layers.0.sha256", "0" * 64),
    ("layers.0.sha256", 5),
    ("layers.0.chunk_sizes", []),
    ("layers.0.chunk_sizes", [-1, 1, 1]),
    ("layers.0.chunk_sizes.0", 1 << 39),
    ("layers.0.chunk_sizes.0", 1.5),
    ("layers.0.chunk_crc32", [0, 0, 0]),
    ("layers.0.chunk_crc32", None),
] + [
    (name, ...)
    for name in (
        "format",
        "version",
        "shape",
        "scalar_type",
        "origin",
        "samples",
        "target",
        "lossless",
        "peak",
        "layers",
    )
]


@pytest.mark.parametrize(("place", "value"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value_in_the_manifest(sound, tmp_path, place, value):
    data = altered(sound, lambda document: put(document, place, value))
    message = refused(data, tmp_path / "a.mcz")
    assert "\n" not in message and (": " in message or "; " in message)
    if place == "version" and value == 3:
        assert "update MedCompress" in message
    if value == "pickle":
        assert "pickle" in message


def test_an_unknown_field_is_ignored(sound, tmp_path):
    def change(document):
        document["comment"] = document["layers"][0]["comment"] = document["layers"][0]["quality"]["ssim"] = [1, {}]

    (tmp_path / "a.mcz").write_bytes(altered(sound, change))
    assert decompress(tmp_path / "a.mcz").array.tobytes() == decompress(sound).array.tobytes()


def test_slices_that_a_chunk_does_not_hold_are_not_made_up(tmp_path):
    compress(Volume(textured((1, 20, 24))), tmp_path / "a.mcz")

    def change(document):
        document["shape"][0] = document["layers"][0]["slices"] = 5

    refused(altered(tmp_path / "a.mcz", change), tmp_path / "b.mcz")


def test_a_volume_that_the_chunks_cannot_hold_is_not_allocated(tmp_path):
    compress(Volume(textured((1, 1, 1))), tmp_path / "a.mcz", "deflate")
    for shape in ([1 << 31, 1, 1], HUGE, [1, 1, 1 << 31], [1 << 20, 1 << 20, 1 << 20]):

        def change(document, shape=shape):
            document["shape"], document["layers"][0]["slices"] = shape, shape[0]

        refused(altered(tmp_path / "a.mcz", change), tmp_path / "b.mcz")


def test_a_residual_must_fit_the_base(sound, tmp_path):
    manifest, layers = contents(sound)
    for dtype, bits in (("float32", 32), ("int64", 64)):
        residual = {**manifest["layers"][0], "role": "residual", "member": "layers/1.zz", "dtype": dtype, "bits": bits}
        document = {**manifest, "layers": [manifest["layers"][0], residual]}
        names = [layer["member"] for layer in document["layers"]]
        data = assembled(json.dumps(document).encode(), list(zip(names, layers * 2, strict=True)))
        assert "type of samples" in refused(data, tmp_path / "a.mcz")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b'"MedCompress archive"',
        b"{",
        b"[" * 200_000 + b"]" * 200_000,
        b'{"format":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"format":"MedCompress archive","version":' + b"9" * 50_000 + b"}",
        b'{"format":"MedCompress archive","version":1,"shape":[1e999,NaN,Infinity]}',
        b'{"format":"MedCompress archive","version":1}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_manifest_that_is_no_manifest(tmp_path, content):
    assert "manifest.json is not valid" in refused(assembled(content, []), tmp_path / "a.mcz")


def test_a_name_that_stands_twice_is_refused(sound, tmp_path):
    manifest, layers = contents(sound)
    content = json.dumps(manifest).encode()[:-1] + b',"shape":[3,20,24]}'
    assert "twice" in refused(assembled(content, [(manifest["layers"][0]["member"], layers[0])]), tmp_path / "a.mcz")


def test_a_manifest_that_claims_to_be_huge_is_not_read(tmp_path):
    for size in (65 << 20, 0xFFFFFFF0, 1 << 40):
        data = Member("manifest.json", size, 0, 0).local_header() + bytes(1000)
        assert "manifest.json" in refused(data, tmp_path / "a.mcz")


def test_a_bomb_in_a_chunk_is_not_inflated(tmp_path):
    compress(Volume(textured((1, 20, 24))), tmp_path / "a.mcz", "deflate")
    manifest, _ = contents(tmp_path / "a.mcz")
    bomb = zlib.compress(bytes(64 << 20), 9)
    layer = manifest["layers"][0]
    layer["chunk_sizes"], layer["size"], layer["chunk_crc32"] = [len(bomb)], len(bomb), [zlib.crc32(bomb)]
    layer["sha256"] = hashlib.sha256(bomb).hexdigest()
    data = assembled(json.dumps(manifest).encode(), [(layer["member"], bomb)])
    assert "wrong length" in refused(data, tmp_path / "a.mcz")


def test_another_zip_file_is_named_as_such(tmp_path):
    content = b"hello"
    data = Member("hello.txt....", 5, zlib.crc32(content), 0).local_header() + content
    assert "ZIP file but no MedCompress archive" in refused(data, tmp_path / "a.mcz")
