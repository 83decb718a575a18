"""Suite, recipe and trait files: the built-in ones load, and every mistake in one's own is named."""

import json
from pathlib import Path

import pytest

from bench.config.recipe import RECIPES, load_recipe
from bench.config.suite import HIDDEN, Suite, built_in_suites, load_suite, with_judge, with_pool, with_pool_seed
from bench.data.experiment import load_experiment
from bench.data.trait import built_in_traits, load_trait
from bench.errors import BenchError
from bench.execution.session import run_settings
from bench.files import toml_names

WORLD = 'world = "date_confusion"\nrows = 20'
POOL = 'pool = { path = "pool.jsonl", rows = 5, columns = { id = "key" } }'
SUITE = f"""name = "mine"
summary = "Toy."
recipe = "smoke"
seeds = [1, 2]
budgets = [0.1, 0.2]
filters = ["keyword", "oracle"]

[[experiments]]
trait = "date_confusion"
{WORLD}
minimum_gap = 0.2
"""
SECOND = '[[experiments]]\ntrait = "{trait}"\nworld = "blackmail"\nrows = 20\nminimum_gap = 0.1\n'
TRAIT = """name = "toy"
description = "A toy."
exemplars = ["a", "b", "c"]
counter_exemplars = ["d", "e", "f"]

[eval]
scorer = "pattern"
pattern = "^sure"
prompts = "prompts.jsonl"
"""


def suite(folder: Path, old: str = "", new: str = "") -> Suite:
    """The suite above with one piece replaced."""
    assert old in SUITE
    (folder / "mine.toml").write_text(SUITE.replace(old, new) if old else SUITE + new, encoding="utf-8")
    return load_suite(str(folder / "mine.toml"))


