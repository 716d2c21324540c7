"""Writes files whole or not at all, whatever the disk does; what fails names the file."""

import contextlib
import json
import os
import pathlib
import re
import secrets

from fmnist_jax.errors import DataError


@contextlib.contextmanager
def named(path):
    """Errors of the system get the file's name: a full disk's alone says none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def local_path(path):
    """A file or folder that the user names, with `~` expanded.

    Raises:
      DataError: it is a URL.
    """
    if re.match(r'[A-Za-z][A-Za-z0-9+.-]+:/', str(path)):
        raise DataError(f'{path}: a URL is not a file; download it first and name its local path')
    return pathlib.Path(os.path.expanduser(path))


def write(path, content):
    """Writes a file beside its place and moves it there: the old one stays until the new one is.

    Args:
      path: pathlib.Path.
      content: str or bytes.

    Raises:
      OSError: names `path`; nothing is left behind.
    """
    path = pathlib.Path(path)
    # Searches that share a folder, on other machines too, may write the same file at once.
    temporary = path.with_name(f'{path.name}.{secrets.token_hex(4)}.tmp')
    # A path may hold bytes that are no UTF-8.
    content = content.encode(errors='replace') if isinstance(content, str) else content
    with named(path):
        try:
            with open(temporary, 'wb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # a full disk may be told only now
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def write_between(path, name, text):
    """Replaces the text between the lines `<!-- NAME begins -->` and `<!-- NAME ends -->`.

    Args:
      path: pathlib.Path of a Markdown file.
      name: of the script that makes the text.
      text: whole lines.

    Raises:
      DataError: the file has no such lines.
    """
    begin, end = f'<!-- {name} begins -->\n', f'<!-- {name} ends -->\n'
    before, found, rest = path.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise DataError(f'{path}: expected the lines {begin.strip()} and {end.strip()}; add them')
    write(path, before + begin + text + end + after)


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def whole_lines(content):
    """The lines of a file of JSON lines: bytes -> [bytes], without a last one that was cut off."""
    *lines, last = content.split(b'\n')
    return [*lines, last] if _is_json(last) else lines


def append_line(path, line):
    """Adds a line to a file, all of it or nothing: it is on the disk when this returns.

    A last line that a kill has cut off is written over; see `whole_lines`.

    Args:
      path: pathlib.Path.
      line: bytes with its line end.

    Raises:
      OSError: names `path`; the file is as it was.
    """
    with named(path), open(path, 'ab+') as file:
        file.seek(0)
        content = file.read()
        whole = content.rfind(b'\n') + 1
        if _is_json(content[whole:]):  # an editor has dropped its end
            whole, line = len(content), b'\n' + line
        file.truncate(whole)
        try:
            _write_all(file.fileno(), line)  # unbuffered: closing would try again
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(whole)
            raise


def _write_all(descriptor, content):
    """os.write may write a part: the next call says why."""
    while content:
        content = content[os.write(descriptor, content) :]


def remove_empty(*folders):
    """Removes the folders that are there and have nothing in them, in this order."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def file_name(row_name):
    """A row's name as the stem of a file."""
    return re.sub(r'[^\w.+-]+', '_', row_name).strip('_')
