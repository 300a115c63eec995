"""The joint table as docs/turn-taking.md shows it: `python -m tests.streaming.turn_table_page`
writes it there."""

from collections import defaultdict
from pathlib import Path

from streaming.turn_table import POSSIBLE_PAIRS, TABLE, Assistant, Trigger, User

PAGE = Path(__file__).parents[2] / "docs" / "turn-taking.md"
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"

_SAME = "–"


def table_text() -> str:
    """Rows that differ only in who they start from are one line."""
    lines = ["| what happens | user | assistant | then user | then assistant | decisions |"]
    lines.append("|---|---|---|---|---|---|")
    for trigger in Trigger:
        starts: dict[tuple[str, str, str], dict[User, list[Assistant]]] = defaultdict(dict)
        for (user, assistant, what), outcome in TABLE.items():
            if what is trigger:
                then = (
                    _SAME if outcome.user is user else outcome.user.value,
                    _SAME if outcome.assistant is assistant else outcome.assistant.value,
                    ", ".join(f"`{event.__name__}`" for event in outcome.events),
                )
                starts[then].setdefault(user, []).append(assistant)
        for then, by_user in starts.items():
            users: dict[tuple[Assistant, ...], list[User]] = defaultdict(list)
            for user, assistants in by_user.items():
                users[tuple(assistants)].append(user)
            for assistants, same in users.items():
                sides = (", ".join(each.value for each in side) for side in (same, assistants))
                lines.append(f"| {' | '.join([trigger.value, *sides, *then])} |")
    return "\n".join(lines) + "\n"


def pairs_text() -> str:
    """Which states can be together."""
    lines = [f"| | {' | '.join(each.value for each in Assistant)} |"]
    lines.append("|---" * (len(Assistant) + 1) + "|")
    for user in User:
        marks = ("✓" if (user, each) in POSSIBLE_PAIRS else "" for each in Assistant)
        lines.append(f"| {user.value} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def generated_text() -> str:
    return f"{pairs_text()}\n{table_text()}"


def split_page(text: str) -> tuple[str, str, str]:
    """The page before, in and after what is generated."""
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    return before + BEGIN, table, END + after


def main() -> None:
    before, _, after = split_page(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(f"{before}{generated_text()}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
