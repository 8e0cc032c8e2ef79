"""Goal: on a GPU the same scripts keep the same promises: numbers as on the CPU, bfloat16 by themselves, a killed training that goes on, and a
plain word when the card is full. Method: the real scripts on the tiny model; collected only where there is a CUDA device (conftest.py)."""

import pytest
import test_score
import torch
from test_score import NUMBERS, OPENING, ask, completion, reference


@pytest.fixture(scope="module")
def scorer(tiny_model):
    process, address = test_score.start(tiny_model, device="cuda")
    yield address
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def test_a_text_is_as_probable_as_on_the_cpu(scorer, tiny_model):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_model).eval(), AutoTokenizer.from_pretrained(tiny_model)
    for one in NUMBERS:
        prompt, given = f"{OPENING} what is {one} plus two ?", f" the answer is {one} ."
        wanted = reference(model, tokenizer(prompt)["input_ids"], tokenizer(prompt + given)["input_ids"])
        answer = ask(scorer, completion(prompt, given))
        assert [value for value, _ in answer["tokens"]] == pytest.approx([value for value, _ in wanted], abs=1e-4)
        assert [rank for _, rank in answer["tokens"]] == [rank for _, rank in wanted]


@pytest.mark.parametrize(("kind", "adapter"), [("dpo", "lora"), ("sft", "full"), ("dpo", "full")])
def test_a_training_takes_bfloat16_by_itself_and_goes_on_after_a_kill(kind, adapter, train, settings_of, tmp_path):
    settings = settings_of(kind, adapter=adapter, dtype="auto")
    killed = train(settings)
    killed.until(lambda event: event.get("checkpoint", "").endswith("checkpoint-4"))
    killed.kill()
    done = train(settings).end()
    assert (done["steps"], done["dtype"]) == (8, "bfloat16")
    assert done["device"].startswith("cuda:0")
    # Killed while checkpoint 4 was said: whole or not, the one before it is.
    assert done["resumed_from"] in ([2], [4])
    assert (tmp_path / "work" / "output" / ("adapter_model.safetensors" if adapter == "lora" else "model.safetensors")).exists()


def test_a_full_card_is_said_with_the_setting_that_helps(train, settings_of):
    torch.zeros(1, device="cuda")
    free, _ = torch.cuda.mem_get_info()
    taken = torch.empty(max(0, free - (420 << 20)), dtype=torch.uint8, device="cuda")
    try:
        end = train(settings_of("sft", dtype="auto")).end()
    finally:
        del taken
        torch.cuda.empty_cache()
    assert end["code"] == "TrainerOutOfMemory"
    assert end["next"].startswith("Fewer rows at a time")
