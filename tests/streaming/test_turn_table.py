"""The joint table: complete, closed, and the one that docs/turn-taking.md shows."""

from collections.abc import Iterable

import pytest

from streaming import events
from streaming.turn_table import POSSIBLE_PAIRS, TABLE, Assistant, Trigger, User
from tests.streaming import turn_table_page


def rows(trigger: Trigger) -> set[tuple[User, Assistant]]:
    return {(user, assistant) for user, assistant, what in TABLE if what is trigger}


def test_table_leads_from_possible_pairs_to_possible_pairs() -> None:
    for (user, assistant, _), outcome in TABLE.items():
        assert (user, assistant) in POSSIBLE_PAIRS
        assert (outcome.user, outcome.assistant) in POSSIBLE_PAIRS


def with_user(*users: User) -> set[tuple[User, Assistant]]:
    return {pair for pair in POSSIBLE_PAIRS if pair[0] in users}


def with_assistant(*assistants: Assistant) -> set[tuple[User, Assistant]]:
    return {pair for pair in POSSIBLE_PAIRS if pair[1] in assistants}


@pytest.mark.parametrize(
    ("trigger", "pairs"),
    [
        (Trigger.VOICE, with_user(User.SILENT, User.PAUSED, User.INTERJECTED)),
        (
            Trigger.PAUSE,
            with_user(User.STARTING, User.SPEAKING, User.RESUMING, User.INTERJECTING),
        ),
        (Trigger.ENDPOINT, with_user(User.SPEAKING, User.PAUSED, User.RESUMING)),
        (Trigger.UNANSWERED_END, with_user(User.SPEAKING, User.PAUSED, User.RESUMING)),
        (Trigger.FLOOR, with_user(User.INTERJECTING, User.INTERJECTED)),
        (Trigger.NO_FLOOR, with_user(User.INTERJECTED)),
        (Trigger.CLEAR, POSSIBLE_PAIRS - with_user(User.SILENT)),
        (Trigger.PLAYBACK, with_assistant(Assistant.THINKING)),
        (Trigger.REPLY_END, POSSIBLE_PAIRS - with_assistant(Assistant.IDLE)),
        (Trigger.REQUEST, with_assistant(Assistant.IDLE, Assistant.DRAFTING)),
        (
            Trigger.CANCEL,
            with_assistant(Assistant.THINKING, Assistant.SPEAKING, Assistant.HELD),
        ),
    ],
)
def test_table_has_a_row_wherever_a_trigger_means_something(
    trigger: Trigger, pairs: Iterable[tuple[User, Assistant]]
) -> None:
    assert rows(trigger) == set(pairs)


def test_drafts_end_where_the_table_leaves_drafting() -> None:
    ends = {events.DraftPromoted, events.DraftDropped}
    for (_, assistant, _), outcome in TABLE.items():
        if assistant is Assistant.DRAFTING and outcome.assistant is not Assistant.DRAFTING:
            assert outcome.events.count(events.ReplyDrafted) + 1 == sum(
                outcome.events.count(end) for end in ends
            )


def test_page_shows_the_table() -> None:
    _, shown, _ = turn_table_page.split_page(turn_table_page.PAGE.read_text(encoding="utf-8"))
    assert shown == turn_table_page.generated_text(), (
        "docs/turn-taking.md is behind: python -m tests.streaming.turn_table_page"
    )
