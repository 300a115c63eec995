"""Adding, subtracting and multiplying small numbers."""

from __future__ import annotations

import random

from voice.training.skills.numbers import number_words
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.turns import Split, Turn

ADD = Phrasings.of(
    """
    <q> what is {a} plus {b} <end>
    <q> what's {a} plus {b} <end>
    <q> {a} plus {b} <end>
    <q> how much is {a} plus {b} <end>
    <ask> what {a} plus {b} (is|makes|equals)
    <ask> how much {a} plus {b} (is|makes)
    <do> add {a} and {b} <end>
    <do> add {a} to {b} <end>
    <do> add {a} plus {b} <end>
    <do> add up {a} and {b} <end>
    <do> add the numbers {a} and {b} <end>
    <q> what is {a} and {b} <end>
    <q> what do (you|i|we) get (when|if) (you|i|we) add {a} (and|to) {b}
    <q> what is the sum of {a} and {b} <end>
    <q> what's the sum of {a} and {b} <end>
    <ask> the sum of {a} and {b}
    <do> (calculate|compute|work out|figure out|solve) {a} plus {b} <end>
    <q> what does {a} plus {b} (make|equal|give|come to)
    <q> {a} plus {b} is how much
    <q> (what|how much) will {a} plus {b} be
    <do> do the sum {a} plus {b}
    <do> add {b} more to {a}
    <q> what number is {a} plus {b}
    <hey> what about {a} plus {b}
    <q> what is the answer to {a} plus {b} <end>
    <ask> the answer to {a} plus {b}
    <do> tell me {a} plus {b} <end>
    <q> {a} and {b} (make|makes) how much
    <q> what is (the result|the answer) (when|if) (you|i) add {a} (and|to) {b}
    <q> (if|when) i have {a} <items> and (i|) (get|find|buy) {b} more how many do i have
    """,
    """
    <q> what is {a} added to {b} <end>
    <hey> {a} and {b} (is|makes) what
    <hey> {a} plus {b} equals what
    <q> how much (are|is) {a} and {b} together
    <q> what is the total of {a} and {b} <end>
    <do> give me the sum of {a} and {b}
    <do> sum {a} and {b} <end>
    <do> put {a} and {b} together <end>
    <q> how much do {a} and {b} add up to
    <q> what are {a} and {b} together
    <q> what would {a} plus {b} be
    <hey> {a} plus {b} what does that make
    <q> (when|if) you put {a} and {b} together what do you get
    <hey> {a} and {b} what is the sum
    <hey> i want to add {a} and {b}
    <q> if you have {a} <items> and i give you {b} how many <items> do you have
    """,
    "add",
)

SUBTRACT = Phrasings.of(
    """
    <q> what is {a} minus {b} <end>
    <q> what's {a} minus {b} <end>
    <q> {a} minus {b} <end>
    <q> how much is {a} minus {b} <end>
    <ask> what {a} minus {b} (is|makes|equals)
    <ask> how much {a} minus {b} is
    <do> subtract {b} from {a} <end>
    <do> take {b} (away|) from {a} <end>
    <q> what is {a} take away {b} <end>
    <q> {a} take away {b} <end>
    <q> what do (you|i|we) get (when|if) (you|i|we) (subtract|take) {b} from {a}
    <q> what is the difference between {a} and {b} <end>
    <ask> the difference between {a} and {b}
    <do> (calculate|compute|work out|figure out|solve) {a} minus {b} <end>
    <q> what does {a} minus {b} (make|equal|give|come to)
    <q> {a} minus {b} is how much
    <q> (what|how much) will {a} minus {b} be
    <q> what number is {a} minus {b}
    <hey> what about {a} minus {b}
    <q> what is the answer to {a} minus {b} <end>
    <ask> the answer to {a} minus {b}
    <do> tell me {a} minus {b} <end>
    <q> how much is left (when|if) (you|i) (take|subtract) {b} from {a}
    <q> what is {a} without {b}
    <do> do the subtraction {a} minus {b}
    <q> what is (the result|the answer) (when|if) (you|i) (take|subtract) {b} from {a}
    <q> (if|when) i have {a} <items> and (i|) (lose|sell|give away) {b} how many are left
    <q> (if|when) i have {a} <items> and (i|) (lose|sell|give away) {b} how many do i have left
    """,
    """
    <q> what is {b} less than {a} <end>
    <q> how much is {a} take away {b} <end>
    <q> what is {a} less {b} <end>
    <hey> {a} minus {b} equals what
    <hey> {a} minus {b} is what
    <q> what remains (when|if) (you|i) take {b} (away|) from {a}
    <q> what is left when {b} is taken from {a}
    <q> what is {b} subtracted from {a} <end>
    <do> give me {a} minus {b} <end>
    <q> what would {a} minus {b} be
    <hey> {a} minus {b} what does that make
    <hey> {a} take away {b} is what
    <hey> i want to subtract {b} from {a}
    <q> if you have {a} <items> and i take {b} how many are left
    """,
    "subtract",
)

