"""Our ZIP bytes against Python's zipfile, with small members, ZIP64 sizes and very many members."""

import io
import zipfile
import zlib

import pytest
from MedCompressLib.archive.container import CRC_OFFSET, LOCAL_HEADER_SIZE, Member, directory, parse_local_header

GIB = 1 << 30


def placed(*sizes, names=None):
    members = []
    for number, size in enumerate(sizes):
        name = names[number] if names else f"layers/{number}.j2k"
        members.append(Member(name, size, 0x12345678 + number, members[-1].end if members else 0))
    return members


class SparseZip(io.RawIOBase):
    """A seekable file with our headers and directory where they belong and zeros as contents."""

    def __init__(self, members):
        self.pieces = [(member.offset, member.local_header()) for member in members]
        self.pieces.append((members[-1].end, directory(members)))
        self.size = self.pieces[-1][0] + len(self.pieces[-1][1])
        self.place = 0

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self.place = offset + (0, self.place, self.size)[whence]
        return self.place

    def tell(self):
        return self.place

    def read(self, count=-1):
        count = self.size - self.place if count < 0 else min(count, self.size - self.place)
        data = bytearray(count)
        for start, piece in self.pieces:
            first, last = max(start, self.place), min(start + len(piece), self.place + count)
            if first < last:
                data[first - self.place : last - self.place] = piece[first - start : last - start]
        self.place += count
        return bytes(data)


@pytest.mark.parametrize(
    "sizes",
    [
        (0,),
        (10, 20, 30),
        (0xFFFFFFFE, 5),
        (0xFFFFFFFF, 5),
        (1 << 32, 5),
        (3 * GIB, 3 * GIB, 7),
        (5 * GIB, 1, 6 * GIB),
    ],
)
def test_zipfile_reads_our_headers_at_every_size(sizes):
    members = placed(*sizes)
    with zipfile.ZipFile(SparseZip(members)) as archive:
        found = [(entry.filename, entry.file_size, entry.CRC, entry.header_offset) for entry in archive.infolist()]
        assert found == [(member.name, member.size, member.crc32, member.offset) for member in members]
        for entry in archive.infolist():
            archive.open(entry).close()
            assert entry.compress_type == zipfile.ZIP_STORED and entry.flag_bits == 0


@pytest.mark.parametrize("size", [0, 1, 0xFFFFFFFE, 0xFFFFFFFF, 1 << 32, 1 << 45])
def test_local_headers_are_those_of_zipfile(size):
    entry = zipfile.ZipInfo("layers/0.j2k")
    entry.file_size = entry.compress_size = size
    entry.CRC = 99
    expected = entry.FileHeader(zip64=size >= 0xFFFFFFFF)
    header = Member("layers/0.j2k", size, 99, 0).local_header()
    assert header == expected
    fields = parse_local_header(header[:LOCAL_HEADER_SIZE])
    assert fields == (min(size, 0xFFFFFFFF), 99, 12, len(header) - LOCAL_HEADER_SIZE - 12)
    assert header[CRC_OFFSET : CRC_OFFSET + 4] == (99).to_bytes(4, "little")


def test_more_members_than_sixteen_bits_count():
    members = placed(*[0] * 66000)
    with zipfile.ZipFile(SparseZip(members)) as archive:
        assert len(archive.infolist()) == 66000
    assert b"PK\6\6" in directory(members) and b"PK\6\6" not in directory(members[:65534])


def test_a_whole_file_is_the_one_that_zipfile_writes():
    contents = {"manifest.json": b"{}", "layers/0.j2k": bytes(range(200))}
    ours, members = b"", []
    for name, content in contents.items():
        members.append(Member(name, len(content), zlib.crc32(content), members[-1].end if members else 0))
        ours += members[-1].local_header() + content
    ours += directory(members)
    theirs = io.BytesIO()
    with zipfile.ZipFile(theirs, "w") as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = entry.external_attr = 0
            archive.writestr(entry, content)
            entry.external_attr = 0
    assert ours == theirs.getvalue()


def test_text_that_is_no_header_is_none():
    assert parse_local_header(b"PK\3\4") is None
    assert parse_local_header(b"PK\5\6" + bytes(26)) is None
