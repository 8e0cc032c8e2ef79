"""Goal: a training ends with what its settings say, however often it was killed on the way, and says plainly why it cannot.
Method: the real TRL on a random model of two layers, as a child process that is killed where the test wants it."""

import fcntl
import json
import math
import shutil
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import train as script
from conftest import plain_rows


def steps_of(run) -> list[int]:
    """The steps that a run really made (it says step 0 or the resumed one before the first)."""
    said = [each["step"] for each in run.of("progress") if each["phase"] in ("step", "checkpoint")]
    return sorted({step for step in said if step != said[0]})


def test_dpo_killed_and_resumed_is_the_same_as_undisturbed(train, settings_of, tmp_path):
    whole = train(settings_of("dpo", work_dir=str(tmp_path / "whole")))
    done = whole.end()
    assert (done["steps"], done["rows"], done["device"], done["dtype"]) == (8, 8, "cpu", "float32")
    assert done["tokens"] > 0
    assert done["metrics"]["rewards_margins"] > 0
    assert steps_of(whole) == list(range(1, 9))
    assert done["resumed_from"] == []
    assert done["curve"]["steps"] == list(range(1, 9))
    assert list(done["curve"]["metrics"]) == ["loss", "rewards_margins", "rewards_accuracies"]

    # Killed while the checkpoint of step 6 is being written: as far as a resume can see, it lacks its mark.
    settings = settings_of("dpo", work_dir=str(tmp_path / "killed"))
    killed = train(settings)
    killed.until(lambda event: event.get("checkpoint", "").endswith("checkpoint-6"))
    killed.kill()
    half = tmp_path / "killed" / "checkpoints" / "checkpoint-6"
    (half / "COMPLETE").unlink()

    resumed = train(settings)
    again = resumed.end()
    assert [Path(each["checkpoint"]).name for each in resumed.of("checkpoint-skipped")] == ["checkpoint-6"]
    assert steps_of(resumed) == [5, 6, 7, 8]
    assert again["resumed_from"] == [4]
    assert again["curve"] == done["curve"]
    assert {name: again[name] for name in ("steps", "rows", "tokens")} == {name: done[name] for name in ("steps", "rows", "tokens")}
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "killed" / "output" / name).read_bytes() == (tmp_path / "whole" / "output" / name).read_bytes()

    # Ended, but its caller died before it wrote that down: said again at once, nothing is trained.
    repeated = train(settings)
    assert repeated.end() == again
    assert steps_of(repeated) == []

    # Trained to the end, killed before the output was in place: published from the last checkpoint.
    (tmp_path / "killed" / "result.json").unlink()
    shutil.rmtree(tmp_path / "killed" / "output")
    published = train(settings)
    assert published.end() == again
    assert steps_of(published) == []


def test_sft_of_conversations_in_full(train, settings_of, tmp_path, tiny_model):
    def message(role, text):
        return [{"role": role, "content": text}]

    rows = [{"prompt": message("user", row["prompt"]), "completion": message("assistant", row["completion"])} for row in plain_rows("sft")]
    rows.append({"prompt": message("user", "plus " * 70), "completion": message("assistant", "one")})
    settings = settings_of("sft", rows, adapter="full", learning_rate=1e-3, add_bos=True, max_steps=3, checkpoint_steps=50)
    run = train(settings)
    done = run.end()
    assert (done["steps"], done["rows"], done["metrics"]["rows_dropped"]) == (3, 8, 1)

    output = Path(done["output_dir"])
    files = sorted(path.name for path in output.iterdir())
    assert {"model.safetensors", "config.json", "tokenizer.json"} < set(files)
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth")) or name in ("README.md", "trainer_state.json")]
    assert str(tmp_path) not in (output / "config.json").read_text()
    before, after = load_file(tiny_model / "model.safetensors"), load_file(output / "model.safetensors")
    assert before.keys() == after.keys()
    assert any((before[name] != after[name]).any() for name in before)


