"""Models of other makers give the logits that their makers get, and nothing in them is executed that need not be."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nets = pytest.importorskip("monai.networks.nets")
pytest.importorskip("safetensors")

from MedCompressLib.errors import MedCompressError  # noqa: E402
from MedCompressLib.unet.card import Label, ModelCard  # noqa: E402
from MedCompressLib.unet.foreign import CODE_NOTE, carries_code  # noqa: E402
from MedCompressLib.unet.model_file import load_model, save_model  # noqa: E402
from MedCompressLib.unet.networks import build_network  # noqa: E402
from pickle_trap import Trap  # noqa: E402

# TorchScript is no longer developed, but such files are what people have.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(1)


def card(**changes) -> ModelCard:
    fields = {
        "name": "foreign",
        "dimension": 3,
        "network": {"architecture": "torchscript", "divisor": [4, 4, 4]},
        "patch": (8, 12, 16),
        "labels": (Label(1, "a"), Label(2, "b")),
    }
    return ModelCard(**{**fields, **changes})


def small_network():
    return build_network({"architecture": "elkhoury3d", "features": 2, "levels": 3}, 1, 3, 3).eval()


def scripted(path: Path):
    network = small_network()
    torch.jit.trace(network, torch.zeros(1, 1, 8, 8, 8)).save(str(path))
    return network


def exported(path: Path):
    network = small_network()
    torch.export.save(torch.export.export(network, (torch.zeros(1, 1, 8, 12, 16),)), str(path))
    return network


@pytest.mark.parametrize("write, suffix", [(scripted, ".pt"), (scripted, ".ts"), (exported, ".pt2")])
def test_scripted_and_exported_networks_with_a_card_beside(write, suffix, tmp_path):
    path = tmp_path / f"net{suffix}"
    network = write(path)
    with pytest.raises(MedCompressError, match="net.json"):
        load_model(path)
    path.with_suffix(".json").write_bytes(card().to_json())
    model = load_model(path)
    x = torch.randn(2, 1, 8, 12, 16)
    torch.testing.assert_close(model.network(x), network(x), rtol=1e-4, atol=1e-5)
    assert model.network.divisor == (4, 4, 4) and model.card == card() and not model.network.training
    assert carries_code(path) and "trust" in CODE_NOTE
    with pytest.raises(MedCompressError, match="trained"):
        model.network.train()
    path.with_suffix(".json").write_bytes(card(labels=(Label(1, "a"),)).to_json())
    with pytest.raises(MedCompressError, match="promises"):
        load_model(path).network(x)
    path.with_suffix(".json").write_bytes(card(channels=("a", "b")).to_json())
    with pytest.raises(MedCompressError, match="channels"):
        load_model(path).network(torch.zeros(1, 2, 8, 12, 16))


@pytest.mark.parametrize("network", [{"divisor": [4, 4]}, {"divisor": [0, 4, 4]}, {"axes": "SPX"}, {"colour": 1}])
def test_cards_of_foreign_networks_are_checked(network, tmp_path):
    scripted(tmp_path / "net.pt")
    described = card(network={"architecture": "torchscript", **network})
    (tmp_path / "net.json").write_bytes(described.to_json())
    with pytest.raises(MedCompressError, match="card"):
        load_model(tmp_path / "net.pt")


@pytest.mark.parametrize("suffix", [".pt", ".ts", ".pt2"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_pickles_and_nonsense_are_no_models(suffix, content, tmp_path):
    path = tmp_path / f"net{suffix}"
    if content is None:
        torch.save(Trap(tmp_path / "executed"), path)
    else:
        path.write_bytes(content)
    path.with_suffix(".json").write_bytes(card().to_json())
    with pytest.raises(MedCompressError):
        load_model(path)
    assert not (tmp_path / "executed").exists()


def test_foreign_networks_are_not_saved_as_ours(tmp_path):
    network = scripted(tmp_path / "net.pt")
    with pytest.raises(MedCompressError, match="architecture"):
        save_model(tmp_path / "net.mcmodel", network, card())


SHAPE = {"in_channels": 1, "out_channels": 3, "channels": [2, 4], "strides": [2]}
UNET = {"_target_": "UNet", "spatial_dims": "@dims", **SHAPE}


def bundle(folder: Path, network: dict = UNET, normalization: dict | None = None, weights=None, **config) -> Path:
    """A MONAI bundle as its makers lay it out; returns its folder."""
    normalization = normalization or {
        "_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -100, "a_max": 300, "b_min": -1, "b_max": 1,
        "clip": True,
    }  # fmt: skip
    inference = {
        "imports": ["$import os"],
        "output_dir": "$@bundle_root + '/eval'",
        "dims": 3,
        "pixdim": [1.0, 2.0, 3.0],
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": "@pixdim", "mode": "bilinear"},
                normalization,
                {"_target_": "EnsureTyped", "keys": "image", "device": "@device"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 12, 8], "sw_batch_size": 4},
        "postprocessing": {"_target_": "Compose", "transforms": [{"_target_": "Activationsd", "softmax": True}]},
        **config,
    }
    metadata = {
        "version": "0.5.3",
        "description": "Liver of CT",
        "network_data_format": {
            "inputs": {"image": {"num_channels": 1, "spatial_shape": [16, 12, 8], "channel_def": {"0": "CT"}}},
            "outputs": {"pred": {"num_channels": 3, "channel_def": {"0": "background", "1": "liver", "2": "tumor"}}},
        },
    }
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(inference))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.save(weights, folder / "models" / "model.pt")
    return folder


def monai_unet():
    return nets.UNet(spatial_dims=3, **SHAPE).eval()


def as_ras(array: torch.Tensor) -> torch.Tensor:
    """[N, C, k, j, i] towards S, P, L as MONAI has it after Orientationd("RAS"): [N, C, i, j, k] towards R, A, S."""
    return torch.flip(array.transpose(2, 4), (2, 3))


@pytest.mark.parametrize("nested", [False, True])
def test_bundle_gives_monais_logits_in_monais_orientation(nested, tmp_path):
    network = monai_unet()
    weights = {"model": network.state_dict(), "epoch": 3} if nested else network.state_dict()
    model = load_model(bundle(tmp_path / "liver_ct", weights=weights))
    described = model.card
    assert described.name == "liver_ct" and described.channels == ("CT",) and described.version == "0.5.3"
    assert [(label.value, label.name) for label in described.labels] == [(1, "liver"), (2, "tumor")]
    assert described.patch == (8, 12, 16) == model.network.divisor and described.spacing == (1.0, 2.0, 3.0)
    found = described.normalization
    assert (found["low"], found["high"]) == (-100, 300)
    values = (np.array([-100, 100, 300]) - found["mean"]) / found["std"]
    assert np.allclose(values, [-1, 0, 1])
    x = torch.randn(1, 1, 8, 12, 16)
    logits = model.network(x)
    torch.testing.assert_close(as_ras(logits), network(as_ras(x)))
    assert not torch.allclose(logits, network(x), atol=1e-3), "the orientation plays a part"


def test_bundle_with_sigmoid_outputs_and_own_mean(tmp_path):
    transforms = {"transforms": [{"_target_": "monai.transforms.Activationsd", "sigmoid": True}]}
    normalization = {"_target_": "NormalizeIntensityd", "subtrahend": 10, "divisor": 4}
    weights = monai_unet().state_dict()
    path = bundle(tmp_path / "b", normalization=normalization, weights=weights, postprocessing=transforms)
    described = load_model(path).card
    assert described.activation == "sigmoid" and [label.value for label in described.labels] == [1, 2, 3]
    assert described.normalization == {"kind": "fixed", "mean": 10, "std": 4}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"network": {**UNET, "in_channels": "$__import__('pathlib').Path('executed').touch()"}}, "code"),
        ({"network": {**UNET, "_target_": "os.system", "command": "touch executed"}}, "none of"),
        ({"network": {**UNET, "_target_": "monai.networks.nets.TorchVisionFCModel"}}, "none of"),
        ({"network": {**UNET, "_target_": "elsewhere.UNet"}}, "none of"),
        ({"network": {**UNET, "act": {"_target_": "os.system", "command": "touch executed"}}}, "nests"),
        ({"network": {**UNET, "_requires_": "$open('executed', 'w')"}}, "code"),
        ({"network": {**UNET, "in_channels": "@network_def"}}, "itself|nests"),
        ({"network": {**UNET, "in_channels": 2}}, "fit"),
        ({"normalization": {"_target_": "NormalizeIntensityd", "nonzero": True}}, "card.json"),
        ({"normalization": {"_target_": "ScaleIntensityd"}}, "card.json"),
        ({"inferer": {"roi_size": "$[16] * 3"}}, "card.json"),
    ],
)
def test_bundles_that_need_code_or_what_cards_cannot_say_are_refused(change, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = bundle(tmp_path / "b", weights=monai_unet().state_dict(), **change)
    with pytest.raises(MedCompressError, match=words):
        load_model(path)
    assert not (tmp_path / "executed").exists()


def test_a_card_in_the_bundle_comes_before_what_the_bundle_says(tmp_path):
    network = monai_unet()
    path = bundle(tmp_path / "b", normalization={"_target_": "ScaleIntensityd"}, weights=network.state_dict())
    described = card(network={"architecture": "MONAI bundle", "divisor": [2, 2, 2]})
    (path / "card.json").write_bytes(described.to_json())
    model = load_model(path)
    x = torch.randn(1, 1, 8, 12, 16)
    assert model.card == described
    torch.testing.assert_close(as_ras(model.network(x)), network(as_ras(x)))


def test_a_bundles_pickle_is_refused_unexecuted(tmp_path):
    path = bundle(tmp_path / "b", weights={"model": Trap(tmp_path / "executed")})
    with pytest.raises(MedCompressError, match="not executed"):
        load_model(path)
    assert not (tmp_path / "executed").exists()
