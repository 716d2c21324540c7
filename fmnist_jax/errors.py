"""The errors that a user can cause, and values shown in one line of a message."""


class ConfigError(ValueError):
    """A config or flag that cannot be used; the message is for the user."""


class DataError(ValueError):
    """A file or an argument is not what it should be; the message says which and what to do."""


def one_line(text, most=500):
    """Any text in one line; a long one is cut in its middle."""
    text = ' '.join(str(text).split())
    return text if len(text) <= most else f'{text[: most // 2]}…{text[-most // 2 :]}'


def show(value):
    """A value in one short line, whatever it is."""
    try:
        return one_line(repr(value), 100)
    except Exception:  # Python refuses to print whole numbers of thousands of digits
        return f'a {type(value).__name__}'
