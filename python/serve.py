"""One llama.cpp server for one GGUF on the loopback, from start to the end of its process.

    serve.py --gguf FILE --slots N --context-tokens N --threads N [--device-lock FILE]

Waits for the device (child.py's lock), loads, says `ready {port, pid, version, context_tokens}` on stdout, and serves until it is
killed. The key that callers must show comes in ARTE_SERVE_API_KEY. Which model, when, and what to do when the server dies is
drivers/model/{pool,llama-cpp}.ts.

It runs under guard.py, which ends it with its starter: loading a model keeps Python's interpreter lock for as long as it takes, so
a thread of this process that watches stdin would not run when it is needed. SIGTERM keeps its default action for the same reason.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import time
import urllib.request

import child

# Beyond the requests that the slots work on: waiting ones, /health, /metrics. Each takes a thread while it waits.
SPARE_HTTP_THREADS = 16
# States of prompts that lost their slot, kept in ordinary memory: none. llama.cpp's default of 8 GB is more than a small machine has, and
# rows come in the order of their prefixes, so that what a slot forgets is not asked for again.
PROMPT_CACHE_MIB = 0
# llama.cpp logs from a thread of its own, which is to say why before this process ends.
LOG_FLUSH_SECONDS = 0.5


class StrictParser(argparse.ArgumentParser):
    def error(self, message: str):
        child.fail("InvalidInput", "serve.py was called wrongly.", message, self.format_usage().strip())


def main() -> None:
    parser = StrictParser(allow_abbrev=False)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--slots", type=positive, required=True, help="requests worked on at once")
    parser.add_argument("--context-tokens", type=positive, required=True, help="tokens of context of one slot")
    parser.add_argument("--threads", type=int, required=True, help="0 = as many as there are cores")
    parser.add_argument("--device-lock", help="held while this process lives")
    args = parser.parse_args()

    child.claim_stdout()
    api_key = os.environ.pop("ARTE_SERVE_API_KEY", "")
    if not api_key:
        child.fail("InvalidInput", "The server has no key.", "ARTE_SERVE_API_KEY is empty.", "Set it to a fresh random text.")
    if args.device_lock:
        child.hold_device(args.device_lock)

    # Threads that wait for each other sleep instead of spinning. On a machine with other work to do, a spinning thread keeps the
    # core from the very thread it waits for: 4 answers took 54 s that way and 3 s this way (2 cores, load 14).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = args.gguf
    params.model_alias = {"model"}  # the default is the path, and a path of this machine is nobody's business
    # -- capacity: exactly what was asked for, never quietly less
    params.n_parallel = args.slots
    params.n_ctx = args.slots * args.context_tokens
    params.fit_params = False
    params.ctx_shift = False  # a prompt that does not fit is refused; forgetting its beginning would be a wrong answer
    threads = args.threads or cores()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    # -- answers: the text as the model wrote it; nothing is taken for reasoning and moved elsewhere. (force_pure_content_parser
    # would seem to say the same, but chat answers are then no longer constrained by a JSON schema.)
    params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
    # -- prefix cache
    params.cache_prompt = True
    params.cache_ram_mib = PROMPT_CACHE_MIB
    # -- the way in
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # the system gives a free one, and nobody else can have it
    params.api_keys = [api_key]
    params.cors_origins = ""  # no browser page may call
    params.n_threads_http = 2 * args.slots + SPARE_HTTP_THREADS
    params.ui = False
    params.endpoint_slots = params.endpoint_metrics = True
    params.verbosity = 1  # errors and warnings: the rest is several lines a request

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        time.sleep(LOG_FLUSH_SECONDS)
        child.fail(
            "ModelServerFailed",
            f"llama.cpp could not serve {args.gguf}.",
            str(error),
            "Look at the end of the server's log: too little memory, a broken file, or an architecture it does not know.",
        )
    context = slot_context(server.listening_address, api_key)
    if context < args.context_tokens:
        child.fail(
            "InvalidConfig",
            f"The model reads at most {context} tokens, and context_tokens asks for {args.context_tokens}.",
            "It was trained with no longer context, and the server would cut it silently.",
            f"Set endpoint.context_tokens to {context} or less.",
        )
    child.emit(
        "ready",
        port=int(server.listening_address.rsplit(":", 1)[1]),
        pid=os.getpid(),
        version=importlib.metadata.version("xllamacpp"),
        context_tokens=args.context_tokens,
    )
    while True:
        signal.pause()


def slot_context(address: str, api_key: str) -> int:
    """Tokens that a slot really has."""
    request = urllib.request.Request(f"{address}/slots", headers={"Authorization": f"Bearer {api_key}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        return min(slot["n_ctx"] for slot in json.load(response))


def cores() -> int:
    """Cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number above 0")
    return number


if __name__ == "__main__":
    main()
