"""A model that trains in a second: `python tiny_model.py FOLDER` makes a Hugging Face folder with a two-layer Llama of random weights.

Owns nothing else: the tests of train.py and of the drivers that start it train this where a real model would only be slower."""

import sys
from pathlib import Path

WORDS = "what is plus and minus the answer add two numbers first we need to count on from zero one three four five . ? <ans> </ans>"


def make_tiny_model(folder: Path) -> Path:
    """Equal bytes each time. The tokenizer knows some thirty whole words, and has a chat template."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", "user", "assistant", *WORDS.split()])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} </s> {% endfor %}{% if add_generation_prompt %}assistant {% endif %}"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    config = LlamaConfig(vocab_size=len(vocabulary), max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    make_tiny_model(Path(sys.argv[1]))
