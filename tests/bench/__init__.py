"""Speed as ratios to floors timed in the same run: `./dev bench`, or `python -m tests.bench`.

A floor is the least that the machine has to do for the same result, written out bare. Absolute times wander on a shared
machine; a ratio of neighbours in time, over several rounds, does not.
"""
