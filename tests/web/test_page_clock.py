"""The page's clocks, in a browser: where its own is on the call's, and what an answer took."""

import asyncio
from typing import Any

import pytest

from tests.web.browser import needs_chromium, page_of
from tests.web.served import serving

pytestmark = needs_chromium()

# Speech ends at 1,500 ms of the call, which began at 10,000 ms of the browser's clock; the answer
# is sent at 1,900.
LATENCY = {"response_id": "r", "speech_end_ms": 1500, "heard_ms": 400}


def run(script: str) -> Any:
    """Evaluates a script's result with the page's modules at hand."""

    async def body() -> Any:
        async with serving() as server, page_of(server, None) as page:
            return await page.evaluate(
                f"""async (latency) => {{
                  const {{ CallClock, FirstSound }} = await import("/static/clock.js");
                  const clock = new CallClock();
                  const first = new FirstSound(clock);
                  {script}
                }}""",
                LATENCY,
            )

    return asyncio.run(body())


def test_earliest_news_says_when_the_call_began():
    found = run(
        """
        clock.note(500, 10580, 20); // 60 ms late
        clock.note(1000, 11020, 20); // at once
        clock.note(1500, 11535, 20); // 15 ms late
        return [clock.at(0), clock.at(1500)];
        """
    )
    assert found == [10000, 11500]


def test_clock_that_has_moved_is_believed_after_some_news():
    found = run(
        """
        clock.note(0, 10000, 0);
        for (let index = 1; index <= 12; index++) clock.note(100 * index, 10300 + 100 * index, 0);
        return clock.at(0);
        """
    )
    assert found == 10300


def test_nothing_is_known_before_the_first_news():
    assert run("return [clock.at(1), first.expect(latency), first.began(12000)];") == [None] * 3


@pytest.mark.parametrize(
    "order",
    [
        "first.began(11980) ?? first.expect(latency)",
        "first.expect(latency) ?? first.began(11980)",
    ],
)
def test_sound_and_its_answer_are_joined_in_either_order(order):
    found = run(f"clock.note(0, 10000, 0); return {order};")
    assert found == {"id": "r", "milliseconds": 480}


@pytest.mark.parametrize("began", [11800, 15000])
def test_sound_of_another_time_is_not_taken_for_the_answer(began):
    assert (
        run(f"clock.note(0, 10000, 0); first.began({began}); return first.expect(latency);") is None
    )


def test_each_answer_is_told_once():
    found = run(
        """
        clock.note(0, 10000, 0);
        first.expect(latency);
        return [first.began(11950)?.milliseconds, first.began(11960)];
        """
    )
    assert found == [450, None]
