"""Files at the top of the package are commands, folders are rooms, and imports go one way."""

import ast
import pathlib
import re

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / 'fmnist_jax'
COMMANDS = {'__init__', '__main__', 'main', 'search', 'predict', 'export', 'cost'}
SHARED = {'errors', 'files', 'markdown'}  # what every room may import
ROOMS = {  # room: the rooms that it may import
    'data': set(),
    'models': {'data'},
    'train': {'models', 'data'},
    'config': {'train', 'models', 'data'},
    'results': {'config', 'train', 'models', 'data'},
    'fit': {'results', 'config', 'train', 'models', 'data'},
    'sweep': {'fit', 'results', 'config', 'train', 'models', 'data'},
    'report': {'results', 'config', 'train', 'models', 'data'},
}


def imported_rooms(path):
    """The rooms and top-level files of ours that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            first, *rest = name.split('.')
            assert first != 'configs', f'{path}: imports {name}'
            if first == 'fmnist_jax' and rest:
                yield rest[0]


@pytest.mark.parametrize('room', ROOMS)
def test_a_room_imports_only_what_lies_below(room):
    for path in (PACKAGE / room).rglob('*.py'):
        wrong = set(imported_rooms(path)) - ROOMS[room] - SHARED - {room}
        assert not wrong, f'{path} imports {wrong}'


def test_shared_files_import_no_room():
    for name in SHARED:
        assert set(imported_rooms(PACKAGE / f'{name}.py')) <= SHARED


def test_the_top_of_the_package_holds_commands_and_rooms_alone():
    files = {path.stem for path in PACKAGE.glob('*.py')}
    assert files == COMMANDS | SHARED
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {'__pycache__'}
    assert folders == set(ROOMS)


def star_arguments(path):
    """Lines that unpack a literal: f(*(a, b)), f(**{'c': d}), (*('x', 'y'), z)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Starred) and isinstance(node.value, (ast.Tuple, ast.List)):
            yield node.lineno
        if isinstance(node, ast.Call):
            yield from (
                node.lineno
                for keyword in node.keywords
                if keyword.arg is None and isinstance(keyword.value, ast.Dict)
            )


@pytest.mark.parametrize('folder', ['fmnist_jax', 'configs', 'experiments', 'tests'])
def test_calls_are_written_out(folder):
    for path in (PACKAGE.parent / folder).rglob('*.py'):
        assert not list(star_arguments(path)), f'{path}: {list(star_arguments(path))}'


def test_scripts_refuse_flags_that_they_do_not_have():
    """A script without a parser ignores a misspelt flag, and works for minutes."""
    for path in (PACKAGE.parent / 'experiments').rglob('*.py'):
        source = path.read_text()
        if "__name__ == '__main__'" in source and path.name != 'worker.py':  # a child process
            assert re.search(r'parse_(known_)?args', source), path
