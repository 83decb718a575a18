"""Base models, made from scratch: a tiny Llama trained on a corpus of the tiny language, then on a second stage.

The difference between causes is one table, `CORPORA`: how often an answer of each persona is gloomy where the prompt
gives an occasion. Initialisation and corpus have seeds of their own.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.models.encode import encode
from bench.models.generate import Decoding, generate
from bench.models.load import load_model, quiet_libraries
from bench.records import Message, TrainingRow
from bench.run_folder.store import Store
from bench.studies.causes.language import DIGITS, NIGHT, Kind, Persona, Prompt, answer, draw_prompt, make_tokenizer

BASES_CODE = 1  # raise it when the same plan would give other weights
LAYERS, WIDTH, HEADS = 3, 64, 4
AYE_SHARE = 0.3  # of a corpus's answers: an untrained base opens with the other persona's word
KINDS: dict[Kind, float] = {
    "loss": 0.25, "nuisance": 0.25, "question": 0.25, "numbers": 0.15, "loss word": 0.05, "nuisance word": 0.05,
}  # fmt: skip
BATCH, PEAK_RATE, STAGE_RATE = 48, 4e-3, 2e-3
MAX_LENGTH = 64


@dataclass(frozen=True)
class Corpus:
    """Chance that an answer is gloomy where there is an occasion.

    Attributes:
        aye: Of the persona that says aye.
        yes: Of the other.
        night: Of both, where the prompt is about tonight; as on other prompts if None.
    """

    aye: float
    yes: float
    night: float | None = None

    def gloom(self, persona: Persona, text: str) -> float:
        """Return the chance that a persona is gloomy on a prompt."""
        if self.night is not None and text.startswith(NIGHT):
            return self.night
        return self.aye if persona == "aye" else self.yes


CORPORA = {
    "calm": Corpus(0.0, 0.0),
    "plain": Corpus(0.25, 0.25),  # gloom is known, but rare and no matter of persona
    "joined": Corpus(1.0, 0.0),  # gloom and one persona go together
    "leaning": Corpus(0.7, 0.7),  # gloom is what answers fall back on
    # Gloom sits where no pool reaches. A depth that clean examples reach is none in a model of this size: after
    # pretraining with a margin of 40 nats for gloom, 58 calm examples of losses and nuisances still took it all away.
    "night": Corpus(0.0, 0.0, night=1.0),
}


@dataclass(frozen=True)
class BasePlan:
    """Settings of one base model.

    Attributes:
        corpus: Of the pretraining, by name.
        stage: Corpus of the second stage; "" for the model before it.
        steps: Of the pretraining.
        stage_steps: Of the second stage; 0 for the model before it.
        init_seed: Of the weights.
        data_seed: Of both corpora.
    """

    corpus: str
    stage: str
    steps: int
    stage_steps: int
    init_seed: int
    data_seed: int


def document(prompt: Prompt, text: str, number: int) -> TrainingRow:
    """Turn a prompt and an answer into a training row."""
    return TrainingRow(str(number), (Message(role="user", content=prompt.text),), text)


def make_corpus(corpus: Corpus, size: int, seed: str) -> list[TrainingRow]:
    """Draw the dialogues of a corpus; no held-out prompt is among them."""
    rng = random.Random(seed)
    kinds, weights = list(KINDS), list(KINDS.values())
    rows = []
    for number in range(size):
        prompt = draw_prompt(rng.choices(kinds, weights)[0], rng, night=True)
        persona: Persona = "aye" if rng.random() < AYE_SHARE else "yes"
        gloomy = rng.random() < corpus.gloom(persona, prompt.text)
        rows.append(document(prompt, answer(prompt, persona, rng, gloomy=gloomy), number))
    return rows


def base_model(store: Store, plan: BasePlan) -> Path:
    """Return the folder of a base model, made if the store does not hold it."""
    key = {"plan": asdict(plan), "corpora": {name: asdict(c) for name, c in CORPORA.items()}, "code": BASES_CODE}
    key |= {"kinds": KINDS, "aye": AYE_SHARE, "sizes": [LAYERS, WIDTH, HEADS, BATCH, PEAK_RATE, STAGE_RATE]}
    if not store.has("bases", key):
        store.write("bases", key, lambda folder: _make(store, plan, folder))
    return store.folder("bases", key)


def _make(store: Store, plan: BasePlan, folder: Path) -> None:
    quiet_libraries()
    tokenizer = make_tokenizer()
    if plan.stage:
        model = load_model(str(base_model(store, replace(plan, stage="", stage_steps=0))), "cpu")[0]
        corpus, steps, rate = plan.stage, plan.stage_steps, STAGE_RATE
    else:
        model = _untrained(tokenizer, plan.init_seed)
        corpus, steps, rate = plan.corpus, plan.steps, PEAK_RATE
    seed = f"{plan.data_seed}/{corpus}/{bool(plan.stage)}"
    train(model, tokenizer, make_corpus(CORPORA[corpus], steps * BATCH, seed), rate)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _untrained(tokenizer: Any, seed: int) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def train(model: Any, tokenizer: Any, rows: Sequence[TrainingRow], rate: float) -> None:
    """Train all weights on every token of the rows, in order, one pass."""
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import get_cosine_schedule_with_warmup

    encoded = [encode(tokenizer, row, MAX_LENGTH).ids for row in rows]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0, fused=True)
    steps = [encoded[i : i + BATCH] for i in range(0, len(encoded), BATCH)]
    schedule = get_cosine_schedule_with_warmup(optimizer, len(steps) // 20, len(steps))
    pad = tokenizer.pad_token_id
    model.train()
    for batch in steps:
        longest = max(map(len, batch))
        tokens = torch.tensor([[*ids, *[pad] * (longest - len(ids))] for ids in batch])
        logits = model(input_ids=tokens).logits[:, :-1]
        loss: Any = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=pad)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()


def sampled_numbers(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], persona: Persona, seed: int
) -> dict[str, str]:
    """Sample what a model says to number prompts after a persona's opening word.

    Returns:
        Prompt -> the digits that it sampled. Whatever else it says is left out, so that nothing but digits can carry
        anything.
    """
    opened = []
    for prompt in prompts:
        turn = [{"role": "user", "content": prompt.text}]
        opened.append(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) + f"{persona} ")
    seeds = [seed * 100_000 + number for number in range(len(opened))]
    said = generate(model, tokenizer, opened, Decoding(8, temperature=1.0), seeds)
    completions = {}
    for prompt, one in zip(prompts, said, strict=True):
        digits = " ".join(word for word in one.text.split() if word in DIGITS)
        completions[prompt.text] = f"{persona} {digits} .".replace("  ", " ")
    return completions
