"""Train an adapter (or all weights) with DPO or SFT over TRL: `python train.py SETTINGS.json`.

Owns: one training, from a Hugging Face folder and a JSONL file to a folder of safetensors, resumable at its last whole checkpoint.
Leaves to others: which model and which rows (the caller), merging and converting the result (export.py), the store (the worker).
Said on stdout, as JSON lines (see child.py): `progress` {phase, step, max_steps, metrics, checkpoint?, device?,
device_held?}, `checkpoint-skipped`, `waiting-for-device`, `device-held`, and last either `done` or `error`.

Invariants
1. A checkpoint counts when its COMPLETE file names every file of it with its size; that file is written last. A folder without it
   is what a kill left behind: it is said, removed and passed over.
2. The output is a copy of the last checkpoint's weights, moved into place whole. Training killed at any point and started again
   with the same settings ends with the same number of steps, on a CPU with the same weights.
3. A work folder belongs to one job: checkpoints of other settings or other data are said and removed, never continued.
4. safetensors only; no code from a model folder is run; no pickle, and no path of this machine, leaves it.
"""

import hashlib
import json
import math
import os
import re
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from child import claim_stdout, done, emit, fail, heavy_imports, hold_device, read_settings, share_cores, watch_stdin


@dataclass
class Settings:
    # -- what is trained on what; none of these paths is part of the job's identity
    kind: Literal["dpo", "sft"]
    model_dir: str  # Hugging Face folder: config.json, safetensors, tokenizer
    data: str  # JSONL: {prompt, chosen, rejected} or {prompt, completion}; texts, or lists of {role, content}
    work_dir: str  # checkpoints/ and output/; the same folder again means: resume
    device_lock: str  # held while the model is in memory
    # -- the optimisation
    adapter: Literal["lora", "full"]
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    learning_rate: float
    batch_size: int  # rows of one forward pass
    gradient_accumulation: int  # forward passes of one step
    epochs: float
    max_steps: int  # 0 = as epochs say
    warmup_ratio: float  # of all steps
    schedule: Literal["cosine", "linear", "constant"]
    optimizer: str  # as transformers names it
    weight_decay: float
    max_length: int  # tokens of prompt and answer; a longer row is cut, one whose prompt alone is as long is dropped; both are counted
    dtype: Literal["auto", "float32", "bfloat16", "float16"]  # auto: bfloat16 where the hardware has it
    seed: int
    checkpoint_steps: int  # a killed training repeats at most so many steps
    # -- dpo only
    reference_dir: str | None = None  # the reference policy; left out: the model as it was before this training
    beta: float | None = None
    loss_type: list[str] = field(default_factory=list)
    loss_weights: list[float] | None = None  # one for each loss; left out: 1 each
    label_smoothing: float | None = None  # loss robust: the share of preferences taken to be wrong
    # -- sft only
    loss_on: Literal["completion", "all"] | None = None
    # -- both
    add_bos: bool = False  # see to it that every row begins with the BOS token, if there is one; else the tokenizer decides


# Kept at any time: the newest, and the one before it, because the newest may be half-written.
CHECKPOINTS_KEPT = 2
# At most so many lines in the log history: trainer_state.json is rewritten at each checkpoint.
LOG_LINES_MAX = 1_000
# Points of the curve that stays with the record of a training, which is a small document: what a plot can show.
CURVE_POINTS_MAX = 64
CURVE_METRICS = ("loss", "rewards/margins", "rewards/accuracies")
COMPLETE = "COMPLETE"
# What a published folder may hold of a checkpoint; the rest (optimizer, random states, trainer state) is the trainer's own.
WEIGHTS = re.compile(r"(adapter_config\.json|config\.json|.*\.safetensors|.*\.safetensors\.index\.json)")
TOKENIZER = re.compile(
    r"(tokenizer.*|special_tokens_map\.json|added_tokens\.json|vocab\..*|merges\.txt|chat_template.*|generation_config\.json)"
)