@pytest.mark.parametrize(("kind", "loss_on"), [("sft", "completion"), ("sft", "all"), ("dpo", None)])
def test_rows_that_are_cut_are_counted_and_those_without_an_answer_dropped(kind, loss_on, train, settings_of):
    rows = plain_rows(kind)
    answers = {name: " plus" * 70 for name in rows[0] if name != "prompt"}
    rows += [{**rows[0], **answers}] * 2 + [{**rows[0], "prompt": "plus " * 70}]
    done = train(settings_of(kind, rows, max_steps=1, loss_on=loss_on)).end()
    assert (done["rows"], done["metrics"]["rows_dropped"], done["metrics"]["rows_cut"]) == (10, 1, 2)


def test_the_wait_for_the_device_is_no_time_of_the_training(train, settings_of, tmp_path):
    began = time.monotonic()
    with open(tmp_path / "device.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = train(settings_of("sft", max_steps=1))
        run.until(lambda event: event["event"] == "waiting-for-device")
        time.sleep(3)
    done = run.end()
    assert done["waited_seconds"] >= 3
    assert done["seconds"] + done["waited_seconds"] <= time.monotonic() - began + 0.2


def test_dpo_against_another_reference(train, settings_of, tiny_model, tmp_path):
    from safetensors.numpy import save_file

    # The reference is another model: the loss of the first step, before anything is learned, is not that of equal policies (ln 2).
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    save_file({k: v * 3 for k, v in load_file(other / "model.safetensors").items()}, other / "model.safetensors", {"format": "pt"})
    run = train(settings_of("dpo", reference_dir=str(other), max_steps=1))
    done = run.end()
    assert abs(done["metrics"]["loss"] - 0.6931) > 0.01

    output = Path(done["output_dir"])
    assert sorted(path.name for path in output.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert str(tmp_path) not in (output / "adapter_config.json").read_text()
    assert not list((tmp_path / "work" / "checkpoints").rglob("training_args.bin"))


def plain_log_probabilities(folder: Path, rows: list[dict]) -> dict[str, list]:
    """Of each row's chosen and rejected answer under a model: (sum over its tokens, their number), by one plain forward pass a text."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    sums: dict[str, list] = {"chosen": [], "rejected": []}
    for row in rows:
        for side, found in sums.items():
            before = len(tokenizer(row["prompt"])["input_ids"])
            ids = torch.tensor([tokenizer(row["prompt"] + row[side])["input_ids"] + [tokenizer.eos_token_id]])
            with torch.no_grad():
                scores = model(ids).logits[0, :-1].log_softmax(-1)
            of_answer = scores.gather(1, ids[0, 1:, None])[before - 1 :, 0]
            found.append((of_answer.sum().item(), len(of_answer)))
    return sums


def test_losses_and_weights_against_the_first_teacher(train, settings_of, tiny_model, tmp_path):
    """A later round: the policy is a merged teacher, the reference the first one. The first step's loss by hand, from plain forward passes."""
    from safetensors.numpy import save_file

    previous = tmp_path / "previous"
    shutil.copytree(tiny_model, previous)
    weights = {name: value * 1.5 for name, value in load_file(previous / "model.safetensors").items()}
    save_file(weights, previous / "model.safetensors", {"format": "pt"})
    rows = plain_rows("dpo")
    policy, reference = (plain_log_probabilities(folder, rows) for folder in (previous, tiny_model))

    def log_sigmoid(x):
        return -math.log1p(math.exp(-x))

    beta, smoothing = 0.3, 0.1
    each = {name: [] for name in ("sigmoid", "ipo", "hinge", "robust")}
    margins = []
    for i in range(len(rows)):
        (chosen, chosen_tokens), (rejected, rejected_tokens) = policy["chosen"][i], policy["rejected"][i]
        chosen_ratio, rejected_ratio = chosen - reference["chosen"][i][0], rejected - reference["rejected"][i][0]
        margin = beta * (chosen_ratio - rejected_ratio)
        margins.append(margin)
        each["sigmoid"].append(-log_sigmoid(margin))
        each["hinge"].append(max(0.0, 1 - margin))
        each["ipo"].append((chosen_ratio / chosen_tokens - rejected_ratio / rejected_tokens - 1 / (2 * beta)) ** 2)
        each["robust"].append((-(1 - smoothing) * log_sigmoid(margin) + smoothing * log_sigmoid(-margin)) / (1 - 2 * smoothing))
    losses = {name: sum(values) / len(rows) for name, values in each.items()}
    losses["sft"] = -sum(total for total, _ in policy["chosen"]) / sum(tokens for _, tokens in policy["chosen"])
    loss_weights = {"sigmoid": 1.0, "ipo": 0.5, "hinge": 0.25, "robust": 2.0, "sft": 0.1}
    common = dict(model_dir=str(previous), reference_dir=str(tiny_model), beta=beta, max_steps=1, warmup_ratio=0.0, add_bos=False)

    mixed = train(
        settings_of(
            "dpo",
            rows,
            **common,
            batch_size=8,
            loss_type=list(loss_weights),
            loss_weights=list(loss_weights.values()),
            label_smoothing=smoothing,
        )
    ).end()
    assert mixed["metrics"]["loss"] == pytest.approx(sum(weight * losses[name] for name, weight in loss_weights.items()), abs=2e-4)
    assert mixed["metrics"]["rewards_margins_late"] == pytest.approx(sum(margins) / len(rows), abs=2e-4)
    assert mixed["metrics"]["rewards_accuracies_late"] == pytest.approx(sum(margin > 0 for margin in margins) / len(rows))

    # All weights, four batches to a step.
    full = train(
        settings_of("dpo", rows, **common, adapter="full", batch_size=2, gradient_accumulation=4, work_dir=str(tmp_path / "full"))
    ).end()
    assert full["steps"] == 1
    assert full["metrics"]["loss"] == pytest.approx(losses["sigmoid"], abs=2e-4)
    output = load_file(Path(full["output_dir"]) / "model.safetensors")
    assert any((output[name] != weights[name]).any() for name in output)


@pytest.mark.parametrize(
    ("schedule", "share"),
    [
        ("cosine", lambda left: (1 + math.cos(math.pi * (1 - left))) / 2),
        ("linear", lambda left: left),
        ("constant", lambda _: 1.0),
    ],
)
def test_the_rate_rises_and_falls_as_the_schedule_says(schedule, share, train, settings_of):
    run = train(settings_of("sft", schedule=schedule, warmup_ratio=0.25, learning_rate=1e-3, checkpoint_steps=50))
    run.end()
    rates = {each["step"]: each["metrics"]["learning_rate"] for each in run.of("progress") if "learning_rate" in each["metrics"]}
    # Two of eight steps warm up; the rate that is logged is the one that the step was made with.
    expected = [0.0, 0.5, *(share(1 - done / 6) for done in range(6))]
    assert [rates[step] for step in range(1, 9)] == pytest.approx([1e-3 * each for each in expected], abs=1e-9)


def test_texts_are_whole_characters():
    assert script.well_formed(json.loads(r'"a\ud800b\udc00\u0000c \ud83d\ude00"')) == "a\ufffdb\ufffdc \U0001f600"


def test_means_of_the_last_quarter():
    history = [{"loss": 1.0, "rewards/margins": float(step)} for step in range(10)] + [{"train_runtime": 1.0}]
    assert script.late_means(history, ("rewards/margins", "rewards/accuracies")) == {"rewards_margins_late": 8.0}


def test_a_curve_has_the_means_of_neighbours_and_few_points():
    history = [{"step": step, "loss": float(step), "rewards/margins": step / 3} for step in range(1, 131)]
    history[7]["rewards/accuracies"] = 1.0  # not of all lines
    curve = script.curve_of([*history, {"step": 130, "train_runtime": 1.0}])
    assert list(curve["metrics"]) == ["loss", "rewards_margins"]
    assert (len(curve["steps"]), curve["steps"][:2], curve["steps"][-1]) == (44, [3, 6], 130)
    assert (curve["metrics"]["loss"][:2], curve["metrics"]["loss"][-1]) == ([2.0, 5.0], 130.0)
    assert curve["metrics"]["rewards_margins"][0] == pytest.approx(2 / 3, rel=1e-3)
    assert script.curve_of([]) == {"steps": [], "metrics": {}}


def test_a_loss_that_is_no_number_is_said(train, settings_of):
    error = train(settings_of("sft", learning_rate=1e30, optimizer="sgd", adapter="full", max_steps=6)).end()
    assert (error["code"], error["what"]) == ("InvalidConfig", "The training diverged.")


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("dpo", {"learning_rat": 0.1}, "learning_rat: unknown setting"),
        ("dpo", {"batch_size": "4"}, "batch_size: expected int"),
        ("dpo", {"batch_size": True}, "batch_size: expected int"),
        ("dpo", {"seed": None}, "seed: missing"),
        ("dpo", {"schedule": "step"}, 'schedule: expected "cosine"'),
        ("dpo", {"beta": None}, "beta: dpo needs"),
        ("dpo", {"loss_on": "all"}, "loss_on: belongs to sft"),
        ("dpo", {"loss_weights": [1.0, 2.0]}, "loss_weights: 2 weights for 1 losses"),
        ("dpo", {"loss_type": ["robust"]}, "label_smoothing: loss robust needs"),
        ("sft", {"beta": 0.1}, "beta: belongs to dpo"),
        ("sft", {"batch_size": 0}, "batch_size: must be above 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(train, settings_of, kind, changes, said):
    error = train(settings_of(kind, **changes)).end()
    assert error["code"] == "InvalidInput"
    assert said in error["why"]


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ([{"prompt": "a", "chosen": "b"}], ":1"),
        ([{"prompt": "a", "chosen": "b", "rejected": [{"role": "user"}]}], ":1"),
        ([*plain_rows("dpo"), {name: [{"role": "user", "content": "x"}] for name in ("prompt", "chosen", "rejected")}], ":9"),
    ],
)
def test_rows_that_do_not_fit_are_refused(train, settings_of, rows, where):
    error = train(settings_of("dpo", rows)).end()
    assert error["code"] == "InvalidInput"
    assert f"dpo.jsonl{where} is no dpo row" in error["what"]


def test_a_model_folder_without_tokenizer_is_refused(train, settings_of, tiny_model, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_model / name, bare)
    error = train(settings_of("dpo", model_dir=str(bare))).end()
    assert error["code"] == "ModelIncomplete"
    assert "a tokenizer" in error["why"]


def test_checkpoints_of_another_job_are_never_continued(train, settings_of, tmp_path):
    foreign = tmp_path / "work" / "checkpoints" / "checkpoint-4"
    foreign.mkdir(parents=True)
    script.mark_complete(foreign, {"job": "another", "step": 4, "max_steps": 8})
    run = train(settings_of("dpo", max_steps=2))
    assert run.end()["resumed_from"] == []
    assert [(Path(each["checkpoint"]).name, each["why"]) for each in run.of("checkpoint-skipped")] == [
        ("checkpoint-4", "it was made with other settings or other rows")
    ]
    assert not foreign.is_dir()


def test_a_checkpoint_counts_only_while_all_its_files_are_whole(tmp_path, capsys):
    for step in (2, 4, 10):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "weights").write_text("0123456789")
        script.mark_complete(folder, {"job": "this"})
    assert script.last_whole_checkpoint(tmp_path, "this").name == "checkpoint-10"
    (tmp_path / "checkpoint-10" / "weights").write_text("01234")
    (tmp_path / "checkpoint-4" / "COMPLETE").write_text('{"job"')
    assert script.last_whole_checkpoint(tmp_path, "this").name == "checkpoint-2"
    skipped = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(each["why"] for each in skipped) == ["its COMPLETE file cannot be read", "weights is missing or cut short"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-2"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to"),
            "TrainerOutOfMemory",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB."), "TrainerOutOfMemory"),
        (MemoryError(), "TrainerOutOfMemory"),
        (OSError(28, "No space left on device"), "DiskFull"),
        (RuntimeError("Error while deserializing header: incomplete metadata, SafetensorError"), "ModelIncomplete"),
        (KeyError("something else"), "TrainerFailed"),
    ],
)
def test_failures_have_names(error, code, tmp_path, monkeypatch):
    class Said(Exception):
        pass

    def fail(code, *_):
        raise Said(code)

    monkeypatch.setattr(script, "fail", fail)
    with pytest.raises(Said, match=code):
        script.explain(error, tmp_path)


@pytest.mark.parametrize(
    ("cuda", "cpu", "asked", "chosen"),
    [
        (True, False, "auto", "bfloat16"),
        (False, True, "auto", "bfloat16"),
        (False, False, "auto", "float32"),
        (False, True, "float32", "float32"),
    ],
)
def test_dtype_follows_the_hardware(cuda, cpu, asked, chosen, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: cuda)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: cpu)
    assert script.choose_dtype(asked, torch) == chosen
