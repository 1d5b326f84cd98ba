"""A download beside the app: progress, refusal, stop, and what a process that dies leaves to say."""

import io
import json
import sys

import pytest

from core.data import fetching
from core.data.fetching import Fetch, main
from core.errors import DataError

WAIT_S = 30


def command(code):
    return (sys.executable, "-c", code)


def ended(code):
    one = Fetch("mnist", command(code))
    one.wait(WAIT_S)
    assert not one.running
    return one


def test_progress_is_heard_and_noise_is_not():
    one = ended("import json; print('warning: noise'); print(json.dumps({'done': 3, 'total': 9}))")
    assert (one.done, one.total, one.error) == (3, 9, None)


def test_a_refusal_arrives_with_its_remedy():
    one = ended("import json, sys; print(json.dumps({'problem': 'no network', 'remedy': 'Connect it'})); sys.exit(1)")
    assert (one.error.problem, one.error.remedy) == ("no network", "Connect it")


def test_a_process_that_dies_without_a_word_is_an_error():
    assert "ended with code 7" in str(ended("import sys; sys.exit(7)").error)


def test_stop_closes_the_input_that_the_process_watches():
    one = Fetch("mnist", command("import sys; print('{}', flush=True); sys.stdin.read()"))
    assert one.heard.wait(WAIT_S)
    assert one.running
    one.stop()
    one.wait(WAIT_S)
    assert not one.running


def test_one_download_of_a_data_set_at_a_time(monkeypatch):
    made = []

    class Held:
        def __init__(self, name):
            made.append(name)
            self.running = True

    monkeypatch.setattr(fetching, "Fetch", Held)
    monkeypatch.setattr(fetching, "_fetches", {})
    first = fetching.fetch("mnist")
    assert fetching.fetch("mnist") is first
    fetching.fetch("fashion-mnist")
    assert made == ["mnist", "fashion-mnist"]
    first.running = False
    assert fetching.fetch("mnist") is not first
    assert fetching.current("mnist-5k") is None


def test_read_only_deployments_download_nothing(monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_READONLY", "1")
    with pytest.raises(DataError, match="downloads are switched off"):
        fetching.fetch("mnist")


def test_an_unknown_data_set_is_refused_before_anything_starts():
    with pytest.raises(DataError, match="no data set 'imagenet'"):
        Fetch("imagenet", command("print('never')"))


def test_the_process_says_each_step(monkeypatch, capsys):
    def fake(name, progress, should_stop):
        progress(5, 10)
        progress(10, 10)
        assert name == "mnist"

    monkeypatch.setattr(fetching, "download", fake)
    assert main(["mnist"], io.StringIO()) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [{"done": 5, "total": 10}, {"done": 10, "total": 10}]


def test_the_process_says_why_not(monkeypatch, capsys):
    def fake(name, progress, should_stop):
        raise DataError("the disk is full", "Make room")

    monkeypatch.setattr(fetching, "download", fake)
    assert main(["mnist"], io.StringIO()) == 1
    assert json.loads(capsys.readouterr().out) == {"problem": "the disk is full", "remedy": "Make room"}
