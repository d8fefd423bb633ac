"""JPEG 2000 Part 1 (ISO/IEC 15444-1, ITU-T T.800), one codestream a slice, through glymur's binding of OpenJPEG.

Exact coding uses the reversible 5/3 wavelet, lossy coding the irreversible 9/7 (Annex F). Signed and unsigned samples
of 1 to 16 bit are declared as they are in the codestream's SIZ marker (Annex A.5.1), so any decoder reads them.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

import numpy as np

from ..errors import MedCompressError
from .interface import Budget, Capabilities, Distortion, Exact, Knob, SampleFormat, Scale, Setting
from .memory_stream import MemoryStream
from .openjpeg import openjpeg

_RESOLUTIONS = 6
_SMALLEST_SIDE = 8
"""Of the coarsest resolution: smaller ones cost more in headers than they gain."""
_LEAST_PRECISION = 8
"""OpenJPEG sizes its output buffer by the precision, too tightly for noise of fewer bits."""

_LEAST_DISTORATIO = 0.01
"""In dB; OpenJPEG takes 0 and less for "keep everything"."""


class Jpeg2000:
    """The codec of DICOM and of the literature; see `codecs.interface.Codec`."""

    name = "jpeg2000"
    capabilities = Capabilities(
        settings=(Exact, Budget, Distortion, Knob),
        max_bits=16,
        slices=1,
        extension="j2k",
        scale=Scale("PSNR of a slice in dB, with the peak of its precision", 120.0, 10.0),
    )

    def version(self) -> str:
        return f"OpenJPEG {openjpeg().version()}"

    def encode(self, group: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
        return _encode(openjpeg(), group[0], sample_format, setting)

    def decode(self, chunk: bytes, shape: tuple[int, int, int], sample_format: SampleFormat) -> np.ndarray:
        return _decode(openjpeg(), chunk, shape[1:], sample_format)[np.newaxis]


def _precision(sample_format: SampleFormat) -> int:
    return max(sample_format.bits, _LEAST_PRECISION)


def _parameters(binding: ModuleType, shape: tuple[int, int], sample_format: SampleFormat, setting: Setting):
    parameters = binding.set_default_encoder_parameters()
    parameters.tcp_numlayers = 1
    parameters.numresolution = min(_RESOLUTIONS, int(math.log2(max(1, min(shape) / _SMALLEST_SIDE))) + 1)
    parameters.cp_comment = b""
    if isinstance(setting, Distortion | Knob):
        peak = (1 << _precision(sample_format)) - 1
        ratio = setting.value if isinstance(setting, Knob) else 10 * math.log10(peak * peak / setting.mse)
        parameters.irreversible = 1
        parameters.cp_fixed_quality = 1
        parameters.tcp_distoratio[0] = max(_LEAST_DISTORATIO, ratio)
        return parameters
    parameters.cp_disto_alloc = 1
    if isinstance(setting, Budget):
        parameters.irreversible = 1
        parameters.tcp_rates[0] = shape[0] * shape[1] * _precision(sample_format) / (8 * setting.size)
    return parameters


def _encode(binding: ModuleType, plane: np.ndarray, sample_format: SampleFormat, setting: Setting) -> bytes:
    height, width = plane.shape
    parameters = _parameters(binding, plane.shape, sample_format, setting)
    component = (binding.ImageComptParmType * 1)()
    component[0].dx = component[0].dy = 1
    component[0].w, component[0].h = width, height
    component[0].prec = component[0].bpp = _precision(sample_format)
    component[0].sgnd = int(sample_format.signed)
    with ExitStack() as cleanup, _reported("encode") as handler:
        image = binding.image_create(component, binding.CLRSPC_GRAY)
        cleanup.callback(binding.image_destroy, image)
        image.contents.x1, image.contents.y1 = width, height
        np.ctypeslib.as_array(image.contents.comps[0].data, plane.shape)[:] = plane
        codec = binding.create_compress(binding.CODEC_J2K)
        cleanup.callback(binding.destroy_codec, codec)
        binding.set_error_handler(codec, handler)
        binding.setup_encoder(codec, parameters, image)
        stream = cleanup.enter_context(MemoryStream(binding))
        binding.start_compress(codec, image, stream.handle)
        binding.encode(codec, stream.handle)
        binding.end_compress(codec, stream.handle)
        return stream.content


def _decode(binding: ModuleType, chunk: bytes, shape: tuple[int, int], sample_format: SampleFormat) -> np.ndarray:
    with ExitStack() as cleanup, _reported("decode") as handler:
        codec = binding.create_decompress(binding.CODEC_J2K)
        cleanup.callback(binding.destroy_codec, codec)
        binding.set_error_handler(codec, handler)
        binding.setup_decoder(codec, binding.set_default_decoder_parameters())
        _be_strict(binding, codec)
        stream = cleanup.enter_context(MemoryStream(binding, chunk))
        image = binding.read_header(stream.handle, codec)
        cleanup.callback(binding.image_destroy, image)
        _expect(image.contents, shape, sample_format)
        binding.decode(codec, stream.handle, image)
        binding.end_decompress(codec, stream.handle)
        return np.ctypeslib.as_array(image.contents.comps[0].data, shape).astype(sample_format.dtype)


def _expect(image: ctypes.Structure, shape: tuple[int, int], sample_format: SampleFormat) -> None:
    """Refuse a header that promises other than the caller expects, before anything of that size is allocated."""
    component = image.comps[0]
    found = (image.numcomps, component.h, component.w, component.prec, bool(component.sgnd))
    wanted = (1, *shape, _precision(sample_format), sample_format.signed)
    if found != wanted:
        raise MedCompressError(
            f"a JPEG 2000 codestream holds (components, rows, columns, bits, signed) = {found} where {wanted} was "
            "expected: the file is damaged, restore it from a copy"
        )


def _be_strict(binding: ModuleType, codec: ctypes.c_void_p) -> None:
    """A truncated codestream is an error, not a blurred image (OpenJPEG 2.5 and later)."""
    strict = getattr(binding.OPENJP2, "opj_decoder_set_strict_mode", None)
    if strict is not None:
        strict.argtypes = [ctypes.c_void_p, ctypes.c_int32]
        strict(codec, 1)


@contextmanager
def _reported(action: str) -> Iterator[ctypes._CFuncPtr]:
    """Give OpenJPEG a message handler; turn its failure into one sentence with its own words."""
    messages: list[str] = []

    def keep(message: bytes, _user: int) -> None:
        messages.append(message.decode(errors="replace").strip())

    handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)(keep)
    try:
        yield handler
    except (RuntimeError, OSError, ValueError) as error:
        words = "; ".join(messages) or str(error)
        hint = "the data are damaged, restore them from a copy" if action == "decode" else "free some memory and retry"
        raise MedCompressError(f"OpenJPEG could not {action} a slice ({words}): {hint}") from error
