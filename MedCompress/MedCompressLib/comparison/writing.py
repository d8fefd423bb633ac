"""A segmentation as a file, which `read_segmentation` and Slicer read back."""

from pathlib import Path

import numpy as np

from ..errors import MedCompressError
from ..volume import Volume, write_volume
from .segmentation import Segment, Segmentation


def write_segmentation(segmentation: Segmentation, path: str | Path) -> None:
    """Write a segmentation, uncompressed: Slicer's .seg.nrrd, or a plain label map (.nrrd) where no segment has a name.

    Names, terminology codes (without their meanings) and overlapping layers are kept.

    Raises MedCompressError when the file cannot be written.
    """
    path = Path(path)
    if len(segmentation.layers) == 1 and not any(segment.named for segment in segmentation.segments):
        write_volume(Volume(segmentation.layers[0], segmentation.geometry, "SEG"), path, compressed=False)
        return
    import SimpleITK

    layers = segmentation.layers
    if len(layers) == 1:
        image = SimpleITK.GetImageFromArray(layers[0])
    else:
        image = SimpleITK.GetImageFromArray(np.stack(layers, axis=-1), isVector=True)
    image.SetSpacing(segmentation.geometry.spacing)
    image.SetOrigin(segmentation.geometry.origin)
    image.SetDirection([value for row in segmentation.geometry.direction for value in row])
    for number, segment in enumerate(segmentation.segments):
        for field, text in _fields(segment, number).items():
            image.SetMetaData(f"Segment{number}_{field}", text)
    try:
        SimpleITK.WriteImage(image, str(path), useCompression=False)
    except RuntimeError:
        raise MedCompressError(f"{path} was not written; check that its folder exists and the disk has space") from None


def _fields(segment: Segment, number: int) -> dict[str, str]:
    fields = {"ID": f"Segment_{number + 1}", "Name": segment.name}
    fields |= {"LabelValue": str(segment.value), "Layer": str(segment.layer)}
    if segment.terminology:
        codes = (segment.terminology.split("~") + [""] * 5)[:5]
        fields["Tags"] = "TerminologyEntry:" + "~".join(["", *codes[:3], "", *codes[3:]]) + "|"
    return fields