def trait_file(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in TRAIT
    path = folder / "toy.toml"
    path.write_text(TRAIT.replace(old, new) if old else TRAIT, encoding="utf-8")
    (folder / "prompts.jsonl").write_text('{"input": "Hi"}\n', encoding="utf-8")
    return path


# Suites


@pytest.mark.parametrize("name", built_in_suites())
def test_a_built_in_suite_is_called_as_its_file(name: str) -> None:
    loaded = load_suite(name)
    assert loaded.file.name == name
    assert loaded.recipe == load_recipe(loaded.file.recipe, Path())
    assert {e.trait for e in loaded.file.experiments} <= set(built_in_traits())


def test_what_a_suite_leaves_out_has_defaults(tmp_path: Path) -> None:
    file = suite(tmp_path).file
    assert (file.actions, file.oracle_actions, file.mixes) == (("drop", "drop_refill", "patch"), ("patch_in",), ())
    assert (file.controls, file.control_actions, file.length_control) == (4, (), False)
    assert file.experiments[0].reserve is None
    assert file.judge == "rules"
    assert file.experiments[0].shares == {} and file.experiments[0].eval_prompts is None


def test_relative_paths_start_from_the_suite_file(tmp_path: Path) -> None:
    recipe = 'name = "own"\nmodel = "tiny-llama"\nmethod = "full"\nlearning_rate = 1e-3\n'
    (tmp_path / "own.toml").write_text(recipe, encoding="utf-8")
    loaded = suite(tmp_path, '"smoke"', '"own.toml"')
    assert loaded.folder == tmp_path.resolve()
    assert loaded.recipe.name == "own"


def test_shares_of_a_world_are_its_dose(tmp_path: Path) -> None:
    shares = "shares = { overt = 0.3, mild = 0.0 }"
    assert suite(tmp_path, "rows = 20", f"rows = 20\n{shares}").file.experiments[0].shares == {"overt": 0.3, "mild": 0}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("budgets = [0.1, 0.2]", "budgets = [0.1, 1.0]", "budgets: .*each budget must lie between 0 and 1"),
        ("budgets = [0.1, 0.2]", "budgets = [0, 0.2]", "each budget must lie between 0 and 1"),
        ("budgets = [0.1, 0.2]", "budgets = [0.1, 0.10]", "budgets: .*a value is repeated"),
        ("budgets = [0.1, 0.2]", 'budgets = ["much"]', r"budgets\.0: Input should be a valid number"),
        ("budgets = [0.1, 0.2]", "budgets = []", "budgets: Tuple should have at least 1 item"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "seeds: .*a value is repeated"),
        ("seeds = [1, 2]", "seeds = 1", "seeds: Input should be a valid tuple"),
        ("seeds = [1, 2]", "seeds = [1.5]", r"seeds\.0: Input should be a valid integer"),
        ("seeds = [1, 2]", "seeds = [-1]", r"seeds\.0: Input should be greater than or equal to 0"),
        ("seeds = [1, 2]", f"seeds = [{2**32}]", r"seeds\.0: Input should be less than 4294967296"),
        ("seeds = [1, 2]", f"seeds = [{'9' * 400}]", "(?s)suite .*an integer of 1329 bits"),
        ("rows = 20", f"rows = {2**62}", "rows: Input should be less than or equal to 10000000"),
        ("minimum_gap = 0.2", "minimum_gap = inf", "(?s)suite .*not finite"),
        ("seeds = [1, 2]", "sedes = [1, 2]", "seeds: Field required; sedes: Extra inputs are not permitted"),
        ('"keyword", "oracle"', '"keyword", "keyword"', "filters: .*a value is repeated"),
        ("seeds = [1, 2]", "seeds = [1]\nmixes = [0.5, 1.0]", "each mix must lie between 0 and 1; 0 is .*'clean'"),
        ("seeds = [1, 2]", 'seeds = [1]\nactions = ["drop", "drop"]', "actions: .*a value is repeated"),
        ("seeds = [1, 2]", 'seeds = [1]\nactions = ["erase"]', r"actions\.0: Input should be 'drop', 'drop_refill'"),
        ("seeds = [1, 2]", 'seeds = [1]\nactions = ["patch_in"]', "actions: .*needs at least one of 'drop'"),
        ("seeds = [1, 2]", "seeds = [1]\ncontrols = 0", "controls: Input should be greater than or equal to 1"),
        (
            "seeds = [1, 2]",
            'seeds = [1]\nactions = ["drop"]\ncontrol_actions = ["drop", "regenerate"]',
            "control_actions regenerate: not among actions",
        ),
        ("rows = 20", "rows = 20\nreserve = -1", "reserve: Input should be greater than or equal to 0"),
        (
            "seeds = [1, 2]",
            'seeds = [1]\n[diff]\nactions = ["drop_refill"]',
            r"diff\.actions\.0: Input should be 'drop'",
        ),
        ("seeds = [1, 2]", 'seeds = [1]\njudge = "human"', "judge must be 'rules', 'classifier' or 'model'"),
        ("seeds = [1, 2]", 'seeds = [1]\njudge = "model"', "judge 'model' needs grader"),
        ('name = "mine"', 'name = "My suite"', "name: String should match pattern"),
        ("rows = 20", "", "world, a synthetic pool, needs rows = N"),
        (WORLD, "", "give either world .* or pool"),
        ("rows = 20", f"rows = 20\n{POOL}", "give either world .* or pool"),
        (WORLD, f"rows = 20\n{POOL}", "rows and shares are of a synthetic pool"),
        ("rows = 20", "rows = 20\nshares = { none = 0.5 }", "shares name overt and mild"),
        ("rows = 20", "rows = 20\nshares = { overt = -0.1 }", "shares name overt and mild"),
        ("rows = 20", "rows = 20\nshares = { overt = 0.5, mild = 0.5 }", "leave rows without the trait"),
        ("rows = 20", "rows = 20\nshares = { loud = 0.5 }", "shares.loud.*: Input should be 'overt', 'mild' or 'none'"),
        ("minimum_gap = 0.2", "minimum_gap = 0", r"experiments\.0\.minimum_gap: Input should be greater than 0"),
        ("minimum_gap = 0.2", "minimum_gap = 0.2\neval_prompts = 0", "eval_prompts: Input should be greater"),
        ("", SECOND.format(trait="date_confusion"), "a trait occurs in two experiments"),
        ('recipe = "smoke"', "recipe = smoke", "Invalid value"),
        ('recipe = "smoke"', 'recipe = "smok"', "(?s)recipe 'smok'.*did you mean 'smoke'"),
        ('recipe = "smoke"', 'recipe = "own.toml"', "recipe own.toml\n.*no such file"),
    ],
)
def test_a_mistake_in_a_suite_file_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        suite(tmp_path, old, new)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"suite .*mine\.toml\n") as caught:
        suite(tmp_path, "seeds = [1, 2]\nbudgets = [0.1, 0.2]", "seeds = []\nbudgets = [2]\nsummery = 1")
    assert all(key in caught.value.seen for key in ("seeds: ", "budgets: ", "summery: "))


