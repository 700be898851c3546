"""Words that depend on numbers."""


def quantity(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``no faults``, ``1 fault``, ``2,000 faults``."""
    return f"{f'{number:,}' if number else 'no'} {noun}{'' if number == 1 else 's'}"