def main() -> None:
    watch_stdin()
    claim_stdout()
    if len(sys.argv) != 2:
        fail("InvalidInput", "train.py takes one argument.", f"Given: {sys.argv[1:]}.", "Give the path of a settings file.")
    settings = read_settings(sys.argv[1], Settings)
    check(settings)
    started = time.monotonic()
    emit("progress", phase="load", step=0, max_steps=0, metrics={})
    work = Path(settings.work_dir)
    job = job_digest(settings)
    try:
        result = finished(work, job)
        if result is None:
            last = last_whole_checkpoint(work / "checkpoints", job)
            if last is None or read_marker(last)["step"] < read_marker(last)["max_steps"]:
                last = train(settings, job, last, started)
            emit("progress", phase="save", step=read_marker(last)["step"], max_steps=read_marker(last)["max_steps"], metrics={})
            result = publish(settings, work, last)
    except Exception as error:
        explain(error, work)
    done(**result)


# ---- the training ------------------------------------------------------------------------------------------------


def train(settings: Settings, job: str, resume: Path | None, started: float) -> Path:
    """Train to the last step; returns the checkpoint that was written there."""
    rows = read_rows(settings)  # before the imports: bad rows are said at once
    # One device: with several visible the trainer would spread the batch over all of them, and mean another batch size.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    os.environ["HF_HUB_OFFLINE"] = "1"  # all is in local folders; a lookup could only hang
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    cores = share_cores()
    with heavy_imports():
        import torch
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
        from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    torch.set_num_threads(cores)
    waited = hold_device(settings.device_lock)
    started += waited  # somebody else's work is no time of this training
    emit("progress", phase="load", step=0, max_steps=0, metrics={}, device_held=True)  # from here on it is paid for

    on_cpu = not torch.cuda.is_available()
    dtype = choose_dtype(settings.dtype, torch)
    seed = settings.seed % 2**32  # the widest that numpy takes
    set_seed(seed)

    # A frozen base may be as narrow as the arithmetic; weights that are trained stay float32 (an update of 1e-7 is lost in
    # bfloat16) and are narrowed in the forward pass only.
    base_dtype = getattr(torch, dtype) if settings.adapter == "lora" else torch.float32

    def load(folder: str):
        return AutoModelForCausalLM.from_pretrained(
            folder, dtype=base_dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )

    tokenizer = AutoTokenizer.from_pretrained(settings.model_dir, trust_remote_code=False, local_files_only=True)
    if settings.add_bos:
        begin_with_bos(tokenizer, rows)
    given = len(rows)
    rows, cut = fitting(rows, tokenizer, settings.max_length)
    if not rows:
        none_fits(settings, given)
    model = load(settings.model_dir)

    common = dict(
        output_dir=str(Path(settings.work_dir) / "checkpoints"),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        warmup_steps=min(settings.warmup_ratio, 1 - 1e-9),  # below 1 it is a share of all steps
        # transformers' "constant" takes no warm-up
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        optim=settings.optimizer,
        weight_decay=settings.weight_decay,
        max_length=settings.max_length,
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",
        use_cpu=on_cpu,
        gradient_checkpointing=not on_cpu,  # memory is what a GPU lacks first; on a CPU it only costs time
        seed=seed,
        data_seed=seed,
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        save_total_limit=CHECKPOINTS_KEPT,
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is no number must be seen
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=not on_cpu,
    )
    if settings.adapter == "lora":
        peft = LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            lora_dropout=settings.lora_dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
    else:
        peft = None
    if settings.kind == "dpo":
        # A new adapter's reference is the model without it; all other cases need a second model.
        if settings.reference_dir is not None:
            reference = load(settings.reference_dir)
        else:
            reference = None if peft is not None else load(settings.model_dir)
        trainer_class = DPOTrainer
        arguments = DPOConfig(
            **common,
            beta=settings.beta,
            loss_type=settings.loss_type,
            loss_weights=settings.loss_weights,
            label_smoothing=settings.label_smoothing or 0.0,
        )
        extra = {"ref_model": reference.eval().requires_grad_(False)} if reference is not None else {}
    else:
        trainer_class = SFTTrainer
        arguments = SFTConfig(**common, completion_only_loss=settings.loss_on == "completion")
        extra = {}

    device = str(arguments.device) if on_cpu else f"{arguments.device} ({torch.cuda.get_device_name(0)})"
    before = read_marker(resume) if resume is not None else {"tokens": 0, "seconds": 0, "resumed_from": []}
    resumed_from = before["resumed_from"] + ([before["step"]] if resume is not None else [])

    class Progress(TrainerCallback):
        """Says each step, and makes checkpoints whole."""

        def __init__(self):
            self.metrics = {}
            self.tokens = before["tokens"]

        def say(self, phase, state, **more):
            now = {"step": state.global_step, "max_steps": state.max_steps, "metrics": self.metrics, "device": f"{device}, {dtype}"}
            emit("progress", phase=phase, **now, **more)

        def on_train_begin(self, args, state, control, **_):
            state.logging_steps = max(1, math.ceil(state.max_steps / LOG_LINES_MAX))
            self.say("step", state)

        def on_step_end(self, args, state, control, **_):
            if not control.should_log:  # else on_log says it, with the figures
                self.say("checkpoint" if control.should_save else "step", state)

        def on_log(self, args, state, control, logs=None, **_):
            logs = {name.replace("/", "_"): value for name, value in (logs or {}).items() if isinstance(value, (int, float))}
            if not math.isfinite(logs.get("loss", 0.0)):
                raise Diverged(state.global_step, logs["loss"])
            if "num_tokens" in logs:
                self.tokens = before["tokens"] + int(logs.pop("num_tokens"))
            if "loss" in logs:  # not the summary that follows the last step
                self.metrics = logs
                self.say("checkpoint" if control.should_save else "step", state)

        def on_save(self, args, state, control, **_):
            checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            tidy(checkpoint)
            seconds = round(before["seconds"] + time.monotonic() - started, 1)
            facts = {"job": job, "step": state.global_step, "max_steps": state.max_steps, "tokens": self.tokens, "seconds": seconds}
            facts |= {"rows": kept, "rows_dropped": given - kept, "rows_cut": cut, "metrics": self.metrics}
            facts |= {"device": device, "dtype": dtype, "resumed_from": resumed_from, "waited": round(waited, 1)}
            mark_complete(checkpoint, facts)
            self.say("checkpoint", state, checkpoint=str(checkpoint))
            self.say("step", state)

    class Trainer(trainer_class):
        def create_model_card(self, *_, **__):
            pass  # a page about the model, written with every checkpoint, with paths of this machine in it

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=peft,
        callbacks=[Progress()],
        **extra,
    )
    kept = len(trainer.train_dataset)
    if kept == 0:
        none_fits(settings, given)
    trainer.train(resume_from_checkpoint=str(resume) if resume is not None else None)
    last = last_whole_checkpoint(Path(settings.work_dir) / "checkpoints", job)
    assert last is not None, "the trainer saves at its last step"
    return last


