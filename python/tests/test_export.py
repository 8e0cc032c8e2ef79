"""Goal: a model comes out of each form as the same model, or not at all; nothing half made is left, and no pickle is loaded.
Method: a random Llama of two layers with the vocabulary of the shipped model; export.py's own functions, called in this process because
each start of the libraries takes seconds, and as a child where it is the process that matters."""

import errno
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(FOLDER))

import child  # noqa: E402
import export  # noqa: E402


class Failed(Exception):
    """What would have been the child's last line."""


@pytest.fixture
def run(monkeypatch):
    """Runs a subcommand; returns the events, or raises Failed."""
    events = []

    def fail(code, what, why, next, details=None):
        raise Failed(code, f"{what} {why} {next}")

    monkeypatch.setattr(child, "claim_stdout", lambda: None)
    monkeypatch.setattr(child, "emit", lambda event, **fields: events.append({"event": event, **fields}))
    monkeypatch.setattr(child, "done", lambda **fields: events.append({"event": "done", **fields}))
    monkeypatch.setattr(child, "fail", fail)

    def start(*arguments):
        events.clear()
        monkeypatch.setattr(sys, "argv", ["export.py", *map(str, arguments)])
        try:
            export.main()
        except Failed as error:
            # main's own net would catch it a second time and call it Unexpected: the first word counts.
            raise (error.__context__ if isinstance(error.__context__, Failed) else error) from None
        assert events[-1]["event"] == "done"
        return list(events)

    return start


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    argv, sys.argv = sys.argv, ["make_tiny_model.py", str(folder), "1"]
    try:
        runpy.run_path(str(FOLDER.parent / "test" / "fixtures" / "make_tiny_model.py"))
    finally:
        sys.argv = argv
    return folder


