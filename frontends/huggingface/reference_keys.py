"""Which keys of config.json does each family's reference implementation read?

    reference_keys.py            writes ReferenceKeys.inc beside this file
    reference_keys.py --check    fails if that file is not what it would write

The reference is transformers, as installed; its sources are parsed, not imported.
A key counts as read if it is a field of the configuration's class, is taken out of
the keyword arguments there, is an attribute of `config` in the modeling file, or is
one in a function or class that this imports from the shared modules below. Names
with an underscore in front are transformers' own. A name that `attribute_map` gives
to another key is written `name=key`.
"""

import ast
import importlib.util
import pathlib
import sys
import textwrap

OUTPUT = pathlib.Path(__file__).with_name("ReferenceKeys.inc")

# model_type -> folder of transformers/models.
FAMILIES = {
    "bert": "bert",
    "roberta": "roberta",
    "distilbert": "distilbert",
    "electra": "electra",
    "camembert": "camembert",
    "xlm-roberta": "xlm_roberta",
    "openai-gpt": "openai",
    "gpt2": "gpt2",
    "llama": "llama",
    "t5": "t5",
    "mt5": "mt5",
    "umt5": "umt5",
}

# Modules whose parts compute something that a family imports. What modeling_utils
# reads decides how weights are loaded; that is refused by name in Families.cpp.
SHARED = ("masking_utils", "modeling_layers", "modeling_rope_utils")
# The class of all configurations, and its method that reads keyword arguments.
BASE, AFTER = "PreTrainedConfig", "__post_init__"


def is_config(node):
    """`config`, `self.config`, or what `get_text_config()` of either returns."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "get_text_config" and is_config(node.func.value)
    if isinstance(node, ast.Attribute):
        return node.attr == "config"
    return isinstance(node, ast.Name) and node.id == "config"


def literal(node):
    return node.value if isinstance(node, ast.Constant) else None


def attributes(tree):
    """Attributes of configurations that code reads, but for methods."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and is_config(node.value)
            and id(node) not in called
        ):
            yield node.attr
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "hasattr")
            and is_config(node.args[0])
        ):
            yield literal(node.args[1])


def arguments_taken(tree):
    """Keys that code takes out of keyword arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "kwargs.pop":
            yield literal(node.args[0])


def fields(tree):
    """Fields of the configuration classes in `tree`, and names that mean others."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.ClassDef) and node.name.endswith("Config")):
            continue
        for entry in node.body:
            if isinstance(entry, ast.AnnAssign):
                if "ClassVar" not in ast.dump(entry.annotation):
                    yield entry.target.id
            elif isinstance(entry, ast.Assign) and entry.targets[0].id == (
                "attribute_map"
            ):
                for name, key in ast.literal_eval(entry.value).items():
                    yield f"{name}={key}"


def clean(keys):
    keys = {key for key in keys if key and not key.startswith("_")}
    # Code reads by the names, too.
    return sorted(keys - {key.split("=")[0] for key in keys if "=" in key})


def imported(tree):
    """(module, name) of what `tree` imports from the shared modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in SHARED:
            for alias in node.names:
                yield node.module, alias.name


def family_keys(root, folder):
    def parse(path):
        return ast.parse((root / path).read_text(encoding="utf-8"))

    modeling = parse(f"models/{folder}/modeling_{folder}.py")
    configuration = parse(f"models/{folder}/configuration_{folder}.py")
    keys = {*fields(configuration), *arguments_taken(configuration)}
    keys.update(attributes(modeling))
    for module, name in imported(modeling):
        tree = parse(f"{module}.py")
        if module == "modeling_rope_utils":
            keys.update(attributes(tree))
            keys.update(arguments_taken(tree))
            continue
        for node in tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
                keys.update(attributes(node))
    return clean(keys)


def common_keys(root):
    tree = ast.parse((root / "configuration_utils.py").read_text(encoding="utf-8"))
    [base] = [node for node in tree.body if getattr(node, "name", "") == BASE]
    [after] = [node for node in base.body if getattr(node, "name", "") == AFTER]
    tree.body = [base]
    return clean({*fields(tree), *arguments_taken(after)})


def generate(root):
    text = "// Written by reference_keys.py: keys that transformers reads.\n"
    common = common_keys(root)
    tables = {"": common}
    for model_type, folder in FAMILIES.items():
        keys = family_keys(root, folder)
        tables[model_type] = [key for key in keys if key not in common]
    for model_type, keys in tables.items():
        lines = textwrap.wrap(" ".join(keys), 72, break_on_hyphens=False)
        body = "\n".join(f'    "{line} "' for line in lines)
        text += f'{{"{model_type}",\n{body}}},\n'
    return text


def main(arguments):
    found = importlib.util.find_spec("transformers")
    if found is None:
        print("reference_keys.py: transformers is not installed", file=sys.stderr)
        return 1
    text = generate(pathlib.Path(found.submodule_search_locations[0]))
    if "--check" not in arguments:
        OUTPUT.write_text(text, encoding="utf-8")
    elif OUTPUT.read_text(encoding="utf-8") != text:
        print(f"{OUTPUT.name} is not what transformers reads; run", __file__)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
