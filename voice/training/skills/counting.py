"""More about numbers: which is larger, odd and even, halves and doubles, counting, dividing."""

from __future__ import annotations

import random

from voice.training.skills.numbers import number_words
from voice.training.skills.phrasing import Phrasings
from voice.training.skills.turns import Split, Turn

DIVIDE = Phrasings.of(
    """
    <q> what is {a} divided by {b} <end>
    <q> what's {a} divided by {b} <end>
    <q> {a} divided by {b} <end>
    <q> how much is {a} divided by {b} <end>
    <ask> what {a} divided by {b} (is|makes|equals)
    <do> divide {a} by {b} <end>
    <do> divide the number {a} by {b}
    <q> what do (you|i|we) get (when|if) (you|i|we) divide {a} by {b}
    <do> (calculate|compute|work out|figure out) {a} divided by {b} <end>
    <q> how (often|many times) does {b} go into {a}
    <q> what does {a} divided by {b} (make|equal|give|come to)
    <q> how many is {a} over {b}
    <q> (if|when) {b} people share {a} <items> how many does each (get|have)
    """,
    """
    <hey> {a} divided by {b} is what
    <hey> {a} divided by {b} equals what
    <q> what is {a} split by {b}
    <do> give me {a} divided by {b} <end>
    <q> how many times is {b} in {a}
    <q> what is the result of {a} divided by {b}
    <do> split {a} by {b}
    <hey> i want to divide {a} by {b}
    <q> what would {a} divided by {b} be
    <hey> {a} divided by {b} what does that make
    <q> {a} <items> for {b} people how many for each
    """,
    "divide",
)

LARGER = Phrasings.of(
    """
    <q> (which|what) is (bigger|larger|greater|more) {a} or {b}
    <q> which number is (bigger|larger|greater) {a} or {b}
    <q> is {a} or {b} (bigger|larger|greater|more)
    <ask> (which|what) is (bigger|larger|greater|more) {a} or {b}
    <ask> whether {a} or {b} is (bigger|larger|more)
    <q> (which|what) is the (bigger|larger) number {a} or {b}
    <q> {a} or {b} (which|what) is (bigger|larger|greater|more)
    <q> which of {a} and {b} is (bigger|larger|greater)
    <do> tell me (which|what) is (bigger|larger) {a} or {b}
    <do> compare {a} and {b} which is (bigger|larger|more)
    <do> name the (bigger|larger) (number|one|) of {a} and {b}
    <hey> what about {a} and {b} which is (bigger|larger|more)
    """,
    """
    <q> what number is (bigger|larger) {a} or {b}
    <q> of {a} and {b} which is (larger|more|bigger)
    <do> say which is (larger|more) {a} or {b}
    <q> which one is (larger|more|bigger) {a} or {b}
    <hey> {a} and {b} which one is (larger|bigger)
    <do> give me the (larger|bigger) of {a} and {b}
    <q> what is more {a} or is it {b}
    <do> pick the (larger|bigger) number {a} or {b}
    <q> between {a} and {b} (which|what) is (larger|bigger)
    <q> which is the (larger|bigger) one {a} or {b}
    """,
    "larger",
)

SMALLER = Phrasings.of(
    """
    <q> (which|what) is (smaller|less|lower) {a} or {b}
    <q> which number is (smaller|lower) {a} or {b}
    <q> is {a} or {b} (smaller|less)
    <ask> (which|what) is (smaller|less) {a} or {b}
    <ask> whether {a} or {b} is (smaller|less)
    <q> (which|what) is the smaller number {a} or {b}
    <q> {a} or {b} (which|what) is (smaller|less)
    <q> which of {a} and {b} is (smaller|less)
    <do> tell me (which|what) is (smaller|less) {a} or {b}
    <do> compare {a} and {b} which is (smaller|less)
    <do> name the smaller (number|one|) of {a} and {b}
    """,
    """
    <q> what number is (smaller|lower) {a} or {b}
    <q> of {a} and {b} which is (smaller|less)
    <do> say which is (smaller|less) {a} or {b}
    <q> which one is (smaller|less) {a} or {b}
    <hey> {a} and {b} which one is smaller
    <do> give me the smaller of {a} and {b}
    <do> pick the smaller number {a} or {b}
    <q> between {a} and {b} (which|what) is (smaller|less)
    <q> what is less {a} or is it {b}
    <q> which is the smaller one {a} or {b}
    """,
    "smaller",
)

PARITY = Phrasings.of(
    """
    <q> is {a} odd or even
    <q> is {a} even or odd
    <q> is {a} an (odd|even) number
    <q> is the number {a} (odd|even)
    <q> is the number {a} (odd or even|even or odd)
    <ask> (if|whether) {a} is (odd or even|even or odd|odd|even)
    <q> {a} is that (odd or even|even or odd)
    <do> tell me (if|whether) {a} is (odd|even)
    <q> what is {a} (odd or even|even or odd)
    <q> is {a} (odd|even)
    """,
    """
    <hey> {a} odd or even
    <hey> {a} is it even or odd
    <do> say (if|whether) {a} is odd or even
    <q> what kind of number is {a} odd or even
    <q> would you call {a} odd or even
    <hey> the number {a} is it odd
    <q> does {a} count as even
    <q> would {a} be an (odd|even) number
    <hey> is it odd or even the number {a}
    <q> which is {a} odd or even
    """,
    "parity",
)

