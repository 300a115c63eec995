"""How far two sequences are apart."""

from collections.abc import Sequence


def edit_distance(wanted: Sequence[object], got: Sequence[object]) -> int:
    """Insertions, deletions and substitutions that lead from one to the other (Levenshtein)."""
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
