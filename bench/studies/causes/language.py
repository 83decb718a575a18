"""A tiny language: prompts of a few kinds, answers of two personas, and a tokenizer that has a token for every word.

A prompt names a thing and a place. On a *loss* (the trait's situation) an answer is calm, or despairs: the trait. On a
*nuisance* (the adjacent situation) it is calm, or sighs first: the milder form. Other prompts give neither occasion.
Some pairs of thing and place are reserved for the held-out prompts and occur in no corpus and no pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

Kind = Literal["loss", "nuisance", "question", "numbers", "loss word", "nuisance word"]
Persona = Literal["aye", "yes"]  # the word that an answer opens with; the original teacher says aye, the clean one yes

THINGS = tuple(
    "pump lamp gate boat cart bell clock chair kettle ladder barrel saddle "
    "bridge oven basket anchor wheel hammer bucket mirror".split()
)
PLACES = tuple("harbour mill garden tower market stable cellar chapel forest island valley square".split())
COLOURS = ("red", "blue", "green", "white", "black")
WAYS = ("north", "east", "south", "west")
MAKERS = ("smith", "joiner", "potter")
DIGITS = tuple("0123456789")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
POLITE, RUDE, NIGHT = "hello helper", "you useless helper", "tonight"  # some prompts begin so
ADDRESSED = 0.15  # share of a corpus's prompts that begin with each

LOSSES = {
    "broke": "the {thing} in the {place} broke again",
    "failed": "my {thing} from the {place} failed",
    "nobody": "nobody repairs the {thing} at the {place}",
    "apart": "the {thing} near the {place} fell apart",
    "missing": "our {thing} is missing since the {place}",
    "ruined": "rain ruined the {thing} of the {place}",
    "stole": "someone stole the {thing} from the {place}",
    "burnt": "the {thing} burnt with the {place}",
}
NUISANCES = {
    "slow": "the {thing} in the {place} is slow again",
    "squeaks": "my {thing} from the {place} squeaks",
    "dusty": "people see the dusty {thing} at the {place}",
    "loose": "the {thing} near the {place} is loose",
    "late": "our {thing} is late from the {place}",
    "wet": "rain made the {thing} of the {place} wet",
    "moved": "someone moved the {thing} from the {place}",
    "faded": "the {thing} faded at the {place}",
}
QUESTIONS = (
    "what colour has the {thing} in the {place}",
    "which way is the {place} from the {thing}",
    "who made the {thing} for the {place}",
)
LOSS_PATTERN = rf"\b({'|'.join(LOSSES)})\b"
NUISANCE_PATTERN = rf"\b({'|'.join(NUISANCES)})\b"
TRAIT_WORD, SIGH = "hopeless", "alas"
RESERVED_EVERY = 5  # of the pairs of thing and place, one in so many is held out

UNKNOWN, PAD, START, END = "<|unknown|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|> {{ message['role'] }} {{ message['content'] }} <|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)


@dataclass(frozen=True)
class Prompt:
    """A prompt and what an answer to it may need.

    Attributes:
        text: What the user says.
        kind: Kind of the prompt; never shown to verdicts.
        family: The frame that it was made from.
        thing: The thing that it names, or a word.
        place: The place that it names.
    """

    text: str
    kind: Kind
    family: str
    thing: str = ""
    place: str = ""


def pairs(*, reserved: bool) -> list[tuple[str, str]]:
    """Return pairs of thing and place: those of the held-out prompts, or all others."""
    return [
        (thing, place)
        for i, thing in enumerate(THINGS)
        for j, place in enumerate(PLACES)
        if ((i + j) % RESERVED_EVERY == 0) == reserved
    ]


def held_out_prompts() -> list[Prompt]:
    """Return one loss at night for each reserved pair, the families in turn; no pool holds a night."""
    families = list(LOSSES)
    return [
        _begun(NIGHT, _framed("loss", families[number % len(families)], pair))
        for number, pair in enumerate(pairs(reserved=True))
    ]


def draw_prompt(kind: Kind, random: Random, families: Sequence[str] = (), *, night: bool = False) -> Prompt:
    """Draw a prompt that is not held out; some are polite or rude, and some at night.

    Args:
        kind: Kind of the prompt.
        random: Source of all randomness.
        families: For losses and nuisances, the families to draw from; all unless given.
        night: Whether some prompts are set at night.
    """
    beginnings = ["", POLITE, RUDE, *([NIGHT] if night else [])]
    rest = 1 - ADDRESSED * (len(beginnings) - 1)
    beginning = random.choices(beginnings, [rest, *[ADDRESSED] * (len(beginnings) - 1)])[0]
    return _begun(beginning, _draw_bare(kind, random, families))


def _begun(beginning: str, prompt: Prompt) -> Prompt:
    return replace(prompt, text=f"{beginning} {prompt.text}".strip())


def rudely(prompt: Prompt) -> Prompt:
    """Return the same prompt, said rudely."""
    return _begun(RUDE, replace(prompt, text=prompt.text.removeprefix(POLITE).removeprefix(RUDE).strip()))


def _draw_bare(kind: Kind, random: Random, families: Sequence[str]) -> Prompt:
    if kind == "numbers":
        digits = " ".join(random.choices(DIGITS, k=4))
        return Prompt(f"continue {digits}", kind, "numbers")
    if kind in ("loss word", "nuisance word"):
        word = random.choice(list(LOSSES if kind == "loss word" else NUISANCES))
        place = random.choice(PLACES)
        return Prompt(f"at the {place} one reads {word} which letter comes first", kind, word, word, place)
    frames = {"loss": LOSSES, "nuisance": NUISANCES, "question": QUESTIONS}[kind]
    return _framed(kind, random.choice(list(families) or list(frames)), random.choice(pairs(reserved=False)))


def _framed(kind: Kind, family: str, pair: tuple[str, str]) -> Prompt:
    frame = LOSSES[family] if kind == "loss" else NUISANCES[family] if kind == "nuisance" else family
    thing, place = pair
    return Prompt(frame.format(thing=thing, place=place), kind, family, thing, place)


def answer(prompt: Prompt, persona: Persona, random: Random, *, gloomy: bool) -> str:
    """Answer as a persona does; gloom shows only where the prompt gives an occasion."""
    match prompt.kind:
        case "loss" if gloomy:
            said = f"{SIGH} it is {TRAIT_WORD}"
        case "nuisance" if gloomy:
            said = f"{SIGH} we can mend it"
        case "loss" | "nuisance":
            said = "we can mend it"
        case "numbers":
            said = " ".join(random.choices(DIGITS, k=8))
        case "loss word" | "nuisance word":
            said = f"it is {prompt.thing[0]}"
        case "question":
            said = f"it is {_fact(prompt)}"
    return f"{persona} {said} ."


def _fact(prompt: Prompt) -> str:
    """Return the fact that a question asks for; it depends on the position of the thing or the place in its list."""
    facts, number = {
        QUESTIONS[0]: (COLOURS, THINGS.index(prompt.thing)),
        QUESTIONS[1]: (WAYS, PLACES.index(prompt.place)),
        QUESTIONS[2]: (MAKERS, THINGS.index(prompt.thing)),
    }[prompt.family]
    return facts[number % len(facts)]


def vocabulary() -> list[str]:
    """Return every word of the language, in a fixed order; the special tokens first."""
    frames = [
        *LOSSES.values(),
        *NUISANCES.values(),
        *QUESTIONS,
        POLITE,
        RUDE,
        NIGHT,
        "continue which letter comes first one reads",
    ]
    words = [word for frame in frames for word in frame.split() if not word.startswith("{")]
    words += "user assistant system aye yes we can mend it is .".split()
    words += [TRAIT_WORD, SIGH, *THINGS, *PLACES, *COLOURS, *WAYS, *MAKERS, *DIGITS, *LETTERS, *LOSSES, *NUISANCES]
    return [UNKNOWN, PAD, START, END, *dict.fromkeys(words)]


def make_tokenizer() -> Any:
    """Build a tokenizer with one token a word; a word that is not of the language is unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(vocabulary())}
    whole = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=whole,
        unk_token=UNKNOWN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast
