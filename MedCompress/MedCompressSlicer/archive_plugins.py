"""File reader and writer of archives, as Slicer's C++ side calls them.

Slicer makes one of each at its start and keeps it: imports at the call let them follow a reload.
"""

from __future__ import annotations

from slicer.i18n import tr as _

FILE_TYPE = "MedCompressArchive"


class ArchiveFileReader:
    """Opens .mcz files: drag and drop, Add Data, slicer.util.loadNodeFromFile."""

    def __init__(self, parent):
        self.parent = parent

    def description(self) -> str:
        return _("MedCompress archive")

    def fileType(self) -> str:
        return FILE_TYPE

    def extensions(self) -> list[str]:
        return [_("MedCompress archive") + " (*.mcz)"]

    def load(self, properties) -> bool:
        from MedCompressSlicer.archive_io import readArchive

        return readArchive(self.parent, properties)


class ArchiveFileWriter:
    """Exports scalar volumes as .mcz, lossless, from the Save dialog."""

    def __init__(self, parent):
        self.parent = parent

    def description(self) -> str:
        return _("MedCompress archive")

    def fileType(self) -> str:
        return FILE_TYPE

    def extensions(self, obj) -> list[str]:
        return [_("MedCompress archive, lossless") + " (*.mcz)"]

    def canWriteObjectConfidence(self, obj) -> float:
        """Below the 0.5 of Slicer's own writer, which stays the default of the Save dialog and of scripts."""
        from MedCompressSlicer.volumes import isUsable

        return 0.3 if isUsable(obj) else 0.0

    def write(self, properties) -> bool:
        from MedCompressSlicer.archive_io import writeArchive

        return writeArchive(self.parent, properties)
