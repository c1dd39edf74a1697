"""Where the assistant without a model answers, asks back or calls a person.

`SearchResult.evidence` is the calibrated chance that the best page answers. Both bars were put where the plain tuning
questions (tests/bench/sets/tuning/*/plain_questions.jsonl) are answered and refused equally often.
"""

ANSWER = 0.70
"""Evidence from which the best passage is quoted."""

ASK = 0.66
"""Evidence from which asking back is better than a person, when several pages are close."""

OUTSIDE = 0.90
"""Evidence from which even a question that sounds like none for a support team (weather, jokes) is answered."""

CLOSE = 0.70
"""Share of the best hit's score from which another page is a candidate too."""

CANDIDATES = 3
"""Titles in a question back."""

FOLLOW_UP = 0.05
"""How much more evidence a short line must have by itself than together with the question before it."""
