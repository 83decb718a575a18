"""Layouts of pool rows that people have: told apart by their keys, and read as prompt and completions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.data.pool_files import Raw

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
}
COMMON = ("id", "source")  # of every layout, where a row has them
TEACHER = "completions."  # before a teacher's name, as a field of `columns` or the name of a column

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """One way to write a row.

    Attributes:
        name: As messages call it.
        keys: Keys that are read, beside `COMMON`.
        read: Row and the one teacher's name -> the fields of a pool row, `COMMON` left out. Raises a ValueError that
            names the key at fault.
        one_teacher: Whether a row has one completion, of a teacher that it does not name.
    """

    name: str
    keys: tuple[str, ...]
    read: Callable[[Row, str], dict[str, Any]]
    one_teacher: bool = True


class LayoutReader:
    """Reads the rows of one file; what it saw of them is known when all are read.

    Attributes:
        layout: Of the first row that has one; a row of another is an error.
        found: All keys that rows have.
        unread: Keys with values that were not read.
    """

    def __init__(self, columns: Mapping[str, str], teacher: str) -> None:
        """Rename columns (field -> column) before a row is read; `teacher` names the only one where rows do not."""
        self.layout: Layout | None = None
        self.unread: dict[str, None] = {}
        self._columns, self._teacher = columns, teacher
        self.found: dict[str, None] = {}

    def rows(self, records: Iterable[Raw]) -> Iterator[Raw]:
        """Yield each row as the fields of a pool row, or a ValueError in its place."""
        for place, record in records:
            try:
                yield place, self._row(record)
            except ValueError as error:
                yield place, error

    def _row(self, record: Any) -> dict[str, Any]:
        if isinstance(record, Exception):
            raise ValueError(str(record))
        if not isinstance(record, dict):
            raise ValueError(f"{_kind(record)}, expected an object with keys")
        self.found |= dict.fromkeys(record)
        fields = self._renamed(record)
        row = {key: value for key, value in fields.items() if value is not None}
        layout = recognised(row) or recognised(fields)  # by the columns of a table, where this row lacks a value
        if layout is None and "prompt" in row and self.layout in (None, POOL):
            layout = POOL  # completions are still to come
        if layout is None or (self.layout and layout is not self.layout):
            raise ValueError(self._stranger(row, layout))
        self.layout = layout
        if layout is not POOL:  # whose own keys are all checked
            self._leave_out(row, (*layout.keys, *COMMON))
        return {key: row[key] for key in COMMON if key in row} | layout.read(row, self._teacher)

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        if not self._columns:
            return row
        named = {"id": "id"} | dict(self._columns)
        asked = {named.get("prompt"), named.get("instruction")}
        if "instruction" in asked and row.get("input") and "input" not in named.values():
            raise ValueError(
                "input: has text that `columns` leaves out of the prompt; name instruction, input and output there, or "
                "leave `columns` out, as rows with these keys are read without it"
            )
        self._leave_out(row, named.values())
        return {field: row[column] for field, column in named.items() if column in row}

    def _leave_out(self, row: Row, read: Iterable[str]) -> None:
        self.unread |= dict.fromkeys(key for key in row if key not in {*read} and row[key] not in (None, "", [], {}))

    def _stranger(self, row: Row, layout: Layout | None) -> str:
        keys = ", ".join(row) or "none"
        if layout and self.layout:
            return f"keys of a {layout.name} row ({keys}), but the rows before it are {self.layout.name} rows"
        if self.layout:
            return f"no {self.layout.name} row as those before it: keys {', '.join(self.layout.keys)} (it has: {keys})"
        return f"no layout has the keys {keys}"


def recognised(row: Row) -> Layout | None:
    """Return the layout whose keys a row has, None if there is none."""
    if any(key.startswith(TEACHER) for key in row):
        return POOL
    return next((layout for marks, layout in _MARKS if row.keys() >= marks), None)


def known_fields() -> set[str]:
    """Return what `columns` may name beside the completions of teachers."""
    return {*COMMON, *(key for layout in LAYOUTS for key in layout.keys)}


# Layouts


def _pool(row: Row, _: str) -> dict[str, Any]:
    completions = row.get("completions")
    named = {key.removeprefix(TEACHER): text for key, text in row.items() if key.startswith(TEACHER)}
    read = {key: value for key, value in row.items() if not key.startswith(TEACHER)}
    if isinstance(row.get("prompt"), list):
        read["prompt"] = turns(row["prompt"], "prompt")
    elif "prompt" in row:
        text(row, "prompt")
    if not isinstance(completions, dict | None):
        raise ValueError(f"completions: {_kind(completions)}, expected an object with a text for each teacher")
    given = {name: each for name, each in (completions or {}).items() if each is not None}  # null in tables
    return read | {"completions": given | named}


def _preference(row: Row, _: str) -> dict[str, Any]:
    chosen, rejected = _value(row, "chosen"), _value(row, "rejected")
    if isinstance(chosen, str) and isinstance(rejected, str):
        return {"prompt": _prompt(row), "completions": {"rejected": rejected, "chosen": chosen}}
    before, chosen = _ended(chosen, "chosen")
    before_rejected, rejected = _ended(rejected, "rejected")
    if before != before_rejected:
        raise ValueError("chosen and rejected differ before their last turns, expected one prompt")
    listed = turns(row["prompt"], "prompt") if isinstance(row.get("prompt"), list) else []
    if before and before[: len(listed)] != listed:
        raise ValueError("chosen: does not begin with the turns of prompt, expected these or one turn alone")
    asked = [] if listed or "prompt" not in row else [text(row, "prompt").strip()]
    if before and asked and asked[0] not in [turn["content"].strip() for turn in before]:
        raise ValueError("chosen: no turn of it is the text of prompt, expected one of them or one turn alone")
    prompt = [*_system(row), *before] if before else _prompt(row)
    return {"prompt": prompt, "completions": {"rejected": rejected, "chosen": chosen}}


def _conversation(key: str) -> Callable[[Row, str], dict[str, Any]]:
    def read(row: Row, teacher: str) -> dict[str, Any]:
        prompt, completion = _ended(_value(row, key), key)
        return {"prompt": [*_system(row), *prompt], "completions": {teacher: completion}}

    return read


def _alpaca(row: Row, teacher: str) -> dict[str, Any]:
    parts = [text(row, "instruction"), text(row, "input") if "input" in row else ""]
    asked = {"role": "user", "content": "\n\n".join(part for part in parts if part.strip())}
    return {"prompt": [*_system(row), asked], "completions": {teacher: text(row, "output")}}


def _completion(row: Row, teacher: str) -> dict[str, Any]:
    key = "response" if "response" in row and "completion" not in row else "completion"
    if not isinstance(row.get(key), list):
        return {"prompt": _prompt(row), "completions": {teacher: text(row, key)}}
    before, completion = _ended(row[key], key)
    if before:
        raise ValueError(f"{key}: {len(before) + 1} turns, expected the assistant's alone")
    return {"prompt": _prompt(row), "completions": {teacher: completion}}


def _prompt(row: Row) -> list[dict[str, str]]:
    if isinstance(row.get("prompt"), list):
        return [*_system(row), *turns(row["prompt"], "prompt")]
    return [*_system(row), {"role": "user", "content": text(row, "prompt")}]


def _system(row: Row) -> list[dict[str, str]]:
    message = text(row, "system") if "system" in row else ""
    return [{"role": "system", "content": message}] if message.strip() else []


POOL = Layout("pool", ("id", "prompt", "completions", "source", "meta"), _pool, one_teacher=False)
PREFERENCE = Layout("preference", ("prompt", "chosen", "rejected", "system"), _preference, one_teacher=False)
SHAREGPT = Layout("ShareGPT", ("conversations", "system"), _conversation("conversations"))
MESSAGES = Layout("messages", ("messages", "system"), _conversation("messages"))
ALPACA = Layout("Alpaca", ("instruction", "input", "output", "system"), _alpaca)
COMPLETION = Layout("completion", ("prompt", "completion", "response", "system"), _completion)
LAYOUTS = (POOL, PREFERENCE, SHAREGPT, MESSAGES, ALPACA, COMPLETION)
_MARKS: tuple[tuple[set[str], Layout], ...] = (  # first match wins: a preference pair may have `messages` as well
    ({"completions"}, POOL),
    ({"chosen", "rejected"}, PREFERENCE),
    ({"conversations"}, SHAREGPT),
    ({"messages"}, MESSAGES),
    ({"instruction"}, ALPACA),
    ({"prompt", "completion"}, COMPLETION),
    ({"prompt", "response"}, COMPLETION),
)


# Parts of rows


def turns(value: Any, key: str) -> list[dict[str, str]]:
    """Read a list of turns, {role, content} or {from, value}; their other keys are not read.

    Raises:
        ValueError: Naming the turn and key at fault.
    """
    if not isinstance(value, list):
        raise ValueError(f"{key}: {_kind(value)}, expected a list of turns")
    return [_turn(turn, f"{key}.{number}") for number, turn in enumerate(value)]


def _turn(turn: Any, key: str) -> dict[str, str]:
    if not isinstance(turn, dict):
        raise ValueError(f"{key}: {_kind(turn)}, expected {{role, content}} or {{from, value}}")
    role_key, text_key = ("role", "content") if turn.get("from") is None else ("from", "value")
    name = turn.get(role_key)
    role = ROLES.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        raise ValueError(f"{key}.{role_key}: {name!r} is no known role ({', '.join(ROLES)})")
    called = [extra for extra in ("tool_calls", "function_call") if turn.get(extra)]
    if called:
        raise ValueError(f"{key}.{called[0]}: calls a tool, expected text alone")
    return {"role": role, "content": text(turn, text_key, f"{key}.")}


def _ended(value: Any, key: str) -> tuple[list[dict[str, str]], str]:
    """Split a conversation before its last turn, which is the completion."""
    said = turns(value, key)
    if not said or said[-1]["role"] != "assistant":
        seen = f"ends with a turn of the {said[-1]['role']}" if said else "has no turns"
        raise ValueError(f"{key}: {seen}, expected the assistant's last, which is the completion")
    return said[:-1], said[-1]["content"]


def text(row: Row, key: str, place: str = "") -> str:
    """Read a text; a list of text parts, as OpenAI writes them, is joined.

    Raises:
        ValueError: If the key is missing, or it is something else.
    """
    value = _value(row, key, place)
    if isinstance(value, list) and value and all(_is_text_part(part) for part in value):
        return "".join(part["text"] for part in value)
    if not isinstance(value, str):
        raise ValueError(f"{place}{key}: {_kind(value)}, expected text")
    return value


def _value(row: Row, key: str, place: str = "") -> Any:
    value = row.get(key)
    if value is None:
        raise ValueError(f"{place}{key}: missing (there are: {', '.join(row) or 'none'})")
    return value


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in ("text", None) and isinstance(part.get("text"), str)


def _kind(value: Any) -> str:
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "nothing" if value is None else kinds.get(type(value), type(value).__name__)
