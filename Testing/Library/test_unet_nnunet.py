"""Models that nnU-Net trained give its logits, by its own networks, and nothing in them is executed."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from MedCompressLib.errors import MedCompressError  # noqa: E402
from MedCompressLib.unet.foreign.nnunet_plans import configuration, input_axes, plan_card  # noqa: E402
from MedCompressLib.unet.model_file import load_model  # noqa: E402
from pickle_trap import Trap  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(1)


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
