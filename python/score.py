"""How probable a model finds a given text: forward passes of one Hugging Face folder, served on the loopback.

    score.py --model FOLDER --dtype float32|bfloat16|float16 --batch-rows N [--device auto|cpu|cuda|mps] [--device-lock FILE]

Owns: tokens of prompt and given text, their log-probabilities and ranks, batches over rows that begin alike. Leaves to
drivers/model/scorer.ts which model and when, to the row engine that every row is kept and none is asked twice.

Waits for the device (child.py's lock), loads, says `ready {port, pid, version, device, dtype}` on stdout, and answers until its stdin ends.
One call is one row: POST /v1/score {prompt: {kind, text | messages}, given: {lead, text}} -> {tokens: [[log-probability, rank], ...], usage}.
The key that callers must show comes in ARTE_SERVE_API_KEY.

Invariants
1. What is scored: the tokens of prompt + lead + text from the first one that differs from the tokens of prompt + lead (docs/signals.md).
2. A row's numbers depend on its tokens only, up to rounding: neither on its batch nor on what was computed before. tests/test_score.py
   holds them to 1e-4 against one plain forward pass a row.
3. Weights are data: safetensors only, no code of a model folder is run.
"""

import argparse
import hmac
import importlib.metadata
import json
import os
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import child

# A beginning that fewer tokens share is not worth a pass of its own.
SHARED_TOKENS_MIN = 16
# With fewer rows that begin alike than this a batch is filled with others: a pass over one row costs nearly as much as over eight.
ALIKE_ROWS_MIN = 3
# What a forward pass may hold in logits (rows x scored positions x vocabulary, 32 bits each): a batch that would need more is halved.
LOGIT_BYTES_MAX = 512 << 20
# How long a batch waits for rows that are on their way, once it has one: callers send the next row as soon as they have an answer.
GATHER_SECONDS = 0.01
BODY_BYTES_MAX = 16 << 20


class StrictParser(argparse.ArgumentParser):
    def error(self, message: str):
        child.fail("InvalidInput", "score.py was called wrongly.", message, self.format_usage().strip())


