"""A training that is killed goes on exactly; several processes train one network."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import MedCompressLib
import pytest
from killed import killed
from MedCompressLib.errors import MedCompressError
from unet_training import TINY, tiny, write_cases

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from MedCompressLib.unet.model_file import load_model  # noqa: E402
from MedCompressLib.unet.training import train  # noqa: E402
from MedCompressLib.unet.training.checkpoint import read_checkpoint, save_checkpoint  # noqa: E402

LIBRARY = Path(MedCompressLib.__file__).resolve().parent.parent
PATHS = os.pathsep.join([str(LIBRARY), str(Path(__file__).parent)])
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATHS}
CONFIG = TINY.replace("epochs = 2", "epochs = 5") + "steps = 3\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_cases(tmp_path_factory.mktemp("data"))


@pytest.fixture
def command(tmp_path, data):
    (tmp_path / "tiny.toml").write_text(CONFIG, "utf-8")

    def arguments(output):
        options = ["train", tmp_path / "tiny.toml", "--data", data, "--output", tmp_path / output]
        return [sys.executable, "-m", "MedCompressLib", *map(str, options), "--json", "--progress", "json"]

    return arguments


def losses(folder):
    with open(folder / "curves.csv", encoding="utf-8") as file:
        return [(row["epoch"], row["loss"], row["validation_dice"]) for row in csv.DictReader(file)]


def test_a_killed_training_goes_on_to_the_same_weights(command, tmp_path):
    killed("Epoch 3 of 5, step 2 of 3", *command("killed")[3:], OMP_NUM_THREADS="1")
    assert len(losses(tmp_path / "killed")) == 2 and not (tmp_path / "killed" / "tiny.mcmodel").exists()
    for output in ("killed", "whole"):
        subprocess.run(command(output), env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL, timeout=600)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    models = [load_model(tmp_path / output / "tiny.mcmodel") for output in ("killed", "whole")]
    weights = [model.network.state_dict() for model in models]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert models[0].card.metrics == models[1].card.metrics and models[0].card.training["epochs"] == 5


def test_a_finished_training_is_not_repeated_and_another_configuration_is_refused(data, tmp_path):
    config = tiny().with_data(folder=str(data))
    path = train(config, tmp_path)
    before = path.read_bytes()
    rows = []
    assert train(config, tmp_path, on_epoch=rows.append) == path
    assert rows == [] and path.read_bytes() == before
    other = tiny(batch="1").with_data(folder=str(data))
    with pytest.raises(MedCompressError, match="another training.*--restart"):
        train(other, tmp_path)
    train(other, tmp_path, restart=True, on_epoch=rows.append)
    assert len(rows) == 2


def test_checkpoints_of_before_there_was_a_size_go_on(data, tmp_path):
    config = tiny().with_data(folder=str(data))
    train(config, tmp_path / "run")
    state = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors")[1]
    known = {"channels", "spacing", "normalization", "folds", "fold", "validation", "resample"}
    assert set(state["configuration"]["data"]) == known
    with pytest.raises(MedCompressError, match="another data"):
        train(config.with_data(size=(8, 16, 16)), tmp_path / "run")


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"network/w": torch.arange(6.0)}, {"epoch": 3})
    tensors, state = read_checkpoint(path)
    assert torch.equal(tensors["network/w"], torch.arange(6.0)) and state == {"epoch": 3}
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(MedCompressError, match="damaged"):
        read_checkpoint(path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


SCRIPT = """
import hashlib, sys
from MedCompressLib.__main__ import main
from MedCompressLib.unet.training import loop
from MedCompressLib.unet.training.trainer import Trainer

class Told(Trainer):
    def train_epoch(self, epoch, step_done):
        result = super().train_epoch(epoch, step_done)
        weights = b"".join(tensor.numpy().tobytes() for tensor in self.network.state_dict().values())
        with open(f"{sys.argv[-1]}/rank{self._group.rank}.txt", "a") as file:
            print(hashlib.sha256(weights).hexdigest(), result[0], file=file)
        return result

loop.Trainer = Told
sys.exit(main(sys.argv[1:-1]))
"""


def test_two_processes_of_torchrun_train_one_network(command, tmp_path):
    (tmp_path / "told.py").write_text(SCRIPT, "utf-8")
    arguments = command("both")[3:]
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1",
           "--nproc_per_node", "2", str(tmp_path / "told.py"), *arguments, str(tmp_path / "both")]  # fmt: skip
    done = subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [(tmp_path / "both" / f"rank{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    assert len(told[0]) == 5 and told[0] == told[1]
    assert len({line.split()[0] for line in told[0]}) == 5, "the weights do not change"
    model = load_model(tmp_path / "both" / "tiny.mcmodel")
    assert model.card.training["processes"] == 2
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    fractions = [line["fraction"] for line in lines[:-1]]
    assert fractions == sorted(fractions) and [row["epoch"] for row in lines if "epoch" in row] == [1, 2, 3, 4, 5]
    assert lines[-1]["metrics"] == model.card.metrics and sum("model" in line for line in lines) == 1
