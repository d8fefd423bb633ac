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
from MedCompressLib.unet.foreign.nnunet_plans import configuration, input_axes, plan_card  # noqa: E402
from MedCompressLib.unet.model_file import load_model, save_model  # noqa: E402
from MedCompressLib.unet.networks import build_network  # noqa: E402

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


class Trap:
    """A pickle of this creates a file when it is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


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


ARCHITECTURE = {
    "n_stages": 3,
    "features_per_stage": [2, 4, 4],
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "n_conv_per_stage": [2, 2, 2],
    "n_conv_per_stage_decoder": [2, 2],
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
CLASSES = ["conv_op", "norm_op", "dropout_op", "nonlin"]
DATASET = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "tumor": 2}, "numTraining": 4}


def plans(**changes) -> dict:
    """plans.json as nnU-Net 2.8 writes it; its axes are transposed: the network sees [i, k, j]."""
    fields = {
        "patch_size": [8, 12, 16],
        "spacing": [3.0, 1.0, 2.0],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": ARCHITECTURE,
            "_kw_requires_import": CLASSES,
        },
        **changes,
    }
    return {
        "dataset_name": "Dataset003_Liver",
        "transpose_forward": [2, 0, 1],
        "transpose_backward": [1, 2, 0],
        "original_median_spacing_after_transp": [3.0, 1.0, 2.0],
        "configurations": {"3d_fullres": fields, "3d_mine": {"inherits_from": "3d_fullres"}},
        "foreground_intensity_properties_per_channel": {
            "0": {"mean": 99.4, "std": 37.1, "percentile_00_5": -17.0, "percentile_99_5": 201.0, "median": 101.0}
        },
    }


def test_nnunet_plans_become_a_card():
    found = plans()
    chosen = configuration(found, "3d_mine")
    assert chosen.network.endswith("PlainConvUNet") and chosen.arguments == ARCHITECTURE
    described = plan_card(found, chosen, DATASET, "folder", 5)
    assert input_axes(found) == "LSP"
    assert described.patch == (12, 16, 8) and described.spacing == (3.0, 2.0, 1.0)
    assert described.normalization == {"kind": "clipped", "low": -17, "high": 201, "mean": 99.4, "std": 37.1}
    assert [(label.value, label.name) for label in described.labels] == [(1, "liver"), (2, "tumor")]
    regions = {**DATASET, "labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}
    described = plan_card(found, chosen, regions, "folder", 1)
    assert described.activation == "sigmoid" and [label.name for label in described.labels] == ["whole", "core"]


def test_older_nnunet_plans_give_the_same_architecture():
    older = plans()
    fields = older["configurations"]["3d_fullres"]
    del fields["architecture"]
    fields |= {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 2,
        "unet_max_num_features": 4,
        "conv_kernel_sizes": ARCHITECTURE["kernel_sizes"],
        "pool_op_kernel_sizes": ARCHITECTURE["strides"],
        "n_conv_per_stage_encoder": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2],
    }
    assert configuration(older, "3d_fullres").arguments == ARCHITECTURE


@pytest.mark.parametrize(
    "change",
    [
        {"normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [True]},
        {"normalization_schemes": ["RescaleTo01Normalization"]},
        {"normalization_schemes": ["CTNormalization", "ZScoreNormalization"]},
        {"previous_stage": "3d_lowres"},
    ],
)
def test_nnunet_plans_that_no_card_can_say_are_refused(change):
    found = plans(**change)
    with pytest.raises(MedCompressError):
        plan_card(found, configuration(found, "3d_fullres"), DATASET, "folder", 1)


def nnunet_network(outputs=3):
    unet = pytest.importorskip(
        "dynamic_network_architectures.architectures.unet",
        reason="nnU-Net's networks are not installed: pip install --no-deps dynamic-network-architectures",
    )
    arguments = dict(ARCHITECTURE)
    for key in CLASSES:
        name = arguments[key]
        arguments[key] = getattr(torch.nn, name.rpartition(".")[2]) if name else None
    return unet.PlainConvUNet(input_channels=1, num_classes=outputs, deep_supervision=True, **arguments)


def results_folder(folder: Path, networks, plan: dict, dataset: dict, extra=None) -> Path:
    """What nnU-Net v2 leaves of a training: checkpoints with numpy numbers in the log."""
    folder.mkdir()
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    for number, network in enumerate(networks):
        checkpoint = {
            "network_weights": network.state_dict(),
            "optimizer_state": torch.optim.SGD(network.parameters(), 0.01, momentum=0.99).state_dict(),
            "grad_scaler_state": None,
            "logging": {"mean_fg_dice": [np.float64(0.9), np.float32(0.8)], "dice_per_class": [[np.float64(0.5)]]},
            "_best_ema": np.float64(0.87),
            "current_epoch": 5,
            "init_args": {"plans": plan, "configuration": "3d_fullres", "fold": number, "device": torch.device("cpu")},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }
        (folder / f"fold_{number}").mkdir()
        torch.save({**checkpoint, **(extra or {})}, folder / f"fold_{number}" / "checkpoint_final.pth")
    return folder


def test_nnunet_folder_gives_the_mean_of_its_folds_in_its_own_axes(tmp_path):
    networks = [nnunet_network(), nnunet_network()]
    model = load_model(results_folder(tmp_path / "results", networks, plans(), DATASET))
    x = torch.randn(1, 1, 12, 16, 8)
    theirs = x.permute(0, 1, 4, 2, 3)
    for network in networks:
        network.eval().decoder.deep_supervision = False
    expected = (networks[0](theirs) + networks[1](theirs)) / 2
    torch.testing.assert_close(model.network(x), expected.permute(0, 1, 3, 4, 2))


def test_nnunet_regions_are_painted_over_one_another(tmp_path):
    network = nnunet_network(outputs=3)
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    dataset = {**DATASET, "labels": labels, "regions_class_order": [1, 2, 3]}
    model = load_model(results_folder(tmp_path / "results", [network], plans(), dataset))
    x = torch.randn(1, 1, 12, 16, 8)
    network.eval().decoder.deep_supervision = False
    with torch.no_grad():
        theirs = network(x.permute(0, 1, 4, 2, 3)).permute(0, 1, 3, 4, 2)[0]
        ours = model.network(x)[0]
    painted = torch.zeros(12, 16, 8, dtype=int)
    for region in range(3):
        painted[theirs[region] > 0] = region + 1
    largest = torch.where(ours.amax(dim=0) > 0, ours.argmax(dim=0) + 1, 0)
    assert torch.equal(largest, painted) and len(painted.unique()) > 2


def test_nnunet_checkpoints_that_hold_code_or_do_not_fit_are_refused(tmp_path):
    network, trap = nnunet_network(), Trap(tmp_path / "executed")
    with pytest.raises(MedCompressError, match="not executed"):
        load_model(results_folder(tmp_path / "1", [network], plans(), DATASET, {"logging": trap}))
    assert not (tmp_path / "executed").exists()
    with pytest.raises(MedCompressError, match="fit"):
        load_model(results_folder(tmp_path / "2", [nnunet_network(outputs=2)], plans(), DATASET))
    layer = plans()
    layer["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] = {**ARCHITECTURE, "nonlin": "os.system"}
    with pytest.raises(MedCompressError, match="os.system"):
        load_model(results_folder(tmp_path / "3", [network], layer, DATASET))
    named = plans()
    named["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = "os.system"
    with pytest.raises(MedCompressError, match="none of"):
        load_model(results_folder(tmp_path / "4", [network], named, DATASET))
    with pytest.raises(MedCompressError, match="fold_0"):
        load_model(results_folder(tmp_path / "5", [], plans(), DATASET))
