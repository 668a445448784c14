"""What an error of torch or of a model's code says, in a line."""


def first_line(error: BaseException | None) -> str:
    """Give the first line of the error's text, or the name of its type without one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
