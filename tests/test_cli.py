"""The command line: what it prints, its exit codes, and one clear line for bad input of every kind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core import commands, data
from core.cli import main
from core.errors import DataError
from core.runs.locks import Lock
from core.runs.store import LOCK, OWN, SHIPPED, Run, RunStore
from core.settings import ROOT
from core.training.session import mark, work
from tests import stub, stub_fixtures
from tests.stub.train import Regression
from tests.tools import change, fresh, until

SCRIPT = [sys.executable, stub.SCRIPT]
Said = pytest.CaptureFixture[str]
store, tiny = stub_fixtures.store, stub_fixtures.tiny  # fixtures


@pytest.fixture
def finished(store: RunStore, tiny: str) -> Run:
    run = fresh(store)
    assert work(run) == "finished"
    return store.get(run.id)


def ship(store: RunStore, run: Run, name: str = "mnist") -> Run:
    target = store.roots[SHIPPED] / run.experiment / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run.path, target)
    return store.get(f"shipped/{run.experiment}/{name}")


# --- list -------------------------------------------------------------------------------------------------------------


def test_list(store: RunStore, finished: Run, capsys: Said):
    fresh(store, "broken").path.joinpath("run.json").write_text("{")
    assert main(["list"]) == 0
    said = capsys.readouterr()
    assert re.search(r"own/stub/one +finished +mnist-5k +4/4 +-0\.\d\d test ELBO", said.out)
    assert re.search(r"own/stub/broken does not read: .*run\.json: it is no readable JSON.*Delete this run", said.err)


def test_list_json(store: RunStore, finished: Run, capsys: Said):
    mark(fresh(store, "dead"), status="running")
    fresh(store, "broken").path.joinpath("run.json").write_text("{")
    assert main(["list", "--json"]) == 0
    listed = {one["id"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["own/stub/one"]["metrics"] == finished.metrics
    assert listed["own/stub/one"]["epochs_done"] == 4
    assert listed["own/stub/dead"]["status"] == "interrupted"  # its process is gone
    assert listed["own/stub/broken"]["status"] == "unreadable"


def test_an_empty_list_says_what_to_do(store: RunStore, capsys: Said):
    assert main(["list"]) == 0
    assert "python -m core train EXPERIMENT" in capsys.readouterr().err
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


# --- train ------------------------------------------------------------------------------------------------------------


def test_train(store: RunStore, tiny: str, capsys: Said):
    words = ["train", "stub", "--set", "epochs=2", "--data", "mnist-5k", "--seed", "7", "--name", "mine"]
    assert main(words) == 0
    run = store.get("own/stub/mine")
    assert (run.status, run.config.epochs, run.config.seed, run.config.data) == ("finished", 2, 7, "mnist-5k")
    said = capsys.readouterr()
    assert re.search(r"epoch 2/2  train_loss 0\.\d+ .*validation_loss", said.err)
    assert re.search(r"own/stub/mine: finished, 2 of 2 epochs in \d+\.\d s", said.out)
    assert f"test_elbo_nats = {run.metrics['test_elbo_nats']:.6g}" in said.out


def test_train_takes_several_settings_either_way(store: RunStore, tiny: str):
    assert main(["train", "stub", "--set", "epochs=1", "seed=1", "--set", "data=mnist-5k", "--set", "seed=2"]) == 0
    assert store.list()[0].config.seed == 2


def test_train_draws_a_bar_on_a_terminal(store: RunStore, tiny: str, capsys: Said, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["train", "stub", "--set", "epochs=2", "data=mnist-5k"]) == 0
    said = capsys.readouterr().err
    assert "2.0/2 epochs" in said
    assert "train_loss" in said
    assert "epoch 1/2" not in said


def test_train_a_diverged_run_is_a_result(store: RunStore, tiny: str, capsys: Said, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Regression, "validate", lambda self, epoch: {"validation_loss": float("nan")})
    assert main(["train", "stub", "--set", "data=mnist-5k"]) == 0
    out = capsys.readouterr().out
    assert "diverged, 0 of " in out
    assert "the loss was no longer finite in epoch 1, step 4" in out


def run_script(*words: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen([*SCRIPT, *words], cwd=ROOT, text=True, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_says_how_to_go_on_and_resume_does(
    store: RunStore,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Said,
    number: int,
):
    hold = tmp_path / "hold"
    hold.write_text("3")
    monkeypatch.setenv("STUB_HOLD", str(hold))
    with run_script("train", "stub", "--set", "epochs=4", "data=mnist-5k", "--name", "mine") as process:
        until(lambda: (store.roots[OWN] / "stub" / "mine" / "resume-2.safetensors").exists())
        until(lambda: store.get("own/stub/mine").epochs_done == 2)
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    last = said.strip().splitlines()[-1]
    assert last == "Stopped after epoch 2 of 4. Go on with: python -m core train --resume own/stub/mine"
    assert "Traceback" not in said
    hold.unlink()
    assert main(last.split("python -m core ")[1].split()) == 0
    assert store.get("own/stub/mine").history()["epoch"].tolist() == [1, 2, 3, 4]


def test_resume_takes_experiment_and_name_too(store: RunStore, tiny: str):
    run = mark(fresh(store), status="stopped")
    (run.path / "stop").touch()  # a stop asked for too late to be heard
    assert main(["train", "stub", "--resume", "stub/one"]) == 0
    assert store.get(run.id).status == "finished"


# --- evaluate and verify ----------------------------------------------------------------------------------------------


def test_evaluate_prints_both(finished: Run, capsys: Said):
    assert main(["evaluate", finished.id]) == 0
    shown = f"{finished.metrics['test_elbo_nats']:.6g}"
    assert re.search(rf"test_elbo_nats +{shown} +{shown} +0 +1e-06 +agrees", capsys.readouterr().out)
    assert main(["evaluate", "stub/one", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["run"], said["agrees"]) == (finished.id, True)
    assert said["metrics"]["test_elbo_nats"]["stored"] == finished.metrics["test_elbo_nats"]
    assert said["metrics"]["test_elbo_nats"]["recomputed"] == finished.metrics["test_elbo_nats"]


def test_evaluate_finds_a_difference_and_changes_nothing(finished: Run, capsys: Said):
    change(finished, metrics={"test_elbo_nats": 1.0})
    before = {file: file.read_bytes() for file in finished.path.rglob("*") if file.is_file()}
    assert main(["evaluate", finished.id]) == 1
    assert "DIFFERS" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in finished.path.rglob("*") if file.is_file()} == before


def test_verify(store: RunStore, finished: Run, capsys: Said):
    assert main(["verify"]) == 0
    assert "0 of 0 shipped runs checked" in capsys.readouterr().out
    ship(store, finished)
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert "shipped/stub/mnist" in out
    assert "1 of 1 shipped runs checked, none left out, 0 faults" in out


def test_verify_fails_on_a_difference_an_unreadable_run_and_a_damaged_file(
    store: RunStore, finished: Run, capsys: Said
):
    change(ship(store, finished, "different"), metrics={"test_elbo_nats": finished.metrics["test_elbo_nats"] + 2e-6})
    (ship(store, finished, "unreadable").path / "run.json").write_text("{")
    (ship(store, finished, "damaged").path / "samples" / "1.png").write_bytes(b"")
    ship(store, finished, "good")
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert "shipped/stub/different: test_elbo_nats does not agree" in out
    assert "shipped/stub/unreadable does not read:" in out
    assert re.search(r"shipped/stub/damaged: .*samples/1\.png", out)
    assert "2 of 3 shipped runs checked, none left out, 3 faults" in out


def test_verify_says_what_it_could_not_check(
    store: RunStore,
    finished: Run,
    capsys: Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    shipped = ship(store, finished)
    change(shipped, config={**finished.config.to_dict(), "data": "fashion-mnist"})
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert "shipped/stub/mnist was not checked: fashion-mnist is not on this machine: downloads 29 MB" in out
    assert out.splitlines()[-1] == "0 of 1 shipped runs checked, 1 could not be checked, 0 faults"
    assert main(["verify", "--strict"]) == 1


# --- data, publish, work ----------------------------------------------------------------------------------------------


def test_data_lists_and_downloads(capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"mnist-5k +MNIST, 5,000 images +bundled, ready offline +CC BY-SA 3\.0", out)
    assert re.search(r"\nmnist +MNIST +not on this machine: downloads 11 MB", out)
    assert main(["data", "mnist-5k"]) == 0
    assert capsys.readouterr().out == "mnist-5k: bundled, ready offline\n"

    calls = []

    def download(name: str, progress: object) -> None:
        calls.append(name)
        progress(5, 10)  # type: ignore[operator]
        progress(10, 10)  # type: ignore[operator]

    monkeypatch.setattr(commands.data_sets, "download", download)
    assert main(["data", "mnist"]) == 0
    assert calls == ["mnist"]
    assert "10.0/10.0" in capsys.readouterr().err


def test_a_failed_download_is_one_line(capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def download(name: str, progress: object) -> None:
        raise DataError("MNIST could not be downloaded", "Check the network")

    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    monkeypatch.setattr(commands.data_sets, "download", download)
    assert main(["data", "mnist"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last == "python -m core data: MNIST could not be downloaded. Check the network."


def test_publish(store: RunStore, finished: Run, capsys: Said):
    assert main(["publish", finished.id, "--name", "mnist"]) == 0
    assert re.match(r"shipped/stub/mnist: \d\.\d MB in ", capsys.readouterr().out)
    assert store.get("shipped/stub/mnist").metrics == pytest.approx(finished.metrics, rel=1e-2)  # weights are halved
    assert main(["publish", finished.id, "--name", "mnist"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["publish", finished.id, "--name", "mnist", "--replace", "--quick"]) == 0
    assert main(["publish", "shipped/stub/mnist", "--replace"]) == 0
    assert main(["verify", "--strict"]) == 0


def test_work_trains_a_queued_run(store: RunStore, tiny: str, capsys: Said):
    run = fresh(store)
    assert main(["work", run.id]) == 0
    assert store.get(run.id).status == "finished"
    assert main(["work", run.id]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].endswith("has finished already. Train another run.")


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("frob", "invalid choice: 'frob'"),
        ("list --frob", "unrecognized arguments: --frob"),
        ("list own", "unrecognized arguments: own"),
        ("train", "no experiment is named"),
        ("train nope", "there is no experiment 'nope'. The experiments are: classifier, vae, latent_vae"),
        ("train ../stub", "there is no experiment '../stub'"),
        ("train stub --set", "expected at least one argument"),
        ("train stub --set epochs", "'epochs' is not a setting. Write it as key=value"),
        ("train stub --set colour=1", "there is no option 'colour'. The options are: data, epochs"),
        ("train stub --set epochs=0", "epochs = 0 is not allowed. Give a whole number from 1 to"),
        ("train stub --set epochs=many", "epochs = 'many' is not allowed"),
        ("train stub --set epochs=nan", "epochs = 'nan' is not allowed"),
        ("train stub --seed -1", "seed = -1 is not allowed"),
        ("train stub --seed=1.5", "seed = '1.5' is not allowed"),
        ("train stub --data cifar", "data = 'cifar' is not allowed. Give one of mnist"),
        ("train stub --data mnist", "mnist is not on this machine: downloads 11 MB. Run python -m core data mnist"),
        ("train stub --data mnist-5k --device tpu", "argument --device: invalid choice: 'tpu'"),
        ("train stub --data mnist-5k --name ../x", "'../x' is no name for a run"),
        ("train stub --data mnist-5k --name one", "there is a run stub/one already"),
        ("train --resume own/stub/none", "there is no run 'own/stub/none'"),
        ("train --resume own/stub/../stub/one", "there is no run"),
        ("train --resume own/stub/one --seed 1", "a resumed run keeps its settings"),
        ("train --resume own/stub/one --set epochs=9", "a resumed run keeps its settings"),
        ("train classifier --resume own/stub/one", "own/stub/one is no run of 'classifier'"),
        ("train --resume own/stub/one", "own/stub/one is finished. Only a stopped"),
        ("train --resume own/stub/broken", "run.json: it is no readable JSON"),
        ("evaluate", "the following arguments are required: RUN"),
        ("evaluate nope", "there is no run 'nope'"),
        ("evaluate /etc/passwd", "there is no run '/etc/passwd'"),
        ("evaluate own/stub/one --device tpu", "argument --device: invalid choice: 'tpu'"),
        ("evaluate own/stub/broken", "run.json: it is no readable JSON"),
        ("evaluate own/stub/bare", "weights.safetensors is missing"),
        ("verify --device tpu", "argument --device: invalid choice: 'tpu'"),
        ("verify own", "unrecognized arguments: own"),
        ("data nope", "there is no data set 'nope'. The data sets are: mnist"),
        ("publish own/stub/none", "there is no run"),
        ("publish own/stub/stopped", "own/stub/stopped is stopped, not finished"),
        ("publish own/stub/one --name A/B", "'A/B' is no name for a run"),
        ("work own/stub/none", "there is no run"),
        ("work own/stub/busy", "own/stub/busy is being trained by another process"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    store: RunStore,
    finished: Run,
    capsys: Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    says: str,
):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path / "nothing"))
    fresh(store, "broken").path.joinpath("run.json").write_text("{")
    mark(fresh(store, "stopped"), status="stopped")
    change(fresh(store, "bare"), status="finished")
    busy = fresh(store, "busy")
    before = {file for file in tmp_path.rglob("*") if file.name != LOCK}
    with Lock.take(busy.path / LOCK):
        code = main(words.split())
    said = capsys.readouterr()
    line = said.err.strip()
    assert code == 2
    assert says in line
    assert line.startswith("python -m core")
    assert "\n" not in line
    assert said.out == ""
    assert {file for file in tmp_path.rglob("*") if file.name != LOCK} == before  # and nothing was made


def test_a_device_that_is_not_on_this_machine(
    store: RunStore, finished: Run, capsys: Said, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    ship(store, finished)
    train = ["train", "stub", "--data", "mnist-5k", "--name", "two"]
    for words in (train, ["evaluate", finished.id], ["verify"]):
        assert main([*words, "--device", "cuda"]) == 2
        line = capsys.readouterr().err.strip()
        assert re.search(r"the device 'cuda' is not on this machine\. Use auto or one of: .*cpu\.$", line)
        assert "\n" not in line
    assert [run.name for run in store.list()] == ["mnist", "one"]


def test_read_only_refuses_training(store: RunStore, tiny: str, capsys: Said, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_READONLY", "1")
    assert main(["train", "stub", "--data", "mnist-5k"]) == 2
    assert "training is switched off here. Unset EPOCH_ATLAS_READONLY to train." in capsys.readouterr().err
    assert store.list() == []


def test_settings_that_are_wrong(store: RunStore, tiny: str, capsys: Said, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EPOCH_ATLAS_THREADS", "many")
    assert main(["train", "stub", "--data", "mnist-5k"]) == 2
    assert "EPOCH_ATLAS_THREADS is 'many'" in capsys.readouterr().err


def test_a_runs_folder_that_cannot_be_written(
    store: RunStore,
    tiny: str,
    capsys: Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(tmp_path / "file"))
    assert main(["train", "stub", "--data", "mnist-5k"]) == 2
    line = capsys.readouterr().err.strip()
    assert re.search(r"cannot be made \(.*\)\. Point EPOCH_ATLAS_RUNS at a folder that can be written\.$", line)
    assert "\n" not in line


def test_any_error_of_the_system_is_one_line(capsys: Said, monkeypatch: pytest.MonkeyPatch):
    def fail(arguments: object) -> int:
        raise PermissionError(13, "Permission denied", "/root/secret")

    monkeypatch.setattr(commands, "list_runs", fail)
    assert main(["list"]) == 2
    assert capsys.readouterr().err == "python -m core list: /root/secret: Permission denied.\n"


def test_ctrl_c_anywhere_is_130(capsys: Said, monkeypatch: pytest.MonkeyPatch):
    def interrupt(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "verify", interrupt)
    assert main(["verify"]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


# --- help and start ---------------------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_an_experiments_settings(capsys: Said):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("list", "train", "evaluate", "verify", "data", "publish", "work"):
        assert re.search(rf"^ +{name} ", out, re.MULTILINE)
    assert main(["train", "vae", "--help"]) == 0
    out = capsys.readouterr().out
    assert "settings of vae, with their defaults:" in out
    assert re.search(r"epochs=\d+  passes over the training data: a whole number from 1 to 500", out)


def test_a_closed_pipe_is_no_traceback(store: RunStore):
    mark(fresh(store), status="stopped")
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, "-m", "core", "list"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE
    ) as process:
        os.close(writer)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert b"Traceback" not in said


def test_it_starts_without_torch(store: RunStore):
    code = (
        "import sys\n"
        "from core.cli import main\n"
        "commands = ('list', 'data', 'list --json', '--help', 'train nope', 'evaluate x')\n"
        "codes = [main(words.split()) for words in commands]\n"
        "print(codes, 'torch' in sys.modules, 'streamlit' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 2, 2] False False"


def test_the_module_runs(store: RunStore):
    command = [sys.executable, "-m", "core", "data", "nope"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"python -m core data: there is no data set 'nope'. The data sets are: {', '.join(data.DATASETS)}.\n"
    )


def test_the_work_command_is_what_a_job_runs(store: RunStore):
    run = fresh(store)
    done = subprocess.run([*SCRIPT, "work", run.id], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert store.get(run.id).status == "finished"


def test_help_says_when_a_setting_matters(capsys: Said):
    assert main(["train", "vae", "--help"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"sigma=0\.4 .*, only where likelihood is gaussian", said)
    assert "averaging" not in said


def test_a_setting_that_does_nothing_is_said_in_a_line(store: RunStore, monkeypatch, capsys: Said):
    monkeypatch.setattr(commands, "_work", lambda run, device: 0)
    assert main(["train", "vae", "--data", "mnist-5k", "--set", "likelihood=bernoulli", "sigma=0.3"]) == 0
    assert "note: sigma changes nothing here: it matters only where likelihood is gaussian" in capsys.readouterr().err
    assert main(["train", "vae", "--data", "mnist-5k", "--set", "averaging=0.5"]) == 0
    assert "note:" not in capsys.readouterr().err
