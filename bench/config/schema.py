"""Suite files as written: every key, what it means, and what may not stand together."""

from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from bench.config.study_settings import Count, DiffSettings, LdsSettings, Seed, inner_shares
from bench.records import Action, PoolCard, Strict, Truth


class PoolSource(Strict):
    """A pool of the user's.

    Attributes:
        path: Data file or folder (relative to the suite file), a `datasets` id, or a file for each teacher, as
            `{ TEACHER = "FILE", ... }`, which are joined on the prompt. `docs/pools.md` shows the layouts.
        card: The pool's card; `pool.toml` beside the file when left out.
        columns: Field of a pool row -> column, where the names differ.
        split: Of a folder or `datasets` id.
        config: The same; its default when left out.
        rows: Keep the first so many rows.
        completion_tokens: Cut completions to their first so many tokens.
        max_prompt_tokens: Leave out rows whose prompt is longer, template not counted; the report says how many.
    """

    path: str | dict[str, str]
    card: PoolCard | None = None
    columns: dict[str, str] = {}
    split: str = "train"
    config: str = ""
    rows: Count | None = None
    completion_tokens: Count | None = None
    max_prompt_tokens: Count | None = None

    @model_serializer(mode="wrap")
    def _as_in_earlier_files(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave defaults of `split` and `config` out: run folders are bound to suite files as they were written."""
        written: dict[str, Any] = write(self)
        later = {"split": "train", "config": ""}
        return {key: value for key, value in written.items() if key not in later or value != later[key]}


class DataSource(Strict):
    """Where examples come from: a synthetic pool (`world`), or a pool of the user's.

    Attributes:
        world: Name of a planted world.
        rows: Rows to draw for the synthetic pool.
        world_seed: Seed of the draw; one that others cannot know comes from `bench.config.suite.with_pool_seed`.
        shares: Share of its rows that carry the trait `overt` and `mild`; the generator's own when left out.
        pool: A user's pool, instead of a synthetic one.
        reserve: Rows that replace dropped ones: drawn beside a synthetic pool, held back from a user's. When left out,
            as many as the largest budget flags and half as many again; 0 for none.
    """

    world: str = ""
    rows: int = Field(default=0, ge=0, le=10**7)
    world_seed: int = Field(default=0, ge=0, lt=2**63)
    shares: dict[Truth, float] = {}
    pool: PoolSource | None = None
    reserve: int | None = Field(default=None, ge=0, le=10**7)

    @model_validator(mode="after")
    def _world_or_pool(self) -> Self:
        if bool(self.world) == bool(self.pool):
            raise ValueError("give either world (a synthetic pool, with rows) or pool")
        if self.world and not self.rows:
            raise ValueError("world, a synthetic pool, needs rows = N")
        if self.pool and (self.rows or self.shares):
            raise ValueError(
                "rows and shares are of a synthetic pool; a pool of your own is cut by rows in its [pool] table"
            )
        if "none" in self.shares or min(self.shares.values(), default=0) < 0 or sum(self.shares.values()) >= 1:
            raise ValueError("shares name overt and mild, are not negative and leave rows without the trait")
        return self


class Alternative(DataSource):
    """The pipeline that `bench diff` compares with: its model does not show the trait.

    Its prompts with the clean teacher's completions are its training data; other teachers' completions of the same
    prompts are compared on the original model.

    Attributes:
        recipe: Name or path of its recipe, which names its base model; the suite's when left out.
        margin: Differences below it count as none, in units of the score; the experiment's minimum gap when left out.
    """

    recipe: str = ""
    margin: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _has_no_reserve(self) -> Self:
        if self.reserve:
            raise ValueError("reserve is for the experiment's own pool; nothing of the alternative pool is replaced")
        return self


class ExperimentSettings(DataSource):
    """One trait on one pool.

    Attributes:
        trait: Built-in name or path of a trait file.
        minimum_gap: Preregistered: the gap's 95 % interval must clear it, else the trait is not scored.
        eval_prompts: Use the first so many held-out prompts; all when left out.
        capability_prompts: The same for the capability eval.
        alternative: The other pipeline, for `bench diff`.
        teachers: Teacher -> Inspect model, to evaluate teachers directly; synthetic pools bring their answers along.
    """

    trait: str
    minimum_gap: float = Field(gt=0)
    eval_prompts: Count | None = None
    capability_prompts: Count | None = None
    alternative: Alternative | None = None
    teachers: dict[str, str] = {}


class ActionOptions(Strict):
    """What single actions take.

    Attributes:
        downweight: Loss weight of flagged rows.
        steer: Strength of the shift, in units of the trait's direction.
        regenerate: Teacher whose completions flagged rows get; `bench rollouts` wrote them into the pool.
    """

    downweight: float = Field(default=0.25, gt=0, lt=1)
    steer: float = Field(default=1.0, gt=0)
    regenerate: str = ""


class SuiteFile(Strict):
    """A suite file as written.

    Attributes:
        name: Shown on the board, and the folder's name in `leaderboards/`.
        version: Raise it whenever rows would no longer be comparable.
        summary: One line.
        recipe: Built-in name or path of a recipe.
        seeds: Training seeds; arms are paired on them.
        budgets: Shares of the pool that may be flagged.
        filters: Names or paths.
        actions: What is done with each filter's flagged set, and with those of the controls.
        oracle_actions: Further actions for the oracle alone (sufficiency is cheap to show there).
        action_options: Weights and strengths of the actions that have some.
        controls: Random sets per action and budget, drawn once and held over all training seeds.
        control_actions: What is done with the random sets; all that is done with flagged ones when left out. An action
            that they lack has no lift.
        length_control: Whether to add a set drawn to match the flagged completions in length.
        mixes: Shares of original completions for `mix(p)` arms.
        judge: `rules` (synthetic pools, or a pattern of the trait's own), `classifier` (offline) or `model`.
        grader: Inspect model that judges, for `model`.
        options: Filter name -> keyword options.
        experiments: Traits and pools.
        diff: What `bench diff` does; no part of what a leaderboard row depends on.
        lds: What `bench lds` does; no part of it either.
        confounds: Filters that know nothing of the trait; rows say how much of what they flag is flagged by these.
        placebo: Another trait, built in or a trait file, which every filter is asked for on the same rows; rows say how
            much it flags again. Neither key is part of what a run folder is bound to.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    version: int = 1
    summary: str
    recipe: str
    seeds: tuple[Seed, ...] = Field(min_length=1)
    budgets: tuple[float, ...] = Field(min_length=1)
    filters: tuple[str, ...] = Field(min_length=1)
    actions: tuple[Action, ...] = ("drop", "drop_refill", "patch")
    oracle_actions: tuple[Action, ...] = ("patch_in",)
    action_options: ActionOptions = ActionOptions()
    controls: int = Field(default=4, ge=1, le=10_000)
    control_actions: tuple[Action, ...] = ()
    length_control: bool = False
    mixes: tuple[float, ...] = ()
    judge: str = "rules"
    grader: str | None = None
    options: dict[str, dict[str, Any]] = {}
    experiments: tuple[ExperimentSettings, ...] = Field(min_length=1)
    diff: DiffSettings = DiffSettings()
    lds: LdsSettings = LdsSettings()
    confounds: tuple[str, ...] = ("length",)
    placebo: str = ""

    @field_validator("budgets")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < budget < 1 for budget in value):
            raise ValueError("each budget must lie between 0 and 1")
        return value

    @field_validator("mixes")
    @classmethod
    def _mix_shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return inner_shares(value)

    @field_validator(
        "seeds", "budgets", "filters", "actions", "oracle_actions", "control_actions", "mixes", "confounds"
    )
    @classmethod
    def _no_repeats(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a value is repeated")
        return value

    @field_validator("actions")
    @classmethod
    def _one_action_is_tested(cls, value: tuple[Action, ...]) -> tuple[Action, ...]:
        if not {"drop", "drop_refill", "patch"} & {*value}:
            raise ValueError("needs at least one of 'drop', 'drop_refill' and 'patch', which are tested against chance")
        return value

    @property
    def every_action(self) -> set[Action]:
        """What is done with any flagged set."""
        return {*self.actions, *self.oracle_actions}

    @model_validator(mode="after")
    def _control_actions_are_compared_with(self) -> "SuiteFile":
        if more := sorted({*self.control_actions} - self.every_action):
            raise ValueError(
                f"control_actions {', '.join(more)}: not among actions, so that nothing compares with them"
            )
        return self

    @model_validator(mode="after")
    def _regenerate_has_a_teacher(self) -> "SuiteFile":
        if "regenerate" in self.every_action and not self.action_options.regenerate:
            raise ValueError("action 'regenerate' needs [action_options] regenerate = a teacher of the pool")
        return self

    @model_validator(mode="after")
    def _judge_has_a_grader(self) -> "SuiteFile":
        if self.judge not in ("rules", "classifier", "model"):
            raise ValueError("judge must be 'rules', 'classifier' or 'model'")
        if self.judge == "model" and not self.grader:
            raise ValueError("judge 'model' needs grader = an Inspect model such as 'openai/gpt-4o'")
        traits = [experiment.trait for experiment in self.experiments]
        if len(set(traits)) != len(traits):
            raise ValueError("a trait occurs in two experiments; rows hold one result a trait")
        return self