MULTIPLY = Phrasings.of(
    """
    <q> what is {a} times {b} <end>
    <q> what's {a} times {b} <end>
    <q> {a} times {b} <end>
    <q> how much is {a} times {b} <end>
    <ask> what {a} times {b} (is|makes|equals)
    <ask> how much {a} times {b} is
    <q> what is {a} multiplied by {b} <end>
    <q> {a} multiplied by {b} <end>
    <do> multiply {a} by {b} <end>
    <do> multiply {a} and {b} <end>
    <do> multiply {a} times {b} <end>
    <q> what do (you|i|we) get (when|if) (you|i|we) multiply {a} (by|and|with) {b}
    <q> what is the product of {a} and {b} <end>
    <ask> the product of {a} and {b}
    <do> (calculate|compute|work out|figure out|solve) {a} times {b} <end>
    <q> what does {a} times {b} (make|equal|give|come to)
    <q> {a} times {b} is how much
    <q> (what|how much) will {a} times {b} be
    <q> what number is {a} times {b}
    <hey> what about {a} times {b}
    <q> what is the answer to {a} times {b} <end>
    <ask> the answer to {a} times {b}
    <do> tell me {a} times {b} <end>
    <do> do the multiplication {a} times {b}
    <ask> (what|how much) {a} multiplied by {b} is
    <do> (calculate|compute|work out|figure out) {a} multiplied by {b} <end>
    <do> multiply the numbers {a} and {b}
    <q> (if|when) i have {a} (boxes|bags) with {b} <items> (in each|each) how many <items> do i have
    <q> what is (the result|the answer) (when|if) (you|i) multiply {a} (and|by|with) {b}
    """,
    """
    <q> how much is {a} multiplied by {b} <end>
    <q> what's {a} multiplied with {b} <end>
    <hey> {a} times {b} is what
    <hey> {a} times {b} equals what
    <do> give me the product of {a} and {b}
    <do> take {a} times {b} <end>
    <ask> what you get when you multiply {a} by {b}
    <q> what is the result of {a} times {b} <end>
    <q> what would {a} times {b} be
    <hey> {a} times {b} what does that make
    <hey> i want to multiply {a} by {b}
    <do> give me {a} times {b} <end>
    <q> what do {a} times {b} make
    <hey> {a} and {b} what is the product
    <q> how many <items> are in {a} bags of {b} <items>
    """,
    "multiply",
)


def _answer(skill: str, user: str, result: int) -> Turn:
    return Turn(user, f"The answer is {number_words(result)}.", skill)


LARGEST_SUM = 20
LARGEST_FACTOR = 10


def _parts(rng: random.Random) -> tuple[int, int]:
    """Two numbers with a sum of at most `LARGEST_SUM`."""
    total = rng.randint(0, LARGEST_SUM)
    part = rng.randint(0, total)
    return part, total - part


def sample_add(rng: random.Random, split: Split) -> Turn:
    """A sum of at most twenty."""
    a, b = _parts(rng)
    user = ADD.sample(rng, split, {"a": number_words(a), "b": number_words(b)})
    return _answer("add", user, a + b)


def sample_subtract(rng: random.Random, split: Split) -> Turn:
    """A difference of numbers up to twenty, never negative."""
    result, b = _parts(rng)
    user = SUBTRACT.sample(rng, split, {"a": number_words(result + b), "b": number_words(b)})
    return _answer("subtract", user, result)


def sample_multiply(rng: random.Random, split: Split) -> Turn:
    """A product of two numbers up to ten."""
    a, b = rng.randint(0, LARGEST_FACTOR), rng.randint(0, LARGEST_FACTOR)
    user = MULTIPLY.sample(rng, split, {"a": number_words(a), "b": number_words(b)})
    return _answer("multiply", user, a * b)