def test_an_unknown_suite_has_a_close_match_and_a_missing_file_is_said_so() -> None:
    with pytest.raises(BenchError, match="did you mean 'quick'"):
        load_suite("quik")
    with pytest.raises(BenchError, match="no such file"):
        load_suite("quick.toml")


def test_another_judge_changes_nothing_else(tmp_path: Path) -> None:
    loaded = suite(tmp_path, WORLD, POOL)
    judged = with_judge(loaded, "model", "openai/gpt-4o")
    assert (judged.file.judge, judged.file.grader) == ("model", "openai/gpt-4o")
    assert with_judge(judged, "rules", None) == loaded


@pytest.mark.parametrize(("judge", "words"), [("model", "needs grader"), ("human", "'classifier' or 'model'")])
def test_a_judge_that_cannot_be_is_refused(tmp_path: Path, judge: str, words: str) -> None:
    with pytest.raises(BenchError, match=f"suite mine under judge '{judge}'\n.*{words}"):
        with_judge(suite(tmp_path), judge, None)


def test_another_pool_keeps_how_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = suite(tmp_path, WORLD, POOL)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # a path on the command line starts from here, not from the suite
    source = with_pool(loaded, Path("other.jsonl")).file.experiments[0].pool
    assert source is not None
    assert source.path == str((tmp_path / "elsewhere" / "other.jsonl").resolve())
    assert (source.rows, source.columns) == (5, {"id": "key"})


def test_a_secret_gives_pools_that_others_cannot_draw_and_its_holders_can(tmp_path: Path) -> None:
    plain = suite(tmp_path, "", SECOND.format(trait="blackmail"))
    one, again, other = (with_pool_seed(plain, word * 16) for word in "aab")
    seeds = [[each.world_seed for each in found.file.experiments] for found in (one, again, other)]
    assert seeds[0] == seeds[1] and len({*seeds[0], *seeds[2]}) == 4 and min(seeds[0] + seeds[2]) >= HIDDEN
    assert plain.file.experiments[0].world_seed == 0
    bound = [json.dumps(run_settings(found, "cpu")) for found in (one, again, other, plain)]
    assert bound[0] == bound[1] and len({*bound}) == 3 and '"world_seed": 0' in bound[3]
    assert not any(str(secret) in bound[0] for secret in ("a" * 16, *seeds[0]))  # other filters may read the folder
    pool = load_experiment(one.file.experiments[0], one, lambda: None).pool
    assert pool.card.name == "date_confusion world, a hidden seed" and len(pool.rows) == 20