@pytest.fixture(scope="module")
def adapters(tiny, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    paths = [folder / "one", folder / "two"]
    argv, sys.argv = sys.argv, ["make_adapter.py", str(tiny), str(paths[0]), "1", str(paths[1]), "2"]
    try:
        runpy.run_path(str(FOLDER.parent / "test" / "fixtures" / "make_adapter.py"))
    finally:
        sys.argv = argv
    return paths


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_folder_to_gguf_and_back_is_the_same_model(run, tiny, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run("to-gguf", "--folder", tiny, "--outtype", "f32", "--out", tmp_path / "m.gguf")
    run("from-gguf", "--gguf", tmp_path / "m.gguf", "--out", tmp_path / "back")
    before, after = weights(tiny), weights(tmp_path / "back")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert "quantization_config" not in config
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (tiny, tmp_path / "back")]
    text = "What is 17 + 1234?<|im_end|> naïve 日本"
    assert tokenizers[0](text)["input_ids"] == tokenizers[1](text)["input_ids"]
    talk = [{"role": "user", "content": "hi"}]
    assert tokenizers[0].apply_chat_template(talk, tokenize=False) == tokenizers[1].apply_chat_template(talk, tokenize=False)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "back")
    assert not getattr(model, "is_quantized", False)
    # As transformers 4 reads it, too, and by whoever may read the other files.
    settings = json.loads((tmp_path / "back" / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not {"backend", "is_local", "local_files_only"} & settings.keys()
    assert len({path.stat().st_mode for path in (tmp_path / "back").iterdir()}) == 1
    ids = torch.tensor([tokenizers[0](text)["input_ids"]])
    assert torch.allclose(model(ids).logits, AutoModelForCausalLM.from_pretrained(tiny)(ids).logits, atol=1e-5)


def test_merging_adds_every_adapter_and_nothing_else(run, tiny, adapters, tmp_path):
    import torch
    from safetensors.torch import load_file

    run("merge", "--base", tiny, "--adapter", adapters[0], "--adapter", adapters[1], "--out", tmp_path / "merged")
    before, after = weights(tiny), weights(tmp_path / "merged")
    assert before.keys() == after.keys()
    scale = 8 / 4  # lora_alpha / r of make_adapter.py
    for name, base in before.items():
        expected = base.clone()
        for adapter in adapters:
            layers = load_file(adapter / "adapter_model.safetensors")
            key = f"base_model.model.{name.removesuffix('.weight')}"
            if f"{key}.lora_A.weight" in layers:
                expected += scale * layers[f"{key}.lora_B.weight"] @ layers[f"{key}.lora_A.weight"]
        assert torch.allclose(after[name], expected, atol=1e-6), name
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj"}
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        assert (tmp_path / "merged" / name).read_bytes() == (tiny / name).read_bytes()


def test_merging_keeps_updates_that_the_base_s_precision_would_round_away(run, tiny, adapters, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    base = tmp_path / "coarse"
    shutil.copytree(tiny, base)
    coarse = {name: (value * 0 + 0.02).to(torch.bfloat16) for name, value in weights(tiny).items()}
    save_file(coarse, base / "model.safetensors", metadata={"format": "pt"})
    small = tmp_path / "small"
    shutil.copytree(adapters[0], small)
    adapter = load_file(small / "adapter_model.safetensors")
    settings = json.loads((small / "adapter_config.json").read_text())
    scale = settings["lora_alpha"] / settings["r"]
    # Every update is 1e-5: half of the distance to the next number of bfloat16 is 6e-5.
    for name, value in adapter.items():
        adapter[name] = torch.full_like(value, 1.0 if "lora_A" in name else 1e-5 / (scale * settings["r"]))
    save_file(adapter, small / "adapter_model.safetensors", metadata={"format": "pt"})

    run("merge", "--base", base, "--adapter", small, "--adapter", small, "--out", tmp_path / "merged")
    after = weights(tmp_path / "merged")
    changed = {name.removeprefix("base_model.model.").replace(".lora_A", "") for name in adapter if "lora_A" in name}
    assert changed
    for name in changed:
        step = after[name].double() - coarse[name].double()
        assert torch.allclose(step, torch.full_like(step, 2e-5), rtol=0.02, atol=0)


@pytest.mark.parametrize("where", ["in the folder", "on the hub"])
def test_code_that_comes_with_a_model_is_not_run(run, tiny, tmp_path, monkeypatch, where):
    folder, trace = tmp_path / "hostile", tmp_path / "was-run"
    shutil.copytree(tiny, folder)
    (folder / "code.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Tok: pass\n")
    mapped = {"AutoTokenizer": ["code.Tok" if where == "in the folder" else "evil/code--code.Tok", None]}
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text())
        settings["auto_map"] = mapped if name == "tokenizer_config.json" else {"AutoConfig": "code.Tok"}
        (folder / name).write_text(json.dumps(settings))

    asked = []
    from transformers import AutoTokenizer

    load = AutoTokenizer.from_pretrained

    def watched(path, *args, **options):
        asked.append(json.loads((Path(path) / "tokenizer_config.json").read_text()))
        return load(path, *args, **options)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", watched)
    run("to-gguf", "--folder", folder, "--outtype", "f32", "--out", tmp_path / "m.gguf")
    assert asked
    assert all("auto_map" not in settings for settings in asked)
    assert not trace.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostile", "m.gguf"]


def test_weights_under_another_name_do_not_make_way_for_a_pickle(run, tiny, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle, which is not looked at")
    with pytest.raises(Failed, match="pickles are never loaded"):
        run("to-gguf", "--folder", folder, "--outtype", "f32", "--out", tmp_path / "m.gguf")


def damaged(adapter: Path, folder: Path, damage) -> Path:
    path = folder / "damaged"
    shutil.copytree(adapter, path)
    damage(path)
    return path


def no_such_module(path: Path) -> None:
    config = json.loads((path / "adapter_config.json").read_text())
    (path / "adapter_config.json").write_text(json.dumps({**config, "target_modules": ["no_such_module"]}))


def not_a_number(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    layers = load_file(path / "adapter_model.safetensors")
    save_file({name: layer * float("nan") for name, layer in layers.items()}, path / "adapter_model.safetensors")


def pickled(path: Path) -> None:
    (path / "adapter_model.safetensors").rename(path / "adapter_model.bin")


def test_merging_and_converting_in_one_go_gives_the_bytes_of_two_steps(run, tiny, adapters, tmp_path):
    once, twice = tmp_path / "once", tmp_path / "twice"
    run("merge", "--base", tiny, "--adapter", adapters[0], "--out", once, "--gguf", tmp_path / "once.gguf", "--outtype", "q8_0")
    run("merge", "--base", tiny, "--adapter", adapters[0], "--out", twice)
    run("to-gguf", "--folder", twice, "--outtype", "q8_0", "--out", tmp_path / "twice.gguf")
    assert (once / "model.safetensors").read_bytes() == (twice / "model.safetensors").read_bytes()
    assert (tmp_path / "once.gguf").read_bytes() == (tmp_path / "twice.gguf").read_bytes()


@pytest.mark.parametrize("damage", [no_such_module, not_a_number, pickled])
def test_an_adapter_that_cannot_be_merged_is_refused_and_leaves_nothing(run, tiny, adapters, tmp_path, damage):
    adapter = damaged(adapters[0], tmp_path, damage)
    with pytest.raises(Failed) as failure:
        run("merge", "--base", tiny, "--adapter", adapter, "--out", tmp_path / "merged")
    assert failure.value.args[0] == "ModelIncomplete"
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


@pytest.mark.parametrize(("outtype", "step"), [("q8_0", 1 / 127), ("q5_0", 1 / 15), ("q4_0", 1 / 7)])
def test_a_quantized_gguf_has_the_same_tensors_each_within_a_step_of_its_block(run, tiny, tmp_path, outtype, step):
    import gguf
    import numpy

    run("to-gguf", "--folder", tiny, "--outtype", "f16", "--out", tmp_path / "m.gguf")
    done = run("quantize", "--gguf", tmp_path / "m.gguf", "--outtype", outtype, "--out", tmp_path / "small.gguf")[-1]
    whole, small = gguf.GGUFReader(tmp_path / "m.gguf"), gguf.GGUFReader(tmp_path / "small.gguf")
    assert done["parameters"] == sum(int(tensor.n_elements) for tensor in whole.tensors)
    assert (tmp_path / "small.gguf").stat().st_size < (tmp_path / "m.gguf").stat().st_size
    changed = ("GGUF.", "general.file_type", "general.quantization_version")
    kept = [name for name in whole.fields if not name.startswith(changed)]
    assert [small.get_field(name).contents() for name in kept] == [whole.get_field(name).contents() for name in kept]
    quantized = 0
    for before, after in zip(whole.tensors, small.tensors, strict=True):
        assert (after.name, after.shape.tolist()) == (before.name, before.shape.tolist())
        values = gguf.quants.dequantize(before.data, before.tensor_type).reshape(-1, 1 if len(before.shape) == 1 else 32)
        again = gguf.quants.dequantize(after.data, after.tensor_type).reshape(values.shape)
        if after.tensor_type == before.tensor_type:
            assert numpy.array_equal(values, again)
            continue
        quantized += 1
        finer = before.name in ("token_embd.weight", "output.weight")
        assert after.tensor_type.name == ("Q8_0" if finer else outtype.upper())
        # A block's largest value spans its steps; numbers are off by half a step, the largest of the other sign by a whole one.
        allowed = numpy.abs(values).max(axis=1, keepdims=True) * ((1 / 127) if finer else step) * 1.05
        assert (numpy.abs(values - again) <= allowed).all()
    assert quantized > 2


def test_what_is_quantized_already_is_not_quantized_again(run, tiny, tmp_path):
    run("to-gguf", "--folder", tiny, "--outtype", "q8_0", "--out", tmp_path / "m.gguf")
    with pytest.raises(Failed) as error:
        run("quantize", "--gguf", tmp_path / "m.gguf", "--outtype", "q4_0", "--out", tmp_path / "small.gguf")
    assert error.value.args[0] == "ModelIncomplete" and "quantized already" in error.value.args[1]
    assert not (tmp_path / "small.gguf").exists()


def test_a_tokenizer_that_training_would_read_otherwise_is_found_out(run, tiny, tmp_path, monkeypatch):
    import transformers

    run("to-gguf", "--folder", tiny, "--outtype", "f16", "--out", tmp_path / "m.gguf")
    real = transformers.AutoTokenizer.from_pretrained

    class SplitsOtherwise:
        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __call__(self, text, **options):
            return self.tokenizer(text.replace("  ", " "), **options)

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *a, **k: SplitsOtherwise(real(*a, **k)))
    with pytest.raises(Failed) as failure:
        run("from-gguf", "--gguf", tmp_path / "m.gguf", "--out", tmp_path / "back")
    assert failure.value.args[0] == "ModelIncomplete"
    assert "tokenizer" in failure.value.args[1]


def test_a_gguf_of_an_unknown_kind_is_refused_with_what_to_do(run, tiny, tmp_path):
    run("to-gguf", "--folder", tiny, "--outtype", "f16", "--out", tmp_path / "m.gguf")
    bytes_ = (tmp_path / "m.gguf").read_bytes()
    name = b"general.architecture" + (8).to_bytes(4, "little") + (5).to_bytes(8, "little")
    assert name + b"llama" in bytes_
    (tmp_path / "odd.gguf").write_bytes(bytes_.replace(name + b"llama", name + b"lxama"))
    with pytest.raises(Failed) as failure:
        run("from-gguf", "--gguf", tmp_path / "odd.gguf", "--out", tmp_path / "back")
    assert failure.value.args[0] == "ModelIncomplete"
    assert "as-is" in failure.value.args[1]


def test_a_folder_that_llama_cpp_does_not_know_is_refused(run, tiny, tmp_path):
    odd = tmp_path / "odd"
    shutil.copytree(tiny, odd)
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps({**config, "architectures": ["UnheardOfForCausalLM"]}))
    with pytest.raises(Failed) as failure:
        run("to-gguf", "--folder", odd, "--outtype", "q8_0", "--out", tmp_path / "m.gguf")
    assert failure.value.args[0] == "ModelIncomplete"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd"]


def test_what_stood_there_is_replaced_by_a_whole_one_and_kept_when_there_is_none(run, tiny, adapters, tmp_path):
    out = tmp_path / "merged"
    out.mkdir()
    (out / "old").write_text("old")
    with pytest.raises(Failed):
        run("merge", "--base", tiny, "--adapter", tmp_path / "missing", "--out", out)
    assert (out / "old").read_text() == "old"
    run("merge", "--base", tiny, "--adapter", adapters[0], "--out", out)
    assert not (out / "old").exists()
    assert (out / "model.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device (os error 28)")]
)
def test_a_full_disk_is_called_that(run, tiny, adapters, tmp_path, monkeypatch, error):
    import transformers

    def full(*_, **__):
        raise error

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", full)
    with pytest.raises(Failed) as failure:
        run("merge", "--base", tiny, "--adapter", adapters[0], "--out", tmp_path / "merged")
    assert failure.value.args[0] == "DiskFull"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["to-gguf", "--folder", "a", "--outtype", "q4_0", "--out", "b"],
        ["merge", "--base", "a", "--out", "b"],
        ["merge", "--base", "a", "--adapt", "c", "--out", "b"],
        ["to-gguf", "--folder", "a", "--outtype", "f16", "--out", "b", "--quick"],
        ["shrink"],
        [],
    ],
)
def test_unknown_words_are_refused(run, arguments):
    with pytest.raises(Failed) as failure:
        run(*arguments)
    assert failure.value.args[0] == "InvalidInput"


def start(*arguments):
    command = [sys.executable, str(FOLDER / "export.py"), *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )


def test_as_a_child_it_says_its_error_in_one_line_and_ends_with_1():
    with start("merge", "--base", "/nowhere", "--adapter", "/nowhere", "--out", "/nowhere/out") as process:
        line = json.loads(process.stdout.read())
        assert process.wait() == 1
    assert line["event"] == "error"
    assert line["code"] == "ModelIncomplete"


def test_as_a_child_it_ends_with_its_parent(tiny, tmp_path):
    with start("to-gguf", "--folder", tiny, "--outtype", "f16", "--out", tmp_path / "m.gguf") as process:
        process.stdout.readline()  # it has begun
        process.stdin.close()
        assert process.wait(10) == -9
    assert not (tmp_path / "m.gguf").exists()
