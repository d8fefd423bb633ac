"""The bytes of a ZIP file of stored members, in one canonical form.

A `.mcz` is a plain ZIP (PKWARE APPNOTE 6.3.10; ZIP64 where sizes ask for it) that any tool opens. Writers have no
freedom: for given members every header byte is determined, so a reader recomputes the headers and compares them,
and no byte of the file is left without a check.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_MIDNIGHT_1980 = (0, 0x21)
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_PLAIN, _ZIP64 = 20, 45

LOCAL_HEADER_SIZE = _LOCAL.size
CRC_OFFSET = 14


@dataclass(frozen=True)
class Member:
    """A stored member: ASCII name, size in bytes, CRC-32 of the content and offset of its local header in the file."""

    name: str
    size: int
    crc32: int
    offset: int

    @property
    def data_offset(self) -> int:
        return self.offset + len(self.local_header())

    @property
    def end(self) -> int:
        return self.data_offset + self.size

    def local_header(self) -> bytes:
        """APPNOTE 4.3.7, with the ZIP64 extra field of 4.5.3 where the size needs it."""
        name = self.name.encode("ascii")
        large = self.size >= _FULL32
        extra = struct.pack("<2H2Q", 1, 16, self.size, self.size) if large else b""
        size = _FULL32 if large else self.size
        version = _ZIP64 if large else _PLAIN
        head = _LOCAL.pack(
            b"PK\3\4", version, 0, 0, *_MIDNIGHT_1980, self.crc32, size, size, len(name), len(extra)
        )
        return head + name + extra

    def central_record(self) -> bytes:
        """APPNOTE 4.3.12."""
        name = self.name.encode("ascii")
        large, far = self.size >= _FULL32, self.offset >= _FULL32
        values = [self.size, self.size] * large + [self.offset] * far
        extra = struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
        size = _FULL32 if large else self.size
        version = _ZIP64 if values else _PLAIN
        head = _CENTRAL.pack(
            b"PK\1\2",
            version,
            version,
            0,
            0,
            *_MIDNIGHT_1980,
            self.crc32,
            size,
            size,
            len(name),
            len(extra),
            0,
            0,
            0,
            0,
            _FULL32 if far else self.offset,
        )
        return head + name + extra


def directory(members: list[Member]) -> bytes:
    """Everything after the last member: central directory and end records (APPNOTE 4.3.12 to 4.3.16)."""
    records = b"".join(member.central_record() for member in members)
    start, count, size = members[-1].end, len(members), len(records)
    end64 = b""
    if count >= _FULL16 or start >= _FULL32 or size >= _FULL32:
        end64 = _END64.pack(b"PK\6\6", _END64.size - 12, _ZIP64, _ZIP64, 0, 0, count, count, size, start)
        end64 += _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    short = min(count, _FULL16)
    end = _END.pack(b"PK\5\6", 0, 0, short, short, min(size, _FULL32), min(start, _FULL32), 0)
    return records + end64 + end


def parse_local_header(head: bytes) -> tuple[int, int, int, int] | None:
    """(size, crc32, name length, extra length) of a local header's fixed part, None where it is none."""
    if len(head) != _LOCAL.size or head[:4] != b"PK\3\4":
        return None
    fields = _LOCAL.unpack(head)
    return fields[8], fields[6], fields[9], fields[10]
