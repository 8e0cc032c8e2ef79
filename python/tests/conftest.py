"""What the tests of train.py share: its settings, rows to train on, and running the script as its parent would."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from tiny_model import make_tiny_model

# Not skipped but not there: a skipped test counts as failed, and a machine without a GPU lacks no part of the project.
collect_ignore = [] if torch.cuda.is_available() else ["test_gpu.py"]

TRAIN = Path(__file__).resolve().parent.parent / "train.py"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture
def settings_of(tiny_model, tmp_path):
    """A settings file; keyword arguments replace or add settings, None takes one away."""

    def make(kind: str, rows: list[dict] | None = None, **changes) -> Path:
        data = tmp_path / f"{kind}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows or plain_rows(kind)))
        settings = {
            "kind": kind,
            "model_dir": str(tiny_model),
            "data": str(data),
            "work_dir": str(tmp_path / "work"),
            "device_lock": str(tmp_path / "device.lock"),
            "adapter": "lora",
            "lora_rank": 4,
            "lora_alpha": 8,
            "lora_dropout": 0.0,
            "learning_rate": 1e-2,
            "batch_size": 2,
            "gradient_accumulation": 1,
            "epochs": 2,
            "max_steps": 0,
            "warmup_ratio": 0.1,
            "schedule": "cosine",
            "optimizer": "adamw_torch",
            "weight_decay": 0.0,
            "max_length": 64,
            "dtype": "float32",
            "seed": 7,
            "checkpoint_steps": 2,
            **({"beta": 0.1, "loss_type": ["sigmoid"]} if kind == "dpo" else {"loss_on": "completion"}),
            **changes,
        }
        path = tmp_path / "settings.json"
        path.write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))
        return path

    return make


def plain_rows(kind: str, count: int = 8) -> list[dict]:
    numbers = ["zero", "one", "two", "three", "four", "five"]
    rows = []
    for i in range(count):
        prompt = f"what is {numbers[i % 6]} plus {numbers[i % 5]} ?"
        short, long = (
            f" the answer is {numbers[i % 4]} .",
            f" first we need to count on from {numbers[i % 6]} . the answer is {numbers[i % 4]} .",
        )
        rows.append({"prompt": prompt, "chosen": short, "rejected": long} if kind == "dpo" else {"prompt": prompt, "completion": short})
    return rows


class Run:
    """train.py as a child that leads its own process group, with our end of its stdin held open."""

    def __init__(self, settings: Path):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by the fixture that started this)
        self.process = subprocess.Popen(
            [sys.executable, str(TRAIN), str(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        self.events: list[dict] = []

    def until(self, wanted) -> dict:
        """Reads events up to the first that is wanted."""
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if wanted(self.events[-1]):
                return self.events[-1]
        raise AssertionError(f"never seen; {self.events[-3:]}\n{self.logged()}")

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> dict:
        """The last event, once the process has ended by itself."""
        # Not communicate(): it would close stdin, and with it the child's life.
        self.events += [json.loads(line) for line in self.process.stdout]
        self.process.wait(30)
        assert self.events, self.logged()
        assert self.process.returncode == (0 if self.events[-1]["event"] == "done" else 1), self.logged()
        return self.events[-1]

    def logged(self) -> str:
        self.log.seek(0)
        return self.log.read()[-2000:]

    def of(self, event: str) -> list[dict]:
        return [each for each in self.events if each["event"] == event]


@pytest.fixture
def train():
    """Starts train.py; what a test leaves running is ended with it."""
    runs: list[Run] = []

    def start(settings: Path) -> Run:
        runs.append(Run(settings))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.kill()
        for pipe in (run.process.stdin, run.process.stdout, run.log):
            pipe.close()
