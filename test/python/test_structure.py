"""How the modules of the package hang together."""

import ast
import pathlib

import pytest

import transom

ROOT = pathlib.Path(transom.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): ast.parse(
        path.read_text()
    )
    for path in sorted(ROOT.rglob("*.py"))
}


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


def imports(name, tree):
    """The modules that a module needs: also those under TYPE_CHECKING, and those of
    functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def foreign(tree):
    """Private names of other modules that a module uses, with their lines."""
    # What it assigns to itself or defines anywhere is its own.
    own = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    own |= {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    own |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if node.attr not in own:
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if is_private(alias.name) and f"{node.module}.{alias.name}" not in (
                    MODULES
                ):
                    yield node.lineno, alias.name


@pytest.mark.parametrize("name", MODULES)
def test_no_module_uses_private_names_of_another(name):
    used = [f"{name}:{line}: {found}" for line, found in foreign(MODULES[name])]
    assert not used, used


def test_imports_have_no_circle():
    needs = {
        name: {other for other in imports(name, tree) if other in MODULES}
        for name, tree in MODULES.items()
    }
    while True:
        # What needs nothing that is left is in no circle.
        free = [name for name, others in needs.items() if not others & needs.keys()]
        if not free:
            break
        for name in free:
            del needs[name]
    assert not needs


def test_private_names_and_circles_are_found():
    tree = ast.parse(
        "from transom._library import _hidden\n"
        "class Own:\n"
        "    def __init__(self): self._mine = 1\n"
        "def use(own, library): return own._mine, library._entry, library.__class__\n"
    )
    assert list(foreign(tree)) == [(1, "_hidden"), (4, "_entry")]
    tree = ast.parse("if TYPE_CHECKING:\n    from transom import _library, load\n")
    assert list(imports("x", tree)) == ["transom._library", "transom"]
