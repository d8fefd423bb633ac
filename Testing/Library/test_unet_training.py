"""Whole trainings of tiny networks: they learn, say what they did, can be tuned, and take compressed copies."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from MedCompressLib.__main__ import main
from MedCompressLib.errors import Cancelled, MedCompressError
from MedCompressLib.jobs import Progress
from MedCompressLib.training_copies import compressed_copies
from MedCompressLib.unet.cases import find_cases
from MedCompressLib.volume import Geometry, Volume, read_volume, write_volume
from unet_training import TINY, tiny, write_cases

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from MedCompressLib.unet.inference import segment  # noqa: E402
from MedCompressLib.unet.model_file import load_model, read_card, sample_models  # noqa: E402
from MedCompressLib.unet.training import precision, read_config, train  # noqa: E402
from MedCompressLib.unet.training.blueprint import label_sources  # noqa: E402
from MedCompressLib.unet.training.folds import split  # noqa: E402
from MedCompressLib.unet.training.validation import dice, means, score_file  # noqa: E402

LABELS = """
[[labels]]
value = 7
name = "bright"
sources = [1]
[[labels]]
value = 9
name = "dark"
sources = [2]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_cases(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """(folder, standard output) of a training by the command."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.toml").write_text(TINY.replace("epochs = 2", "epochs = 8\nsteps = 25") + LABELS, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr("builtins.print", lambda *texts, **_: lines.append(" ".join(map(str, texts))))
        arguments = ["train", folder / "tiny.toml", "--data", data, "--output", folder, "--progress", "json", "--json"]
        code = main([str(argument) for argument in arguments])
    assert code == 0, lines[-3:]
    return folder, [json.loads(line) for line in lines]


def test_a_training_learns_and_its_card_says_how(trained, data):
    folder, lines = trained
    card = read_card(folder / "tiny.mcmodel")
    figures = card.metrics["validation"]
    assert figures["cases"] == 2 and figures["mean_dice"] > 0.7
    assert figures["mean_dice"] == pytest.approx(np.mean(list(figures["dice"].values())))
    assert [(label.value, label.name) for label in card.labels] == [(7, "bright"), (9, "dark")]
    assert card.training["cases"] == 4 and card.training["epochs"] == 8 and card.training["seed"] == 1
    assert str(data) not in json.dumps(card.training), "a card tells where files of its maker lie"
    assert lines[-1]["metrics"] == card.metrics and lines[-1]["model"] == str(folder / "tiny.mcmodel")


def test_curves_are_a_file_and_lines_of_json(trained):
    folder, lines = trained
    epochs = [line for line in lines if "epoch" in line]
    assert [line["epoch"] for line in epochs] == list(range(1, 9))
    assert {"fraction", "message", "loss", "validation_dice", "seconds_left"} <= set(epochs[0])
    assert epochs[-1]["seconds_left"] == 0 and epochs[-1]["loss"] < epochs[0]["loss"]
    with open(folder / "curves.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == pytest.approx([line["loss"] for line in epochs], abs=1e-4)
    assert float(rows[-1]["bright"]) == pytest.approx(epochs[-1]["dice"]["bright"], abs=1e-4)


def test_the_model_segments_what_it_learned(trained, data):
    model = load_model(trained[0] / "tiny.mcmodel")
    truth = read_volume(data / "labels" / "case0.nrrd").array
    found = segment(read_volume(data / "images" / "case0.nrrd"), model, device="cpu").labels.array
    assert set(np.unique(found)) <= {0, 7, 9}
    assert min(dice((found == 7) + 2 * (found == 9), truth, 2)) > 0.6


def test_fine_tuning_keeps_the_model_s_ways_and_starts_from_its_weights(trained, data, tmp_path):
    source = trained[0] / "tiny.mcmodel"
    extra = f'steps = 1\n[finetune]\nmodel = "{source.as_posix()}"\n'
    config = tiny(extra, epochs="1", learning_rate="0.0").with_data(folder=str(data))
    assert config.rate() == pytest.approx(1e-4), "a tenth of the rate of a training from scratch"
    path = train(config, tmp_path)
    before, after = load_model(source), load_model(path)
    assert after.card.labels == before.card.labels and after.card.network == before.card.network
    assert after.card.training["configuration"]["finetune"]["model"] == "tiny.mcmodel"
    pairs = zip(before.network.parameters(), after.network.parameters(), strict=True)
    moved = [float((a - b).detach().abs().max()) for a, b in pairs]
    assert 0 < max(moved) < 3e-4
    assert after.card.flips == before.card.flips == "ijk"


def test_fine_tuning_does_not_mirror_what_the_model_tells_apart(data, tmp_path):
    def flips(folder, flips, extra=""):
        config = tiny("steps = 1\n" + extra, epochs="1").with_data(folder=str(data))
        config = replace(config, augmentation=replace(config.augmentation, flips=flips))
        return read_card(train(config, tmp_path / folder)).flips

    assert flips("first", "jk") == "jk"
    tuned = f'[finetune]\nmodel = "{(tmp_path / "first" / "tiny.mcmodel").as_posix()}"\n'
    assert flips("tuned", "ijk", tuned) == "jk" and flips("less", "ik", tuned) == "k"


def test_slices_with_a_sigmoid_and_merged_labels(data, tmp_path):
    text = """
name = "flat"
device = "cpu"
[data]
folds = 3
[[labels]]
value = 1
name = "any"
sources = [1, 2]
[network]
architecture = "srivastava2d"
dimension = 2
patch = [16, 16]
parameters = { features = 4, levels = 2 }
[loss]
kind = "binary cross-entropy"
[optimizer]
kind = "adam"
learning_rate = 0.01
schedule = "constant"
[training]
epochs = 3
steps = 40
batch = 8
average = 0
mixed_precision = "off"
"""
    from MedCompressLib.unet.training.config import parse_config

    rows = []
    path = train(parse_config(text).with_data(folder=str(data)), tmp_path, on_epoch=rows.append)
    card = read_card(path)
    assert card.activation == "sigmoid" and card.outputs == 1 and card.patch == (16, 16)
    assert rows[-1].loss < rows[0].loss and card.metrics["validation"]["mean_dice"] > 0.5


def test_a_training_that_does_not_improve_stops_early_and_keeps_its_best(data, tmp_path):
    config = tiny("steps = 1\npatience = 2\n", epochs="40", learning_rate="1e-9").with_data(folder=str(data))
    rows = []
    card = read_card(train(config, tmp_path, on_epoch=rows.append))
    best = max(range(len(rows)), key=lambda number: rows[number].validation_dice)
    assert len(rows) == best + 3 < 40 and card.training["best_epoch"] == best + 1


def test_copies_are_compressed_once_and_used_in_training(data, tmp_path):
    calls = []
    copies = compressed_copies(tmp_path / "copies")

    def counted(path, codec, ratio):
        calls.append((path.name, codec, ratio))
        return copies(path, codec, ratio)

    extra = 'steps = 2\n[compress]\ncodec = "jpeg2000"\nratios = [1.2, 1.5]\nprobability = 1.0\n'
    config = tiny(extra).with_data(folder=str(data))
    train(config, tmp_path / "run", variants=counted)
    assert len(calls) == len(set(calls)) == 8, "4 training cases at 2 ratios"
    archives = {path: path.stat().st_mtime_ns for path in (tmp_path / "copies").iterdir()}
    assert len(archives) == 8 and all(path.suffix == ".mcz" for path in archives)
    train(config, tmp_path / "again", variants=counted)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "copies").iterdir()} == archives
    first = data / "images" / calls[0][0]
    restored, original = copies(first, "jpeg2000", 1.5), read_volume(first)
    assert restored.geometry.is_close(original.geometry, 1e-9)
    assert 0 < np.abs(restored.array - original.array.astype(float)).mean() < 20
    with pytest.raises(MedCompressError, match="compressed copies need"):
        train(config, tmp_path / "none")


def test_a_ratio_out_of_reach_is_named(tmp_path):
    small = Volume(np.random.default_rng(0).integers(0, 500, (6, 8, 8)).astype(np.int16), Geometry())
    write_volume(small, tmp_path / "small.nrrd")
    with pytest.raises(MedCompressError, match="small.nrrd at 64:1 by jpeg2000"):
        compressed_copies(tmp_path / "copies")(tmp_path / "small.nrrd", "jpeg2000", 64.0)


def test_cases_that_do_not_fit_are_named(data, tmp_path):
    config = tiny('[[labels]]\nvalue = 5\nname = "liver"\n').with_data(folder=str(data))
    with pytest.raises(MedCompressError, match="no training case has the label liver: the label maps hold 1, 2"):
        train(config, tmp_path)
    with pytest.raises(MedCompressError, match="--data FOLDER"):
        train(tiny(), tmp_path)


def test_a_label_map_that_lies_elsewhere_is_not_trained_on(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    label = read_volume(tmp_path / "data" / "labels" / "case3.nrrd")
    write_volume(Volume(label.array, Geometry(label.geometry.spacing)), tmp_path / "data" / "labels" / "case3.nrrd")
    with pytest.raises(MedCompressError, match="case3: image and label map lie in different places: resample"):
        train(tiny().with_data(folder=str(tmp_path / "data")), tmp_path / "out")


def test_cases_without_a_label_of_the_configuration_are_listed_before_a_training(data, tmp_path, capsys):
    assert main(["cases", str(data), "--config", "hippocampus-t1"]) == 0
    assert "6 cases, 0 problems" in capsys.readouterr().out
    config = tmp_path / "liver.toml"
    config.write_text('[[labels]]\nvalue = 1\nname = "liver"\nsources = [5]\n', "utf-8")
    assert main(["cases", str(data), "--config", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "6 cases, 6 problems" and "has none of the labels, only [1, 2]: check its values" in lines[1]


def test_cancelling_leaves_a_training_that_goes_on(data, tmp_path):
    config = tiny("steps = 2\n").with_data(folder=str(data))
    progress = Progress(lambda fraction, message: progress.cancel() if "Epoch 2 of 2, step 1" in message else None)
    with pytest.raises(Cancelled, match="after 1 of 2 epochs"):
        train(config, tmp_path, progress=progress)
    rows = []
    train(config, tmp_path, on_epoch=rows.append)
    assert [row.epoch for row in rows] == [2]


def test_what_was_prepared_of_a_case_before_it_changed_is_removed(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    config = tiny("steps = 1\n").with_data(folder=str(tmp_path / "data"))
    train(config, tmp_path / "run")
    before = {path.name for path in (tmp_path / "run" / "prepared").iterdir()}
    changed = tmp_path / "data" / "images" / "case2.nrrd"
    image = read_volume(changed)
    write_volume(Volume(image.array[::-1], image.geometry), changed)
    train(config, tmp_path / "run", restart=True)
    after = {path.name for path in (tmp_path / "run" / "prepared").iterdir()}
    assert len(after) == len(before) == 4 * 6
    assert {name.split(".")[0] for name in after - before} == {"case2"} and len(after - before) == 4


def test_control_c_says_that_the_training_goes_on(data, tmp_path, monkeypatch, capsys):
    def interrupt(epoch):
        raise KeyboardInterrupt

    monkeypatch.setattr("MedCompressLib.commands_unet._keep_quiet", interrupt)
    (tmp_path / "tiny.toml").write_text(TINY + "steps = 1\n", "utf-8")
    command = ["train", str(tmp_path / "tiny.toml"), "--data", str(data), "--output", str(tmp_path / "run")]
    assert main(command) == 2 and "goes on from its last whole epoch" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(command) == 0 and "2 epochs on 4 cases" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
def test_mixed_precision_is_chosen_by_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert precision.choose_precision("cpu", "auto", (40, 56, 40), (8, 8, 8)).dtype == torch.bfloat16
    for halved_to_two in ((32, 64, 64), (16, 16, 16)), ((8, 64, 64), (4, 8, 8)), ((2, 64, 64), (1, 8, 8)):
        assert precision.choose_precision("cpu", "auto", *halved_to_two).dtype is None
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert precision.choose_precision("cpu", "auto").dtype is None
    assert precision.choose_precision("cuda", "off").dtype is None
    for capability, dtype in (((9, 0), torch.bfloat16), ((7, 5), torch.float16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        chosen = precision.choose_precision("cuda:0", "auto")
        assert chosen.dtype == dtype and (chosen.scaler is None) == (dtype == torch.bfloat16)


def test_mixed_precision_trains_on_this_processor(data, tmp_path):
    config = tiny("steps = 4\n", mixed_precision='"auto"', patch="[16, 16, 16]").with_data(folder=str(data))
    rows = []
    card = read_card(train(config, tmp_path, on_epoch=rows.append))
    assert rows[-1].loss < rows[0].loss
    assert card.training["precision"] == ("bfloat16" if precision.cpu_has_bfloat16() else "float32")


def test_weights_of_half_the_size_are_those_that_were_validated(trained, data, tmp_path):
    folder, _ = trained
    text = 'weights = "float16"\n' + TINY.replace("epochs = 2", "epochs = 8\nsteps = 25") + LABELS
    (tmp_path / "half.toml").write_text(text, "utf-8")
    shutil.copytree(folder, tmp_path / "run")
    code = main(
        ["train", str(tmp_path / "half.toml"), "--data", str(data), "--output", str(tmp_path / "run"), "--json"]
    )
    assert code == 0
    whole, half = load_model(folder / "tiny.mcmodel"), load_model(tmp_path / "run" / "tiny.mcmodel")
    for a, b in zip(whole.network.parameters(), half.network.parameters(), strict=True):
        assert b.dtype == torch.float32 and torch.equal(a.half().float(), b)
    sizes = [path.stat().st_size for path in (folder / "tiny.mcmodel", tmp_path / "run" / "tiny.mcmodel")]
    weights = 4 * sum(parameter.numel() for parameter in whole.network.parameters())
    assert sizes[0] - sizes[1] == pytest.approx(weights / 2, abs=300)
    wanted, found = (model.card.metrics["validation"]["mean_dice"] for model in (whole, half))
    assert found == pytest.approx(wanted, abs=0.01)


def test_dice_of_absent_labels_does_not_count():
    assert dice(np.array([[[1, 1, 0]]]), np.array([[[1, 0, 0]]]), 2) == [pytest.approx(2 / 3), None]
    assert means([[0.5, None], [1.0, None]], ["a", "b"]) == (0.75, {"a": 0.75})
    assert means([[None], [None]], ["a"]) == (None, {})


def test_the_sample_model_segments_cases_it_was_not_trained_on(data_folder):
    assert "hippocampus-t1" in sample_models()
    model = load_model("hippocampus-t1")
    figures = model.card.metrics["validation"]
    assert figures["mean_dice"] >= 0.885 and figures["cases"] == 39 and model.card.training["seconds"] < 3600
    config = read_config("hippocampus-t1")
    held = split(find_cases(data_folder / "hippocampus"), config.data, config.seed)[1]
    sources = label_sources(config, model.card)
    names = [label.name for label in model.card.labels]
    mean, by_label = means([score_file(model, case, sources, "cpu") for case in held], names)
    assert len(held) == 39 and mean >= 0.885
    assert by_label == pytest.approx(figures["dice"], abs=2e-3)
