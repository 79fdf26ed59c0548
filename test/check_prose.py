"""Checks the English of the tree: words and turns that have a better one.

    check_prose.py ROOT

Reads what people read (pages, comments, docstrings, messages, `--help`, and the
descriptions of ops and passes) in every file that git tracks. Terms come from
the last column of docs/glossary.md: those in backquotes are never right, those in
italics not in PUBLIC files, the others only in the meaning of their row, which is
a reader's to judge. TURNS are sentences that had to be read twice, PUBLIC_TURNS
those that are left in comments of the code.
"""

import io
import pathlib
import re
import subprocess
import sys
import tokenize

# Pattern -> what to write instead. A space stands for any white space, so that a
# turn is found across lines.
TURNS = {
    r"(?<!there\s)(is|are|was|were) no (?!longer|more|less|fewer|later|worse|better)": (
        "what it is, or 'is not a'"
    ),
    r"(is|are|was|were|be|been) told|told (of|off|apart)": "'gets', 'is reported'",
    r"who(so)?ever": "the caller, the user: name them",
    r"as ever": "'unchanged', or nothing",
    r"somebody|nobody": "the one who acts, or 'nothing', 'no thread'",
    r"how [\w ]{1,40} is had": "'which ... is used'",
    r"(go|goes|going) on from": "'continues'",
}

PUBLIC_TURNS = {
    r"(that|which) (is|are) (not )?there": "'real', 'not masked', 'present'",
    r"(go|goes|went) on": "'continues'",
    r"(is|are) of no|of no (use|meaning)": "'is not ...', 'is ignored'",
    r"beats": "'overrides', 'takes precedence'",
    r"as \w+ has it": "'as in ...'",
    r"asked for": "'requested', or 'output positions'",
    r"now and then": "'sometimes', or when",
}

# What users read.
PUBLIC = re.compile(
    r"\.(md|td)$|^runtime/(transom|abi|entry)\.h$|^runtime/NAME\.h\.in$"
    r"|^tools/|^python/transom/"
)

GENERATED = re.compile(
    r"^docs/reference/|^examples/(data|models)/|^bench/results/|\.json$|\.inc$"
)
C = (".c", ".cpp", ".h", ".in", ".td", ".def", ".mlir")
HASH = (".cmake", ".sh", ".test", ".txt", ".toml", ".yml")
# What hides words that are not prose; white space is kept for line numbers.
HIDDEN = "\0"

C_PARTS = re.compile(
    r"(?P<line>//[/!]?<?[^\n]*)|(?P<block>/\*.*?\*/)|(?P<text>\[\{.*?\}\])"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<space>\s+)|(?P<code>.)',
    re.DOTALL,
)


def hide(match):
    return re.sub(r"\S", HIDDEN, match[0])


def blank(match):
    return " " * len(match[0])


def code_spans(text):
    """Hides `code` and fenced or indented blocks of a page or a description."""
    text = re.sub(r"```.*?```", hide, text, flags=re.DOTALL)
    return re.sub(r"`[^`]*`", hide, text)


def of_c(text):
    out = []
    for part in C_PARTS.finditer(text):
        kind, found = part.lastgroup, part[0]
        if kind == "line":
            if re.match(r"//\s*(RUN|[A-Z0-9_-]*CHECK[A-Z0-9_-]*):", found):
                out.append(hide(part))
            else:
                out.append(re.sub(r"^//[/!]?<?", blank, found))
        elif kind == "block":
            out.append(re.sub(r"/\*+|\*/|(?m:^\s*\*)", blank, found))
        elif kind == "string":
            # Neighbours are one literal: "expects a " "value".
            out.append(" " + found[1:-1] + " ")
        elif kind in ("text", "space"):
            out.append(found)
        else:
            out.append(HIDDEN)
    return code_spans("".join(out))


def of_hash(text):
    lines = []
    for line in text.split("\n"):
        code = re.match(
            r"\s*(?:#?\s*[A-Z0-9_-]+:.*|(?:[^#]|#(?!\s))*)(?:#+(?=\s|$))?", line
        )
        lines.append(hide(code) + line[code.end() :])
    return code_spans("\n".join(lines))


def of_python(text):
    lines = re.sub(r"\S", HIDDEN, text).split("\n")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError):
        return ""  # Python's own business: a test's broken example.
    prose = (tokenize.COMMENT, tokenize.STRING) + tuple(
        getattr(tokenize, name)
        for name in ("FSTRING_MIDDLE",)
        if hasattr(tokenize, name)
    )
    for token in tokens:
        if token.type not in prose:
            continue
        row, column = token.start
        for number, line in enumerate(token.string.split("\n"), row - 1):
            line = line.replace("#", " ") if token.type == tokenize.COMMENT else line
            line = re.sub(r"""^\w{0,2}["']+|["']+$""", blank, line)
            at = column if number == row - 1 else 0
            lines[number] = lines[number][:at] + line + lines[number][at + len(line) :]
    return code_spans("\n".join(lines))


def prose(name, text):
    suffix = pathlib.PurePath(name).suffix
    if suffix == ".md":
        text = re.sub(r"^    .*$", hide, text, flags=re.MULTILINE)
        return code_spans(text)
    if suffix == ".py":
        return of_python(text)
    if suffix in C:
        return of_c(text)
    if suffix in HASH or pathlib.PurePath(name).name in ("Makefile", "run"):
        return of_hash(text)
    return ""


def glossary(root, mark):
    """Forbidden term between two of `mark` -> the term of its row."""
    terms = {}
    marked = re.compile(re.escape(mark) + "([^`*]+)" + re.escape(mark))
    page = root / "docs" / "glossary.md"
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3:
            for term in marked.findall(cells[2]):
                terms[re.escape(term).replace(r"\ ", " ")] = f"'{cells[0]}'"
    return terms


def compiled(turns, terms):
    def rule(pattern):
        return re.compile(rf"\b{pattern}".replace(" ", r"\s+"), re.IGNORECASE)

    return [(rule(f"(?:{turn})"), better) for turn, better in turns.items()] + [
        (rule(f"(?:{term})s?\\b"), better) for term, better in terms.items()
    ]


def main(root):
    rules = compiled(TURNS, glossary(root, "`"))
    public = compiled(PUBLIC_TURNS, glossary(root, "*"))
    names = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    found = 0
    for name in sorted(filter(None, names)):
        # This file has the words, and the glossary's last column too.
        path = root / name
        if GENERATED.search(name) or path.name in ("check_prose.py", "glossary.md"):
            continue
        if path.name == "prose.test" or not path.is_file():
            continue
        try:
            text = prose(name, path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue  # Binary.
        for rule, better in rules + public * bool(PUBLIC.search(name)):
            for match in rule.finditer(text):
                found += 1
                line = text.count("\n", 0, match.start()) + 1
                words = " ".join(match[0].split())
                print(f"{name}:{line}: '{words}': write {better}", file=sys.stderr)
    if found:
        print(f"{found} found", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
