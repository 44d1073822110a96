"""The one exception for faults a user can mend."""


class RevisitError(Exception):
    """Bad input or surroundings: says in one line what is wrong, where, and what to do."""