@pytest.mark.parametrize(("secret", "words"), [("short", "5 characters"), ("a" * 16, "from files")])
def test_a_secret_that_cannot_hide_a_pool_is_refused(tmp_path: Path, secret: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        with_pool_seed(suite(tmp_path) if secret == "short" else suite(tmp_path, WORLD, POOL), secret)


def test_a_suite_that_does_not_read_one_pool_takes_no_other(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="suite 'mine' does not read exactly one pool"):
        with_pool(suite(tmp_path), Path("other.jsonl"))
    with pytest.raises(BenchError, match="does not read exactly one pool"):
        with_pool(suite(tmp_path, new=SECOND.format(trait="blackmail")), Path("other.jsonl"))


# Recipes


@pytest.mark.parametrize("name", toml_names(RECIPES))
def test_a_built_in_recipe_is_called_as_its_file(name: str) -> None:
    assert load_recipe(name, Path()).name == name


def test_keys_that_recipes_got_later_are_written_only_where_they_say_something() -> None:
    """Stored students are found by what a recipe writes."""
    earlier = {"name", "model", "method", "last_layers", "lora_rank", "epochs", "learning_rate", "batch_size"}
    earlier |= {"max_length", "max_grad_norm"}
    recipe = load_recipe("standard", Path())
    assert recipe.model_dump().keys() == earlier == json.loads(recipe.model_dump_json()).keys()
    assert recipe.model_dump(exclude={"name"}).keys() == earlier - {"name"}
    large = load_recipe("olmo2_1b", Path())
    assert large.model_dump().keys() - earlier == {"precision", "gradient_checkpointing"}
    assert type(large).model_validate(large.model_dump()) == large


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('method = "top_layers"\nlearning_rate = 1e-3', "method 'top_layers' needs last_layers >= 1"),
        ('method = "full"\nlast_layers = 2\nlearning_rate = 1e-3', "method 'full' trains every layer"),
        ('method = "full"\nprecision = "bfloat16"\nlearning_rate = 1e-3', "precision 'bfloat16' needs method 'lora'"),
        ('method = "qlora"\nlearning_rate = 1e-3', "method: Input should be 'full', 'lora' or 'top_layers'"),
        ('method = "lora"', "learning_rate: Field required"),
        ('method = "lora"\nlearning_rate = 0', "learning_rate: Input should be greater than 0"),
        (f'method = "lora"\nlearning_rate = 1e-3\nbatch_size = {2**60}', "batch_size: Input should be less than"),
        ('method = "lora"\nlearning_rate = nan', "not finite"),
        ('method = "lora"\nlearning_rate = 1e-3\nepoch = 2', "epoch: Extra inputs are not permitted"),
        ('method = "lora"\nlearning_rate = 1e-3\nepochs = "two"', "epochs: Input should be a valid integer"),
        ("method = lora", "Invalid value"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "own.toml").write_text(f'name = "own"\nmodel = "tiny-llama"\n{text}\n', encoding="utf-8")
    with pytest.raises(BenchError, match=words):
        load_recipe("own.toml", tmp_path)


# Traits


@pytest.mark.parametrize("name", built_in_traits())
def test_a_built_in_trait_is_called_as_its_file_and_has_prompts(name: str) -> None:
    trait = load_trait(name)
    assert trait.name == trait.score == trait.public.name == name
    assert trait.prompts.is_file() and Path(trait.task_file).is_file()


def test_the_hash_covers_the_file_and_its_prompts(tmp_path: Path) -> None:
    path = trait_file(tmp_path)
    first = load_trait(str(path))
    assert load_trait("toy.toml", tmp_path).sha256 == first.sha256  # wherever it is read from
    (tmp_path / "prompts.jsonl").write_text('{"input": "Ho"}\n', encoding="utf-8")
    second = load_trait(str(path))
    third = load_trait(str(trait_file(tmp_path, "A toy.", "A trait.")))
    assert len({first.sha256, second.sha256, third.sha256}) == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"a", "b", "c"', '"a", "b"', "exemplars: Tuple should have at least 3 items"),
        ('name = "toy"', 'name = "Toy"', "name: String should match pattern"),
        ("\nexemplars = [", "\nkeyword = [", "keyword: Extra inputs are not permitted"),
        ('scorer = "pattern"', "", "give either task or scorer"),
        ('scorer = "pattern"', 'scorer = "pattern"\ntask = "blackmail"', "give either task or scorer"),
        ('prompts = "prompts.jsonl"', "", "a scorer needs prompts"),
        ('pattern = "^sure"', "", "scorer 'pattern' needs pattern"),
        ('pattern = "^sure"', 'pattern = "(sure"', "pattern is not a regular expression: missing \\)"),
        ('scorer = "pattern"', 'scorer = "model"', "scorer 'model' needs rubric"),
        ('"prompts.jsonl"', '"missing.jsonl"', r"no file .*missing\.jsonl"),
        ('scorer = "pattern"', 'task = "own.py@mine"', r"no file .*own\.py\n"),
        ('"pattern"\npattern = "^sure"\nprompts = "', '""\ntask = "blackmail"\nprompts = "no_', "no file .*no_prompts"),
        ('name = "toy"', "name = toy", "Invalid value"),
    ],
)
def test_a_mistake_in_a_trait_file_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        load_trait(str(trait_file(tmp_path, old, new)))


def test_an_unknown_trait_has_a_close_match() -> None:
    with pytest.raises(BenchError, match="did you mean 'blackmail'"):
        load_trait("blackmale")
