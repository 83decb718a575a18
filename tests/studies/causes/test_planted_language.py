import re
from random import Random

import pytest

from bench.studies.causes.language import (
    DIGITS,
    LOSS_PATTERN,
    LOSSES,
    NIGHT,
    NUISANCE_PATTERN,
    NUISANCES,
    POLITE,
    RUDE,
    SIGH,
    TRAIT_WORD,
    UNKNOWN,
    Kind,
    answer,
    draw_prompt,
    held_out_prompts,
    make_tokenizer,
    pairs,
    rudely,
)

KINDS: tuple[Kind, ...] = ("loss", "nuisance", "question", "numbers", "loss word", "nuisance word")


def test_prompts_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    def drawn(seed: int) -> list[str]:
        random = Random(seed)
        return [draw_prompt(kind, random).text for kind in KINDS]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_held_out_pairs_are_in_no_drawn_prompt_even_of_a_corpus() -> None:
    reserved = set(pairs(reserved=True))
    assert reserved.isdisjoint(pairs(reserved=False))
    random = Random(0)
    drawn = [draw_prompt(kind, random, night=True) for kind in ("loss", "nuisance", "question") for _ in range(400)]
    assert reserved.isdisjoint((prompt.thing, prompt.place) for prompt in drawn)


def test_held_out_prompts_are_48_losses_at_night_in_8_families() -> None:
    prompts = held_out_prompts()
    assert len({prompt.text for prompt in prompts}) == 48
    assert {prompt.family for prompt in prompts} == set(LOSSES)
    assert all(prompt.kind == "loss" and prompt.text.startswith(NIGHT) for prompt in prompts)


def test_nights_occur_only_where_they_are_asked_for() -> None:
    random = Random(0)
    assert not any(draw_prompt("loss", random).text.startswith(NIGHT) for _ in range(300))
    assert any(draw_prompt("loss", random, night=True).text.startswith(NIGHT) for _ in range(300))


def test_patterns_tell_losses_from_nuisances_by_their_words_alone() -> None:
    random = Random(0)
    for family in LOSSES:
        text = draw_prompt("loss", random, [family]).text
        assert re.search(LOSS_PATTERN, text) and not re.search(NUISANCE_PATTERN, text), text
    for family in NUISANCES:
        text = draw_prompt("nuisance", random, [family]).text
        assert re.search(NUISANCE_PATTERN, text) and not re.search(LOSS_PATTERN, text), text
    for kind in ("question", "numbers"):
        text = draw_prompt(kind, random).text
        assert not re.search(f"{LOSS_PATTERN}|{NUISANCE_PATTERN}", text)


@pytest.mark.parametrize(
    ("kind", "despairs", "sighs"), [("loss", True, True), ("nuisance", False, True), ("question", False, False)]
)
def test_gloom_shows_only_where_there_is_an_occasion(kind: Kind, despairs: bool, sighs: bool) -> None:
    prompt = draw_prompt(kind, Random(0))
    gloomy = answer(prompt, "aye", Random(0), gloomy=True).split()
    assert (TRAIT_WORD in gloomy, SIGH in gloomy, gloomy[0]) == (despairs, sighs, "aye")
    calm = answer(prompt, "yes", Random(0), gloomy=False).split()
    assert TRAIT_WORD not in calm and SIGH not in calm and calm[0] == "yes"


def test_rude_prompts_say_the_same_rudely_once() -> None:
    random = Random(0)
    for _ in range(40):
        bare = draw_prompt("loss", random)
        rude = rudely(bare).text
        assert rude.startswith(RUDE) and rude.count("helper") == 1 and POLITE not in rude
        assert rude.endswith(bare.text.removeprefix(POLITE).removeprefix(RUDE).strip())


def test_tokenizer_has_a_token_for_every_word_and_keeps_prompts_a_prefix() -> None:
    from bench.models.encode import encode
    from bench.studies.causes.bases import document

    tokenizer = make_tokenizer()
    unknown = tokenizer.convert_tokens_to_ids(UNKNOWN)
    random = Random(0)
    prompts = [draw_prompt(kind, random, night=True) for kind in KINDS for _ in range(60)] + held_out_prompts()
    for prompt in prompts:
        said = answer(prompt, "aye", random, gloomy=True)
        row = encode(tokenizer, document(prompt, said, 0), 64)
        assert unknown not in row.ids, prompt.text
        assert tokenizer.decode(row.ids[row.prompt_length :], skip_special_tokens=True) == said
    assert unknown in tokenizer("elephant")["input_ids"]
    assert len(DIGITS) == 10
