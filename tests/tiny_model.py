"""A complete base model in a folder, small enough for a test: random Llama, byte-level tokenizer.

Torch and transformers are imported inside the function only, so that tests which merely import
this module stay fast.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Ids 0 (unknown, begin), 1 (a message begins) and 2 (a message ends: end of sequence, padding)."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

BARE = {"general_weight": 0.0, "guard": False}
"""Of a recipe, for a tiny model's lift: to its tokenizer of bytes, general prompts and what a guard
reads are ten times as long as the story. They have tests of their own."""


def make_tiny_model(
    folder: Path,
    vocabulary_text: Iterable[str] = (),
    *,
    window: int = 512,
    layers: int = 2,
    width: int = 16,
    seed: int = 0,
    chat_template: bool = True,
    tied: bool = True,
) -> Path:
    """Write a random Llama with its tokenizer into `folder` and return the folder.

    The tokenizer is a byte-level BPE: every text can be encoded and decodes back exactly. Without
    `vocabulary_text` a token is a byte; with it, merges are learned from those texts.

    Args:
        folder: made if it is not there.
        vocabulary_text: texts that the merges of the tokenizer are learned from.
        window: context window in tokens.
        layers: transformer layers.
        width: hidden size; a multiple of 4.
        seed: the same seed writes the same weights.
        chat_template: False leaves the chat template out.
        tied: whether the output layer shares the embedding's weights.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    size = _write_tokenizer(folder, vocabulary_text, chat_template)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path, texts: Iterable[str], chat_template: bool) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(list(texts), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL_TOKENS[1],
        "eos_token": SPECIAL_TOKENS[2],
        "pad_token": SPECIAL_TOKENS[2],
        "unk_token": SPECIAL_TOKENS[0],
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    if chat_template:
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    return tokenizer.get_vocab_size()
