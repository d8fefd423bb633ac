"""What an archive says of itself, in the keys that every command prints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..targets import target_as_dict
from .manifest import Manifest


@dataclass(frozen=True)
class Report:
    """What an archive holds and what it cost; sizes in bytes, spacing and origin in mm (LPS)."""

    manifest: Manifest
    file_size: int

    @property
    def ratio(self) -> float:
        """Bytes of the source's samples divided by the bytes of the whole file."""
        return self.manifest.source_size / self.file_size

    @property
    def bits_per_voxel(self) -> float:
        return 8 * self.file_size / math.prod(self.manifest.shape)

    def as_dict(self) -> dict[str, Any]:
        """JSON form; psnr is null where it is infinite, shape is (slices k, rows j, columns i)."""
        manifest = self.manifest
        last = manifest.layers[-1]
        return {
            "ratio": self.ratio,
            "bits_per_voxel": self.bits_per_voxel,
            "file_size": self.file_size,
            "source_size": manifest.source_size,
            "codec": last.preset or last.codec,
            "decoder": last.codec,
            "codec_version": last.codec_version,
            "target": target_as_dict(manifest.target),
            "lossless": manifest.lossless,
            "quality": last.quality,
            "peak": manifest.peak,
            "peak_reason": manifest.peak_reason,
            "mapping": manifest.mapping.kind,
            "mapping_error_bound": manifest.mapping.error_bound,
            "shape": list(manifest.shape),
            **manifest.geometry.as_dict(),
            "scalar_type": manifest.scalar_type,
            "modality": manifest.modality,
            "layers": [
                {"member": layer.member, "codec": layer.preset or layer.codec, "size": layer.size, "exact": layer.exact}
                for layer in manifest.layers
            ],
            "created_by": manifest.created_by,
        }