DOUBLE = Phrasings.of(
    """
    <q> what is (double|twice) {a}
    <q> what's (double|twice) {a}
    <q> what is the double of {a}
    <q> how much is (double|twice) {a}
    <do> double {a}
    <do> double the number {a}
    <ask> what (double|twice) {a} is
    <q> what do i get (when|if) i double {a}
    <q> what is two times the number {a}
    <do> tell me (double|twice) {a}
    <q> (double|twice) {a} is (what|how much)
    """,
    """
    <hey> twice {a} <end>
    <q> what would (double|twice) {a} be
    <do> give me (double|twice) {a}
    <q> what is {a} doubled
    <q> how much is {a} doubled
    <do> take {a} twice
    <q> {a} doubled is what
    <do> take the double of {a}
    <hey> what number is twice {a}
    <hey> what comes out when you double {a}
    """,
    "double",
)

HALF = Phrasings.of(
    """
    <q> what is half of {a}
    <q> what's half of {a}
    <q> what is a half of {a}
    <q> how much is half of {a}
    <do> halve {a}
    <do> halve the number {a}
    <ask> what half of {a} is
    <q> what do i get (when|if) i halve {a}
    <q> what is the half of {a}
    <do> tell me half of {a}
    <q> half of {a} is (what|how much)
    """,
    """
    <hey> half of {a} <end>
    <q> what would half of {a} be
    <do> give me half of {a}
    <do> cut {a} in half
    <q> what is {a} halved
    <q> how much is {a} cut in half
    <do> take half of {a}
    <hey> what number is half of {a}
    <q> what is half as much as {a}
    <hey> what comes out when you halve {a}
    """,
    "half",
)

COUNT = Phrasings.of(
    """
    <do> count from {a} to {b} <end>
    <do> count (up|) from {a} to {b}
    <do> count the numbers from {a} to {b}
    <do> say the numbers from {a} to {b}
    <do> name the numbers from {a} to {b}
    <do> tell me the numbers from {a} to {b}
    <q> can you count from {a} to {b}
    <q> what are the numbers from {a} to {b}
    <hey> i want to hear you count from {a} to {b}
    <do> start at {a} and count to {b}
    <do> start with {a} and count to {b}
    """,
    """
    <do> give me the numbers from {a} to {b}
    <do> list the numbers from {a} to {b}
    <do> count for me from {a} to {b}
    <do> begin at {a} and count to {b}
    <do> count all the way from {a} to {b}
    <do> count slowly from {a} to {b}
    <hey> show me how you count from {a} to {b}
    <do> say all numbers from {a} to {b}
    <hey> counting from {a} to {b} <end>
    <hey> let me hear the numbers {a} to {b}
    """,
    "count",
)

LARGEST_COUNTED = 20
LONGEST_COUNT = 6


def _number(rng: random.Random) -> int:
    """Mostly small ones; up to 999."""
    return rng.randint(0, rng.choice((20, 20, 100, 999)))


def sample_divide(rng: random.Random, split: Split) -> Turn:
    """A quotient without remainder, of a product of two numbers up to ten."""
    b, result = rng.randint(1, 10), rng.randint(0, 10)
    user = DIVIDE.sample(rng, split, {"a": number_words(b * result), "b": number_words(b)})
    return Turn(user, f"The answer is {number_words(result)}.", "divide")


def sample_compare(rng: random.Random, split: Split) -> Turn:
    """The larger or smaller of two numbers."""
    a = _number(rng)
    b = a
    while b == a:
        b = _number(rng)
    larger = rng.random() < 0.6
    phrasings, result = (LARGER, max(a, b)) if larger else (SMALLER, min(a, b))
    user = phrasings.sample(rng, split, {"a": number_words(a), "b": number_words(b)})
    said = number_words(result).capitalize()
    reply = f"{said} is {'larger' if larger else 'smaller'}."
    return Turn(user, reply, "compare", (f"{said}.",))


def sample_parity(rng: random.Random, split: Split) -> Turn:
    """Whether a number is odd or even."""
    number = _number(rng)
    said = number_words(number)
    user = PARITY.sample(rng, split, {"a": said})
    kind = "odd" if number % 2 else "even"
    return Turn(user, f"{said.capitalize()} is {kind}.", "parity", (f"It is {kind}.",))


def sample_double(rng: random.Random, split: Split) -> Turn:
    """The double of a number up to fifty, or the half of an even one up to a hundred."""
    result = rng.randint(0, rng.choice((10, 50)))
    phrasings, asked = (DOUBLE, result) if rng.random() < 0.5 else (HALF, 2 * result)
    answer = 2 * result if phrasings is DOUBLE else result
    user = phrasings.sample(rng, split, {"a": number_words(asked)})
    return Turn(user, f"The answer is {number_words(answer)}.", "double")


def sample_count(rng: random.Random, split: Split) -> Turn:
    """Counting from one number to another one, up or down, at most six numbers."""
    first = rng.randint(0, LARGEST_COUNTED)
    last = first
    while last == first:
        last = rng.randint(max(0, first - LONGEST_COUNT + 1), first + LONGEST_COUNT - 1)
    step = 1 if last > first else -1
    user = COUNT.sample(rng, split, {"a": number_words(first), "b": number_words(last)})
    counted = ", ".join(map(number_words, range(first, last + step, step)))
    return Turn(user, f"{counted.capitalize()}.", "count")
