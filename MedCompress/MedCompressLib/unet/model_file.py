"""Model files `.mcmodel`: a ZIP archive, stored, of card.json, weights.safetensors and checksums.json (SHA-256).

Nothing in a model file is ever executed: the card is checked JSON, the weights are tensors by name, no pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MedCompressError
from .card import CARD_LIMIT, ModelCard
from .foreign import is_foreign, load_foreign
from .model import Model
from .weights import from_bytes, to_bytes

if TYPE_CHECKING:
    import torch

SUFFIX = ".mcmodel"
CARD, WEIGHTS, CHECKSUMS = "card.json", "weights.safetensors", "checksums.json"
_LIMITS = {CARD: CARD_LIMIT, WEIGHTS: 8 << 30, CHECKSUMS: 4096}
_SAMPLES = Path(__file__).parent / "models"
_AGAIN = "get the model again from its source"


def save_model(path: str | os.PathLike, network: torch.nn.Module, card: ModelCard, half: bool = False) -> None:
    """Write a model file; the file appears whole or not at all, and equal models give equal bytes.

    half: weights as float16, which halves the file; they are float32 again once loaded.
    Raises MedCompressError when the network is not the card's or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise MedCompressError(f"a model file ends in {SUFFIX}, {path.name} does not: change its name")
    members = {CARD: card.to_json(), WEIGHTS: to_bytes(network, card, half)}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    members[CHECKSUMS] = json.dumps(digests).encode()
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, content in members.items():
                    archive.writestr(zipfile.ZipInfo(name), content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise MedCompressError(
            f"{path} cannot be written ({error.strerror}): check the folder and its free space"
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def load_model(path_or_name: str | os.PathLike, device: str = "cpu") -> Model:
    """A model from a model file, a sample model's name, or a foreign model, in eval mode on `device`.

    Foreign models: TorchScript (.pt, .ts), torch.export (.pt2), a MONAI bundle's folder, an nnU-Net v2 results folder;
    see unet.foreign for what each can and cannot promise. Raises MedCompressError with the remedy.
    """
    path = Path(path_or_name)
    if not path.exists() and str(path_or_name) in sample_models():
        path = _SAMPLES / f"{path_or_name}{SUFFIX}"
    if not path.exists():
        names = ", ".join(sample_models()) or "none"
        raise MedCompressError(f"there is no model {path_or_name}: give a model file or a sample model ({names})")
    if is_foreign(path):
        model = load_foreign(path)
    elif path.is_file():
        model = _read(path)
    else:
        raise MedCompressError(
            f"{path} is neither a model file nor a MONAI bundle nor an nnU-Net results folder: give one of these"
        )
    try:
        model.network.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise MedCompressError(f"the device {device} cannot be used ({reason:.200}): choose cpu") from None
    return model


def read_card(path_or_name: str | os.PathLike) -> ModelCard:
    """The card of a model file or sample model alone; needs no torch. Raises MedCompressError."""
    path = Path(path_or_name)
    if not path.exists() and str(path_or_name) in sample_models():
        path = _SAMPLES / f"{path_or_name}{SUFFIX}"
    return ModelCard.from_json(_members(path, (CARD,))[CARD])


def sample_models() -> list[str]:
    """Names of the models that come with MedCompress."""
    return sorted(path.stem for path in _SAMPLES.glob(f"*{SUFFIX}"))


def _read(path: Path) -> Model:
    members = _members(path, (CARD, WEIGHTS))
    card = ModelCard.from_json(members[CARD])
    return Model(from_bytes(members[WEIGHTS], card), card)


def _members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The members `names`, whose checksums are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive, path)
            content = {name: archive.read(name) for name in (*names, CHECKSUMS)}
    except OSError as error:
        raise MedCompressError(f"{path} cannot be read ({error.strerror or error}): check the path") from None
    except (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError) as error:
        raise MedCompressError(f"{path} is damaged or no model file ({str(error)[:200]}): {_AGAIN}") from None
    digests = {name: hashlib.sha256(content[name]).hexdigest() for name in names}
    try:
        written = json.loads(content.pop(CHECKSUMS))
        fits = set(written) == {CARD, WEIGHTS} and all(written[name] == digests[name] for name in names)
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise MedCompressError(f"{path} is damaged, its checksums are not those of its contents: {_AGAIN}")
    return content


def _check_directory(archive: zipfile.ZipFile, path: Path) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if any(name.endswith((".pkl", ".pickle")) for name in names):
        raise MedCompressError(
            f"{path} holds a pickle, which can execute anything, and is not read: convert it where you trust it"
        )
    if sorted(names) != sorted(_LIMITS):
        raise ValueError(f"its members are not {', '.join(_LIMITS)}")
    size = path.stat().st_size
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise ValueError(f"{entry.filename} is not stored as it is")
        if entry.file_size > min(_LIMITS[entry.filename], size):
            raise ValueError(f"{entry.filename} is too large")
