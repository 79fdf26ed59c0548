"""Compares python/transom/_abi.py with the headers that it mirrors.

    check_abi.py ROOT

Prints each number, structure and function of _abi.py that is not what
runtime/transom.h and runtime/abi.h say, and fails if there is any.
"""

import ctypes
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "python"))
from transom import _abi  # noqa: E402

NUMBERS = {
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "void": None,
    "transom_status": ctypes.c_int32,
}


def python_name(name):
    """transom_session_options -> SessionOptions"""
    words = name.removeprefix("transom_").split("_")
    return "".join(word.capitalize() for word in words)


def fits(declared, mirrored):
    """Is a C declaration such as "const int32_t *tokens" of this ctypes type?"""
    array = re.search(r"\[(\d+)\]$", declared)
    if array:
        return mirrored._length_ == int(array[1]) and fits(
            declared[: array.start()], mirrored._type_
        )
    words = re.findall(r"\w+|\*", declared.replace("const ", ""))
    if words[-1] != "*" and len(words) > 1:
        words.pop()  # the name
    kind, stars = words[0], words.count("*")
    if not stars:
        if kind in NUMBERS:
            return mirrored is NUMBERS[kind]
        return mirrored is getattr(_abi, python_name(kind), None)
    if kind == "char" and stars == 1:
        return mirrored is ctypes.c_char_p
    if mirrored is ctypes.c_void_p:
        return stars == 1
    pointee = getattr(mirrored, "_type_", None)
    if stars == 2:
        return pointee in (ctypes.c_void_p, ctypes.c_char_p)
    return pointee in (NUMBERS.get(kind), getattr(_abi, python_name(kind), 0))


def main():
    text = re.sub(
        r"//.*|\\\n",
        "",
        "".join(
            (ROOT / "runtime" / name).read_text() for name in ("transom.h", "abi.h")
        ),
    )
    wrong = []

    def expect(what, fine):
        if not fine:
            wrong.append(what)

    values = dict(re.findall(r"TRANSOM_(\w+) = (\d+)\b", text))
    values.update(re.findall(r"#define TRANSOM_(\w+) ([\d.e-]+)[uf]?\n", text))
    constants = [n for n, v in vars(_abi).items() if isinstance(v, (int, float))]
    for name in constants:
        value = values.get(name)
        expect(name, value and float(value) == getattr(_abi, name))

    structs = re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, re.DOTALL)
    mirrored = 0
    for name, body in structs:
        mirror = getattr(_abi, python_name(name), None)
        if mirror is None or name == "transom_entry_points":
            continue
        mirrored += 1
        declared = [" ".join(field.split()) for field in body.split(";")[:-1]]
        names = [re.search(r"(\w+)(\[\d+\])?$", field)[1] for field in declared]
        expect(f"{name}: fields", names == [field[0] for field in mirror._fields_])
        for field, (_, kind) in zip(declared, mirror._fields_, strict=False):
            expect(f"{name}: {field}", fits(field, kind))

    functions = {
        name: (
            result,
            [p for p in " ".join(parameters.split()).split(", ") if p != "void"],
        )
        for result, name, parameters in re.findall(
            r"typedef\s+([^;(]*?)\s*transom_(\w+)_function\(([^;]*)\);", text
        )
    }
    exported = [
        "open",
        *re.findall(r"FUNCTION\((\w+)\)\s", text.split("FUNCTIONS(FUNCTION)")[1]),
    ]
    entries = _abi.EntryPoints._fields_[4:]
    expect("EntryPoints: functions", exported == [name for name, _ in entries])
    for name, kind in entries:
        result, parameters = functions[name]
        types = kind._argtypes_
        expect(
            f"{name}: {result} ({', '.join(parameters)})",
            fits(result, kind._restype_)
            and len(types) == len(parameters)
            and all(map(fits, parameters, types)),
        )

    # What the expressions above miss must not pass for nothing to say.
    expect("found too little", mirrored == 7 and len(constants) > 12)
    for line in wrong:
        print(f"_abi.py differs from the headers: {line}", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