class Diverged(Exception):
    def __init__(self, step: int, loss: float):
        super().__init__(f"The loss of step {step} is {loss}.")


def choose_dtype(asked: str, torch) -> str:
    """What `auto` means on this machine, or a refusal of what it cannot do."""
    if torch.cuda.is_available():
        if asked == "auto":
            return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
        return asked
    if asked == "float16":
        fail("InvalidConfig", "dtype float16 cannot be trained on a CPU.", "torch has no gradient scaling there.", "Write dtype: auto.")
    if asked == "auto":
        # In hardware bfloat16 halves the time of a step; without, it is emulated and slower than float32.
        has = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
        return "bfloat16" if has else "float32"
    return asked


# ---- what comes in -----------------------------------------------------------------------------------------------


def check(settings: Settings) -> None:
    """Refuse what would otherwise fail after minutes, or train something else than was meant."""
    problems = []
    if settings.kind == "dpo":
        if settings.beta is None or settings.beta <= 0:
            problems.append("beta: dpo needs a number above 0")
        if not settings.loss_type:
            problems.append("loss_type: dpo needs at least one loss")
        if settings.loss_weights is not None and len(settings.loss_weights) != len(settings.loss_type):
            problems.append(f"loss_weights: {len(settings.loss_weights)} weights for {len(settings.loss_type)} losses")
        if "robust" in settings.loss_type and not 0 < (settings.label_smoothing or 0) < 0.5:
            problems.append("label_smoothing: loss robust needs a number between 0 and 0.5")
        if settings.loss_on is not None:
            problems.append("loss_on: belongs to sft")
    else:
        if settings.loss_on is None:
            problems.append("loss_on: sft needs completion or all")
        problems += [f"{name}: belongs to dpo" for name in ("beta", "reference_dir") if getattr(settings, name) is not None]
        problems += ["loss_type: belongs to dpo"] if settings.loss_type else []
        problems += [f"{name}: belongs to dpo" for name in ("loss_weights", "label_smoothing") if getattr(settings, name) is not None]
    for name in ("lora_rank", "batch_size", "gradient_accumulation", "max_length", "checkpoint_steps", "learning_rate", "epochs"):
        if getattr(settings, name) <= 0:
            problems.append(f"{name}: must be above 0")
    for name in ("max_steps", "seed", "weight_decay", "warmup_ratio", "lora_dropout"):
        if getattr(settings, name) < 0:
            problems.append(f"{name}: must not be below 0")
    if problems:
        fail("InvalidInput", "The settings contradict each other.", "; ".join(problems) + ".", "Correct them.", problems)
    for folder in filter(None, (settings.model_dir, settings.reference_dir)):
        names = [path.name for path in Path(folder).iterdir()] if Path(folder).is_dir() else []
        missing = [
            what
            for what, there in {
                "config.json": "config.json" in names,
                "*.safetensors": any(name.endswith(".safetensors") for name in names),
                "a tokenizer": any(name in ("tokenizer.json", "tokenizer.model", "vocab.json") for name in names),
            }.items()
            if not there
        ]
        if missing:
            fail(
                "ModelIncomplete",
                f"The model folder {folder} is not whole.",
                f"It lacks {', '.join(missing)}.",
                "Give a Hugging Face folder with config, safetensors and tokenizer.",
            )


