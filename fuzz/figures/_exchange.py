"""F3: what either end says the other hears, equal; or it is refused before a byte is made."""

from __future__ import annotations

from collections import Counter
from random import Random

from fuzz.binary import binary_exchanged
from fuzz.figures._size import Size
from fuzz.targets import exchanged

EXAMPLES = {"short": 10_000, "full": 50_000, "long": 1_000_000}


def round_trip(size: Size) -> str:
    """Commands and replies made up from random choices, hostile strings among them."""
    random = Random(f"round trip {size}")
    outcomes: Counter[str] = Counter()
    for number in range(EXAMPLES[size]):
        data = random.randbytes(random.randint(8, 64))
        of_one = exchanged if number % 3 else binary_exchanged
        try:
            outcomes[of_one(data)] += 1
        except Exception as error:
            raise AssertionError(f"{of_one.__name__} of {data!r}: {error!r}") from error
    # Or nothing would have been shown of the ones or the others.
    assert outcomes["equal"] > EXAMPLES[size] // 2, outcomes
    assert min(outcomes["refused"], outcomes["reply refused"]) > EXAMPLES[size] // 100, outcomes
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    return f"round trips, both directions: {EXAMPLES[size]:,} examples: {told}; 0 unequal"
