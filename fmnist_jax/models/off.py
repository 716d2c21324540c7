"""What "off" means for a number that may be traced: the one rule of layers and training code.

Settings that differ only in numbers share a compiled program, so their numbers may be traced.
The Python number 0.0 is the exception: it is static, and what it would do is left out.
"""


def is_off(number):
    """Whether a setting is the static 0.0; a traced number is on, whatever its value."""
    return isinstance(number, (int, float)) and number == 0