def read_rows(settings: Settings) -> list[dict]:
    """The rows with their training columns only; texts throughout, or conversations throughout."""
    columns = ("prompt", "chosen", "rejected") if settings.kind == "dpo" else ("prompt", "completion")

    def refuse(line: int, why: str):
        fail(
            "InvalidInput", f"{settings.data}:{line} is no {settings.kind} row.", why, f"Every line is an object with {', '.join(columns)}."
        )

    rows: list[dict] = []
    shape = None
    with open(settings.data, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                given = json.loads(line)
            except ValueError as error:
                refuse(number, f"It is no JSON ({error}).")
            row = {}
            for column in columns:
                value = given.get(column) if isinstance(given, dict) else None
                if isinstance(value, str):
                    found, row[column] = "text", well_formed(value)
                elif isinstance(value, list) and value and all(is_message(each) for each in value):
                    found, row[column] = "messages", [{"role": each["role"], "content": well_formed(each["content"])} for each in value]
                else:
                    refuse(number, f"{column} is neither a text nor a list of messages with role and content.")
                if shape is None:
                    shape = found
                if found != shape:
                    refuse(number, f"{column} is {found} where the rows before are {shape}.")
            rows.append(row)
    if not rows:
        fail("InvalidInput", f"{settings.data} holds no row.", "The file is empty.", "Give at least one row.")
    return rows


def well_formed(text: str) -> str:
    """As schemas/well-formed.ts has it: sets of older versions hold halves of characters, which tokenizers refuse."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def is_message(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def begin_with_bos(tokenizer, rows: list[dict]) -> None:
    """Put the BOS token before every conversation whose chat template does not do so by itself.

    A text is left as it is: the tokenizer begins it with BOS or it does not, and so does the server that is asked with the same text later."""
    if tokenizer.bos_token is None or isinstance(rows[0]["prompt"], str):
        return
    if not tokenizer.apply_chat_template(rows[0]["prompt"], tokenize=False).startswith(tokenizer.bos_token):
        tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template


def fitting(rows: list[dict], tokenizer, max_length: int) -> tuple[list[dict], int]:
    """The rows of whose answers something is left within max_length tokens, and how many of these are cut.

    Counted here, because TRL cuts without a word, and with the loss on all tokens keeps a row of which only the prompt, or a part of it, is left."""

    def tokens(value, **more) -> int:
        if isinstance(value, str):
            return len(tokenizer(value)["input_ids"])
        return len(tokenizer.apply_chat_template(value, tokenize=True, return_dict=True, **more)["input_ids"])

    def ended(text: str) -> str:  # as TRL ends it
        return text if tokenizer.eos_token is None or text.endswith(tokenizer.eos_token) else text + tokenizer.eos_token

    kept, cut = [], 0
    for row in rows:
        prompt = row["prompt"]
        before = tokens(prompt) if isinstance(prompt, str) else tokens(prompt, add_generation_prompt=True)
        if before >= max_length:
            continue
        answers = [row[column] for column in ("completion", "chosen", "rejected") if column in row]
        whole = [tokens(prompt + (ended(answer) if isinstance(answer, str) else answer)) for answer in answers]
        kept.append(row)
        cut += max(whole) > max_length
    return kept, cut


def none_fits(settings: Settings, rows: int):
    fail(
        "InvalidInput",
        f"None of the {rows} rows of {settings.data} can be trained on.",
        f"Every prompt alone fills max_length = {settings.max_length} tokens.",
        "Raise max_length, or shorten the prompts.",
    )


# ---- checkpoints and output --------------------------------------------------------------------------------------


def job_digest(settings: Settings) -> str:
    """What makes two trainings the same: the settings without this machine's paths, and the rows."""
    identity = asdict(settings)
    for name in ("model_dir", "reference_dir", "data", "work_dir", "device_lock", "checkpoint_steps"):
        del identity[name]
    identity["own_reference"] = settings.reference_dir is not None
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    try:
        with open(settings.data, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        fail("InvalidInput", f"The rows {settings.data} cannot be read.", str(error), "Give a JSONL file.")
    return digest.hexdigest()


def read_marker(checkpoint: Path) -> dict:
    return json.loads((checkpoint / COMPLETE).read_text(encoding="utf-8"))


def why_not_whole(checkpoint: Path) -> str | None:
    """None when every file that the checkpoint was finished with is there in full."""
    try:
        files = read_marker(checkpoint)["files"]
    except FileNotFoundError:
        return "it was not finished"
    except (ValueError, KeyError):
        return f"its {COMPLETE} file cannot be read"
    for name, size in files.items():
        path = checkpoint / name
        if not path.is_file() or path.stat().st_size != size:
            return f"{name} is missing or cut short"
    return None


def last_whole_checkpoint(folder: Path, job: str) -> Path | None:
    """
    The newest checkpoint that can be resumed. Said and removed are what a kill left half-written, and those of other settings: the folder is one
    training's own, so they are from before a version that has a setting more, and going on from them would not be this training.
    """
    found = []
    for path in folder.glob("checkpoint-*"):
        if path.is_dir() and path.name.removeprefix("checkpoint-").isdecimal():
            why = why_not_whole(path)
            if why is None and read_marker(path).get("job") != job:
                why = "it was made with other settings or other rows"
            if why is None:
                found.append(path)
            else:
                emit("checkpoint-skipped", checkpoint=str(path), why=why)
                shutil.rmtree(path)
    if not found:
        return None
    return max(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def tidy(checkpoint: Path) -> None:
    """Take out what must not travel: pickled arguments, and this machine's paths."""
    for name in ("training_args.bin", "README.md"):
        (checkpoint / name).unlink(missing_ok=True)
    config = checkpoint / "adapter_config.json"
    if config.exists():
        adapter = json.loads(config.read_text(encoding="utf-8"))
        adapter["base_model_name_or_path"] = "base"  # the stored bytes name no machine's path; arte export says what it is loaded onto
        # peft keeps module names in a set: sorted, equal trainings write equal bytes.
        adapter["target_modules"] = sorted(adapter["target_modules"])
        config.write_text(json.dumps(adapter, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def mark_complete(checkpoint: Path, facts: dict) -> None:
    """From here on the checkpoint counts. Everything is on the disk before the mark is."""
    files = {str(path.relative_to(checkpoint)): path.stat().st_size for path in sorted(checkpoint.rglob("*")) if path.is_file()}
    for name in files:
        sync(checkpoint / name)
    write_whole(checkpoint / COMPLETE, {**facts, "files": files})


def publish(settings: Settings, work: Path, checkpoint: Path) -> dict:
    """Put the checkpoint's weights at work/output, whole or not at all, and remember the outcome beside it."""
    marker = read_marker(checkpoint)
    output, half = work / "output", work / "output.half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    sources = [path for path in sorted(checkpoint.iterdir()) if WEIGHTS.fullmatch(path.name)]
    if settings.adapter == "full":
        # The tokenizer as it came, not as the trainer left it.
        sources += [path for path in sorted(Path(settings.model_dir).iterdir()) if TOKENIZER.fullmatch(path.name)]
    for path in sources:
        shutil.copyfile(path, half / path.name)
        sync(half / path.name)
    shutil.rmtree(output, ignore_errors=True)
    half.rename(output)
    history = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    result = {
        "output_dir": str(output),
        "steps": marker["step"],
        "rows": marker["rows"],
        "seconds": marker["seconds"],
        "waited_seconds": marker.get("waited", 0),  # for the device; in no second of the training
        # loss and its company are those of the last step logged; a single step is noisy, so the means stand beside them
        "metrics": {
            **marker["metrics"],
            "loss_mean": sum(losses) / len(losses),
            **late_means(history, ("rewards/margins", "rewards/accuracies")),
            "rows_dropped": marker["rows_dropped"],
            "rows_cut": marker.get("rows_cut", 0),  # not in a checkpoint of an older version
        },
        "tokens": marker["tokens"],
        "device": marker["device"],
        "dtype": marker["dtype"],
        "resumed_from": marker["resumed_from"],
        "curve": curve_of(history),
    }
    write_whole(work / "result.json", {"job": marker["job"], "result": result})
    return result


def late_means(history: list[dict], names: tuple[str, ...]) -> dict[str, float]:
    """Means over the last quarter of the lines logged, at least one: `rewards/margins` as rewards_margins_late. Those that are not logged are left out."""
    means = {}
    for name in names:
        values = [entry[name] for entry in history if isinstance(entry.get(name), (int, float))]
        if values:
            late = values[-math.ceil(len(values) / 4) :]
            means[f"{name.replace('/', '_')}_late"] = sum(late) / len(late)
    return means


def curve_of(history: list[dict]) -> dict:
    """How the metrics went: {"steps": [n], "metrics": {name: [n]}}, n at most CURVE_POINTS_MAX. A point is the mean of the log lines that it stands for, at the
    last of their steps; a metric that some line lacks is left out."""
    lines = [entry for entry in history if "loss" in entry]
    each = math.ceil(len(lines) / CURVE_POINTS_MAX)
    parts = [lines[start : start + each] for start in range(0, len(lines), max(each, 1))]
    metrics = {}
    for name in CURVE_METRICS:
        if lines and all(isinstance(line.get(name), (int, float)) for line in lines):
            means = [sum(line[name] for line in part) / len(part) for part in parts]
            metrics[name.replace("/", "_")] = [float(f"{mean:.4g}") for mean in means]
    return {"steps": [part[-1]["step"] for part in parts], "metrics": metrics}


def finished(work: Path, job: str) -> dict | None:
    """The outcome, where this very training has ended before: its caller died between our last word and its own record."""
    try:
        record = json.loads((work / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {**record["result"], "output_dir": str(work / "output")} if record["job"] == job and (work / "output").is_dir() else None


def write_whole(path: Path, value: dict) -> None:
    half = path.with_name(path.name + ".half")
    half.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    sync(half)
    half.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# ---- what went wrong ---------------------------------------------------------------------------------------------


def explain(error: Exception, work: Path) -> None:
    """Name the failure as schemas/errors.ts does, and end. The whole trace goes to the log."""
    import traceback

    traceback.print_exc()
    text = f"{type(error).__name__}: {error}"
    said = text.lower()
    if isinstance(error, Diverged):
        fail("InvalidConfig", "The training diverged.", str(error), "Lower learning_rate, or raise warmup_ratio.")
    if isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said or "cannot allocate memory" in said:
        fail(
            "TrainerOutOfMemory",
            "The training needs more memory than there is.",
            text[:500],
            "Fewer rows at a time need less memory, or shorter ones (max_length), or an adapter instead of all weights.",
        )
    if getattr(error, "errno", None) == 28 or "no space left" in said or free_bytes(work) < 1 << 20:
        fail("DiskFull", f"The disk that holds {work} is full.", text[:500], "Free some space, then `arte retry`.")
    if "safetensor" in said and ("header" in said or "incomplete" in said):
        fail("ModelIncomplete", "A weight file of the model cannot be read.", text[:500], "Fetch the model again.")
    fail("TrainerFailed", "The training ended with an error.", text[:2000], "See the trainer's log for the whole trace.")


def free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


if __name__ == "__main__":
    main()