class Refused(Exception):
    """A row that cannot be scored: the caller's mistake, or a text longer than the model reads."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def main() -> None:
    parser = StrictParser(allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True, choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--batch-rows", type=int, required=True)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--device-lock", help="held while this process lives")
    args = parser.parse_args()

    child.claim_stdout()
    api_key = os.environ.pop("ARTE_SERVE_API_KEY", "")
    if not api_key:
        child.fail("InvalidInput", "The scorer has no key.", "ARTE_SERVE_API_KEY is empty.", "Set it to a fresh random text.")
    if args.batch_rows < 1:
        child.fail("InvalidInput", "A batch has no row.", f"--batch-rows is {args.batch_rows}.", "Give at least 1.")
    if args.device_lock:
        child.hold_device(args.device_lock)
    try:
        scorer = Scorer(args.model, args.dtype, args.device)
    except Exception as error:
        explain(error, args.model)
    work = Work(scorer, args.batch_rows)
    server = Server(("127.0.0.1", 0), handler_of(work, api_key))
    child.emit(
        "ready",
        port=server.server_address[1],
        pid=os.getpid(),
        version=importlib.metadata.version("transformers"),
        device=scorer.device,
        dtype=args.dtype,
    )
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    work.go_on()


# ---- the model ---------------------------------------------------------------------------------------------------


class Row:
    """One text to score: its tokens, and from where on they count."""

    def __init__(self, tokens: list[int], start: int):
        self.tokens = tokens
        self.start = start
        self.answer: dict | None = None
        self.failure: Exception | None = None
        self.done = threading.Event()


class Scorer:
    def __init__(self, folder: str, dtype: str, device: str):
        cores = child.share_cores()
        with child.heavy_imports():
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer

        self.torch = torch
        torch.set_num_threads(cores)
        # Sums in full precision: TensorFloat-32 would cost the third decimal.
        torch.set_float32_matmul_precision("highest")
        self.device = device if device != "auto" else best_device(torch)
        local = dict(local_files_only=True, trust_remote_code=False)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True, **local)
        self.model.to(self.device).eval()
        self.context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or (1 << 30)
        # The last beginning that was computed, with its keys and values; none where a model keeps more than those (a recurrent state).
        self.kept: tuple[list[int], object] | None = None
        self.shares = self.can_share()

    def can_share(self) -> bool:
        """Whether what the model keeps of a beginning can be cut to any length and repeated over a batch."""
        from transformers.cache_utils import DynamicCache, DynamicLayer

        with self.torch.inference_mode():
            ids = self.torch.zeros((1, 2), dtype=self.torch.long, device=self.device)
            cache = self.model(input_ids=ids, use_cache=True).past_key_values
        return type(cache) is DynamicCache and cache.is_croppable and all(type(layer) is DynamicLayer for layer in cache.layers)

    # -- tokens

    def row(self, prompt: dict, given: dict) -> Row:
        """The tokens of a request. Errors: Refused."""
        lead, text = given["lead"], given["text"]
        if prompt["kind"] == "chat":
            if not self.tokenizer.chat_template:
                raise Refused("no_chat_template", "The model has no chat template: prompt_style must be completion.")
            # As text, so that the answer's first word is cut as the training cuts it; the template brings its own special tokens.
            before = self.tokenizer.apply_chat_template(prompt["messages"], tokenize=False, add_generation_prompt=True)
            special = False
        else:
            before, special = prompt["text"], True
        encode = lambda whole: self.tokenizer(whole, add_special_tokens=special)["input_ids"]  # noqa: E731
        tokens = encode(before + lead + text)
        # What a tokenizer puts behind a text (an end token) is not part of it.
        while special and tokens and tokens[-1] == self.tokenizer.eos_token_id and not text.endswith(self.tokenizer.eos_token):
            tokens = tokens[:-1]
        # The first token of a text has nothing before it that could make it probable.
        start = max(1, shared_length(tokens, encode(before + lead)))
        if start >= len(tokens):
            raise Refused("nothing_to_score", "The given text has no token of its own.")
        if len(tokens) > self.context:
            raise Refused(
                "context_length_exceeded", f"{len(tokens)} tokens, and this model's maximum context length is {self.context} tokens."
            )
        return Row(tokens, start)

    # -- forward passes

    def score(self, rows: list[Row]) -> None:
        """Fill in the answers of rows that are worth one batch."""
        torch = self.torch
        shared = self.beginning_of(rows)
        cached = 0
        with torch.inference_mode():
            if shared:
                past, cached = self.keys_and_values(rows[0].tokens[:shared])
            for batch in self.batches(rows, shared):
                cache = repeated(past, len(batch)) if shared else None
                self.forward(batch, shared, cache)
        for index, row in enumerate(rows):
            # The beginning was computed for the first row, and found there by the others.
            reused = shared if index > 0 else cached
            row.answer["usage"] = {"prompt_tokens": len(row.tokens), "prompt_tokens_details": {"cached_tokens": reused}}

    def beginning_of(self, rows: list[Row]) -> int:
        """Tokens that all rows begin with, short of the one whose prediction is the first to be read; 0 where sharing is not worth it."""
        if not self.shares or (len(rows) < 2 and self.kept is None):
            return 0
        shared = min(row.start - 1 for row in rows)
        for row in rows[1:]:
            shared = min(shared, shared_length(rows[0].tokens, row.tokens))
        if len(rows) == 1:
            shared = min(shared, shared_length(rows[0].tokens, self.kept[0]))
        return shared if shared >= SHARED_TOKENS_MIN else 0

    def keys_and_values(self, tokens: list[int]):
        """Keys and values of a beginning, as far as possible from the last one: (cache, tokens that were there)."""
        there = shared_length(tokens, self.kept[0]) if self.kept else 0
        if there >= SHARED_TOKENS_MIN:
            cache = self.kept[1]
            cache.crop(there - len(self.kept[0]))  # crop takes off the end, and so many tokens, negative
        else:
            there, cache = 0, None
        if there < len(tokens):
            ids = self.torch.tensor([tokens[there:]], device=self.device)
            cache = self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).past_key_values
        self.kept = (tokens, cache)
        return cache, there

    def batches(self, rows: list[Row], shared: int) -> list[list[Row]]:
        first = min(row.start for row in rows)
        width = max(len(row.tokens) for row in rows) - first
        if len(rows) > 1 and 4 * len(rows) * width * self.model.config.get_text_config().vocab_size > LOGIT_BYTES_MAX:
            rows = sorted(rows, key=lambda row: len(row.tokens))
            half = len(rows) // 2
            return self.batches(rows[:half], shared) + self.batches(rows[half:], shared)
        return [rows]

    def forward(self, rows: list[Row], shared: int, cache) -> None:
        torch = self.torch
        width = max(len(row.tokens) for row in rows) - shared
        # Filled up on the right: attention looks back only, so that what is filled in changes nothing before it, and no mask is needed.
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row.tokens) - shared] = torch.tensor(row.tokens[shared:])
        first = min(row.start for row in rows) - 1 - shared
        last = width - 1
        kept = torch.arange(first, last, device=self.device)
        logits = self.model(
            input_ids=ids.to(self.device), past_key_values=cache, use_cache=cache is not None, logits_to_keep=kept
        ).logits.float()
        targets = torch.zeros((len(rows), last - first), dtype=torch.long)
        for index, row in enumerate(rows):
            own = row.tokens[shared + first + 1 :]
            targets[index, : len(own)] = torch.tensor(own)
        chosen = logits.gather(2, targets.to(self.device)[:, :, None])
        logprobs = (chosen.squeeze(2) - torch.logsumexp(logits, dim=-1)).cpu().tolist()
        ranks = (1 + (logits > chosen).sum(dim=-1)).cpu().tolist()
        for index, row in enumerate(rows):
            span = range(row.start - 1 - shared - first, len(row.tokens) - 1 - shared - first)
            row.answer = {"tokens": [[logprobs[index][at], ranks[index][at]] for at in span]}


def best_device(torch) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def shared_length(one: list[int], other: list[int]) -> int:
    length = 0
    for left, right in zip(one, other):  # noqa: B905 (ends with the shorter)
        if left != right:
            break
        length += 1
    return length


def repeated(cache, count: int):
    """A copy for a batch: forward passes write into what they are given."""
    import copy

    fresh = copy.deepcopy(cache)
    fresh.batch_repeat_interleave(count)
    return fresh


# ---- batches -----------------------------------------------------------------------------------------------------


class Work:
    """Rows that wait, and the one thread that computes."""

    def __init__(self, scorer: Scorer, batch_rows: int):
        self.scorer = scorer
        self.batch_rows = batch_rows
        self.incoming: queue.SimpleQueue[Row] = queue.SimpleQueue()
        self.waiting: list[Row] = []

    def add(self, row: Row) -> None:
        self.incoming.put(row)

    def go_on(self) -> None:
        while True:
            batch = self.next_batch()
            try:
                self.scorer.score(batch)
            except Exception as error:
                self.scorer.kept = None
                if len(batch) > 1 and is_out_of_memory(error):
                    # Smaller batches from now on: the same rows would not fit the next time either.
                    self.batch_rows = max(1, len(batch) // 2)
                    self.scorer.torch.cuda.empty_cache()
                    self.waiting = batch + self.waiting
                    continue
                for row in batch:
                    row.failure = error
            for row in batch:
                row.done.set()

    def next_batch(self) -> list[Row]:
        """The oldest row and those that begin as it does; where these are few, whoever waits longest with them."""
        self.gather()
        first, others = self.waiting[0], self.waiting[1:]
        alike = [row for row in others if shared_length(first.tokens, row.tokens) >= min(first.start, row.start) // 2]
        if len(alike) < ALIKE_ROWS_MIN:
            alike = others
        batch = [first, *alike][: self.batch_rows]
        taken = set(map(id, batch))
        self.waiting = [row for row in self.waiting if id(row) not in taken]
        return batch

    def gather(self) -> None:
        if not self.waiting:
            self.waiting.append(self.incoming.get())
        while True:
            try:
                self.waiting.append(self.incoming.get(timeout=GATHER_SECONDS if len(self.waiting) < self.batch_rows else 0))
            except queue.Empty:
                return


def is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said


# ---- the way in --------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def handler_of(work: Work, api_key: str):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            if self.allowed():
                self.say(200, {"waiting": len(work.waiting)})

        def do_POST(self):
            body = self.rfile.read(min(int(self.headers.get("content-length") or 0), BODY_BYTES_MAX))
            if not self.allowed():
                return
            if self.path != "/v1/score":
                self.refuse(404, "not_found", "There is only POST /v1/score.")
                return
            try:
                asked = json.loads(body)
                row = work.scorer.row(asked["prompt"], asked["given"])
            except Refused as error:
                self.refuse(400, error.code, str(error))
                return
            except Exception as error:  # a body of another shape, or a template that refuses the messages
                self.refuse(400, "bad_request", f"{type(error).__name__}: {error}")
                return
            work.add(row)
            row.done.wait()
            if row.failure is None:
                self.say(200, row.answer)
            else:
                self.refuse(500, "scoring_failed", f"{type(row.failure).__name__}: {row.failure}")

        def allowed(self) -> bool:
            if hmac.compare_digest(self.headers.get("authorization") or "", f"Bearer {api_key}"):
                return True
            self.refuse(401, "unauthorized", "The key is missing or wrong.")
            return False

        def refuse(self, status: int, code: str, message: str) -> None:
            self.say(status, {"error": {"code": code, "message": message[:2000]}})

        def say(self, status: int, value: dict) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass  # a line a row is no log

    return Handler


def explain(error: Exception, folder: str) -> None:
    import traceback

    traceback.print_exc()
    text = f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        child.fail("ModelServerFailed", "The scorer has too little memory for the model.", text[:500], "Use score.scorer.dtype: bfloat16.")
    child.fail("ModelServerFailed", f"The scorer cannot load {folder}.", text[:2000], "Read the end of its log.")


if __name__ == "__main__":
    child.watch_stdin()
    main()
