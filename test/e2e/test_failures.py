"""What goes wrong is said: what, where, expected, given; and nothing is left."""

import json
import os
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

import transom
from conftest import make_bert
from transom import compiler


def run(*arguments, **options):
    return subprocess.run(
        [compiler(), *map(str, arguments)], capture_output=True, text=True, **options
    )


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    make_bert(path)
    return path


def refuses(folder, tmp_path, *texts, flags=()):
    """Compiling fails with a message that holds every text; no file appears."""
    output = tmp_path / "out"
    output.mkdir(exist_ok=True)
    result = run("compile", folder, "-o", output / "libm.so", *flags)
    assert result.returncode == 1, result.stderr
    for text in texts:
        assert text in result.stderr
    assert list(output.iterdir()) == []


def edit_config(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.update(changes)
    path.write_text(json.dumps(config))


def rewrite_header(folder, change):
    """Applies `change` to the safetensors header (a dict)."""
    path = folder / "model.safetensors"
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


QUERY = "encoder.layer.0.attention.self.query.weight"


def rename_tensor(folder):
    """The model lacks what it asks for, and has what nothing asks for."""

    def change(header):
        header["encoder.layer.0.attention.self.quarry.weight"] = header.pop(QUERY)

    rewrite_header(folder, change)


def test_truncated_weights(folder, tmp_path):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refuses(folder, tmp_path, "model.safetensors")


@pytest.mark.parametrize("size", [0, 4, 8, 40])
def test_cut_header(size, folder, tmp_path):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    refuses(folder, tmp_path, "model.safetensors")


def test_offset_beyond_the_file(folder, tmp_path):
    def change(header):
        entry = header[QUERY]
        shift = 1 << 40
        entry["data_offsets"] = [o + shift for o in entry["data_offsets"]]

    rewrite_header(folder, change)
    refuses(folder, tmp_path, QUERY)


def test_wrong_shape(folder, tmp_path):
    def change(header):
        header[QUERY]["shape"] = [128, 32]

    rewrite_header(folder, change)
    refuses(folder, tmp_path, QUERY, "64", "128")


def test_missing_tensor(folder, tmp_path):
    rename_tensor(folder)
    refuses(folder, tmp_path, QUERY)


def test_extra_tensor_is_a_warning(folder, tmp_path):

    # An own copy of the bytes at the end: overlapping tensors are an error.
    path = folder / "model.safetensors"
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    end = len(data) - 8 - size
    path.write_bytes(data + b"\0" * 4)
    rewrite_header(
        folder,
        lambda h: h.update(
            {"unheard.of": dict(dtype="F32", shape=[1], data_offsets=[end, end + 4])}
        ),
    )
    result = run("compile", folder, "-o", tmp_path / "libm.so")
    assert result.returncode == 0, result.stderr
    assert "unheard.of" in result.stderr and "warning" in result.stderr


@pytest.mark.parametrize(
    "content, name",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "LFS"),
        (b"<!DOCTYPE html><html>Not Found</html>", "HTML"),
        (b"\x80\x02}q\x00.", "pickle"),
    ],
)
def test_not_safetensors(content, name, folder, tmp_path):
    (folder / "model.safetensors").write_bytes(content)
    refuses(folder, tmp_path, name)


def test_no_weights(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    refuses(folder, tmp_path, "model.safetensors")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"model_type": 3}', "\xff"])
def test_malformed_config(text, folder, tmp_path):
    (folder / "config.json").write_bytes(text.encode("latin1"))
    refuses(folder, tmp_path, "config.json")


@pytest.mark.parametrize(
    "key, value",
    [
        ("hidden_act", "silu_new"),
        ("position_embedding_type", "relative_key"),
        ("add_cross_attention", True),
        ("is_decoder", True),
        ("hidden_size", 63),
        ("hidden_size", -64),
        ("hidden_size", "64"),
        ("num_attention_heads", 0),
        ("num_hidden_layers", 1 << 40),
        ("model_type", "mamba"),
    ],
)
def test_config_that_cannot_be_compiled(key, value, folder, tmp_path):
    edit_config(folder, **{key: value})
    refuses(folder, tmp_path, "config.json", f'"{key}"', json.dumps(value).strip('"'))


def test_a_key_that_nobody_reads(folder, tmp_path):
    edit_config(folder, frobnicate_scores=True)
    result = run("compile", folder, "-o", tmp_path / "m.so")
    assert result.returncode == 0, result.stderr
    assert '"frobnicate_scores"' in result.stderr
    refuses(folder, tmp_path, "config.json", '"frobnicate_scores"', flags=["--strict"])


def test_check_lists_everything(folder):
    edit_config(folder, hidden_act="nope", position_embedding_type="relative_key")
    rename_tensor(folder)
    result = run("check", folder)
    assert result.returncode == 1
    text = result.stdout + result.stderr
    for part in ('"hidden_act"', '"position_embedding_type"', QUERY):
        assert part in text


def test_unwritable_output(folder, tmp_path):
    (tmp_path / "file").write_text("no folder")
    result = run("compile", folder, "-o", tmp_path / "file" / "libm.so")
    assert result.returncode == 1 and str(tmp_path / "file") in result.stderr
    result = run("compile", folder, "-o", "/proc/libm.so")
    assert result.returncode == 1 and "/proc" in result.stderr


def test_missing_model(tmp_path):
    result = run("compile", tmp_path / "nowhere", "-o", tmp_path / "libm.so")
    assert result.returncode == 1 and "nowhere" in result.stderr


def contents(folder):
    """Every file below, and what is in it; of a folder None."""
    return {
        path.relative_to(folder): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def run_ids(library):
    return transom.load(library)(input_ids=[[1, 2, 3]])["pooler_output"]


@pytest.mark.parametrize(
    "present, output",
    [
        ("thesis.txt", "thesis.txt/libm.so"),
        ("m.assets", "libm.so"),
        ("m.assets/vocab.txt", "libm.so"),
        ("m.h", "libm.so"),
        ("m.weights", "libm.so"),
        ("libm.so", "libm.so"),
        ("notes.s", "notes.s"),
        ("notes.mlir", "notes.mlir"),
    ],
)
def test_files_of_others_stay(present, output, folder, tmp_path):
    """What Transom did not write is neither replaced nor removed."""
    (folder / "vocab.txt").write_text("[PAD]\n")
    place = tmp_path / "place"
    (place / present).parent.mkdir(parents=True)
    (place / present).write_text("three years of work\n")
    before = contents(place)
    result = run("compile", folder, "-o", place / output)
    assert result.returncode == 1
    assert f"cannot write '{place / present}'" in result.stderr
    assert contents(place) == before


def test_files_of_the_model_stay(folder, tmp_path):
    before = contents(folder)
    for output in ("model.safetensors", "model.safetensors/x.so", "config.json"):
        result = run("compile", folder, "-o", folder / output)
        assert result.returncode == 1
        assert "cannot write" in result.stderr and output.split("/")[0] in result.stderr
        assert contents(folder) == before
    # A former output that is read now.
    text = tmp_path / "m.mlir"
    assert run("compile", folder, "--emit=mlir", "-o", text).returncode == 0
    for command in ("compile", "import"):
        flags = ["--emit=mlir", f"--weights={folder}"] if command == "compile" else []
        result = run(command, text, *flags, "-o", text)
        assert result.returncode == 1
        assert "file of the model" in result.stderr


def test_links_and_devices_stay(folder, tmp_path):
    target = tmp_path / "target.txt"
    target.write_text("three years of work\n")
    (tmp_path / "libm.so").symlink_to(target)
    os.mkfifo(tmp_path / "libpipe.so")
    for name, text in [("libm.so", "symbolic link"), ("libpipe.so", "regular file")]:
        result = run("compile", folder, "-o", tmp_path / name)
        assert result.returncode == 1 and text in result.stderr
    assert (tmp_path / "libm.so").is_symlink()
    assert (tmp_path / "libpipe.so").is_fifo()


@pytest.mark.parametrize("suffix", [".so", ".a", ".o", ".h", ".mlir", ".ll", ".s"])
def test_own_outputs_are_replaced(suffix, folder, tmp_path):
    (folder / "vocab.txt").write_text("[PAD]\n")
    for _ in range(2):
        result = run("compile", folder, "-o", tmp_path / f"libm{suffix}")
        assert result.returncode == 0, result.stderr
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("suffix, what", [("weights", "weights"), ("h", "header")])
def test_output_named_like_another(suffix, what, folder, tmp_path):
    output = tmp_path / "out" / f"m.{suffix}"
    result = run("compile", folder, "--emit=shared", "-o", output)
    assert result.returncode == 1
    assert f"cannot write the library '{output}': its {what}" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize("suffix", [".so", ".a", ".o", ".h", ".s"])
@pytest.mark.parametrize("flags", [[], ["--embed-weights"]])
def test_percent_in_folders(suffix, flags, folder, tmp_path):
    """LLVM replaces each % of a path when it makes a unique name of it."""
    (folder / "vocab.txt").write_text("[PAD]\n")
    output = tmp_path / "50%" / f"lib%m{suffix}"
    scratch, cache = tmp_path / "t%mp", tmp_path / "c%che"
    output.parent.mkdir()
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": scratch, "TRANSOM_CACHE_DIR": str(cache)}
    result = run("compile", folder, *flags, "-o", output, env=environment)
    assert result.returncode == 0, result.stderr
    assert output.exists() and list(scratch.iterdir()) == []
    # Nothing went to folders with a digit for the %.
    assert {p.name for p in tmp_path.iterdir()} <= {"50%", "t%mp", "c%che", "model"}
    result = run("compile", folder, "--remarks", "-o", output, env=environment)
    assert "object cache" not in result.stderr


def test_missing_folder_of_temporary_files(folder, tmp_path):
    (tmp_path / "out").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "a" / "b")}
    result = run("compile", folder, "-o", tmp_path / "out/libm.so", env=environment)
    assert result.returncode == 1 and str(tmp_path / "a" / "b") in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def two_models(tmp_path):
    """Two models, compiled, and what each computes."""
    result = []
    for seed in (3, 9):
        make_bert(tmp_path / f"model{seed}", seed=seed)
        library = tmp_path / f"lib{seed}" / "libm.so"
        done = run("compile", tmp_path / f"model{seed}", "-o", library)
        assert done.returncode == 0, done.stderr
        result.append((tmp_path / f"model{seed}", library, run_ids(library)))
    return result


@pytest.mark.parametrize("name", ["m.h", "libm.so", "m.weights"])
def test_a_file_that_cannot_be_renamed_over(name, two_models, tmp_path):
    """The former set stays whole if one of it can't be replaced."""
    (_, library, expected), (other, _, _) = two_models
    place = library.parent / name
    made = subprocess.run(["mount", "--bind", place, place], capture_output=True)
    if made.returncode:
        pytest.skip("may not mount")
    try:
        before = contents(library.parent)
        result = run("compile", other, "-o", library)
        assert result.returncode == 1
        assert f"cannot write '{place}'" in result.stderr
        assert contents(library.parent) == before
    finally:
        subprocess.run(["umount", place], check=True)
    np.testing.assert_array_equal(run_ids(library), expected)


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
@pytest.mark.parametrize("fresh", [True, False])
def test_killed_between_renames(fresh, two_models, tmp_path):
    """After kill -9 at each rename, the old or the new library opens."""
    (_, old, expected_old), (model, _, expected_new) = two_models
    flags = ["-f", "-qq", "-e", "trace=rename", "-o", tmp_path / "trace"]
    seen = set()
    for count in range(1, 20):
        place = tmp_path / f"killed{count}"
        place.mkdir()
        if not fresh:
            for file in old.parent.iterdir():
                shutil.copy(file, place)
        inject = f"inject=rename:signal=KILL:when={count}"
        result = subprocess.run(
            ["strace", *map(str, flags), "-e", inject, compiler(), "compile"]
            + [str(model), "-o", str(place / "libm.so")],
            capture_output=True,
            text=True,
        )
        if "ptrace" in result.stderr:
            pytest.skip("may not trace")
        if (place / "libm.so").exists():
            given = run_ids(place / "libm.so")
            seen.add(bool((given == expected_new).all()))
            assert (given == expected_new).all() or (given == expected_old).all()
        else:
            assert fresh
        strange = {"m.h", "libm.so", "m.weights"}
        for name in (path.name for path in place.iterdir()):
            assert name in strange or name.endswith(".tmp")
        if result.returncode == 0:
            break
        # The next compilation removes what is left.
        result = run("compile", model, "-o", place / "libm.so")
        assert result.returncode == 0, result.stderr
        assert {path.name for path in place.iterdir()} == strange
        np.testing.assert_array_equal(run_ids(place / "libm.so"), expected_new)
    assert count >= 5 and seen == ({True} if fresh else {True, False})


def test_two_compilations_of_one_output(two_models, tmp_path):
    """The result is one of the two, whole."""
    output = tmp_path / "both" / "libm.so"
    output.parent.mkdir()
    for _ in range(5):
        processes = [
            subprocess.Popen(
                [compiler(), "compile", model, "-o", output],
                stdout=subprocess.DEVNULL,
            )
            for model, _, _ in two_models
        ]
        assert [process.wait() for process in processes] == [0, 0]
        assert {path.name for path in output.parent.iterdir()} == {
            "libm.so",
            "m.h",
            "m.weights",
        }
        # In a process of its own: a loaded library would be found again.
        code = f"import transom; transom.load({str(output)!r})"
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """mount(size) -> the folder of a file system of that size."""
    place = tmp_path / "small"
    place.mkdir()

    def mount(size):
        unmount()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place],
            capture_output=True,
        )
        if made.returncode:
            pytest.skip("may not mount")
        return place

    def unmount():
        if os.path.ismount(place):
            subprocess.run(["umount", place], check=True)

    yield mount
    unmount()


@pytest.mark.parametrize("suffix", [".so", ".a", ".o"])
def test_full_disk(suffix, folder, tmp_path, small_disk):
    """Wherever a file system ends, it is said, and nothing is left."""
    succeeded = 0
    for size in (8, 64, 260, 300, 360, 400, 500, 4000):
        place = small_disk(size)
        result = run("compile", folder, "-o", place / f"libm{suffix}")
        succeeded += result.returncode == 0
        if result.returncode:
            text = result.stderr
            assert text.count("\n") == 1, text
            assert f"error: cannot write '{place}/" in text
            assert "No space left on device" in text
            assert list(place.iterdir()) == []
    assert 0 < succeeded < 8


@pytest.mark.parametrize("suffix", [".so", ".a"])
def test_full_disk_of_temporary_files(suffix, folder, tmp_path, small_disk):
    failed = 0
    for size in (8, 24, 64, 96, 128, 200, 300):
        place = small_disk(size)
        result = run(
            "compile",
            folder,
            "-o",
            tmp_path / f"libm{suffix}",
            env={**os.environ, "TMPDIR": str(place)},
        )
        assert list(place.iterdir()) == []
        if result.returncode:
            failed += 1
            assert result.stderr.count("\n") == 1, result.stderr
            assert "No space left on device" in result.stderr
            assert not (tmp_path / f"libm{suffix}").exists()
    assert failed


def test_weights_that_are_a_pipe(tiny, tmp_path):
    shutil.copy(tiny[1], tmp_path / "libmodel.so")
    os.mkfifo(tmp_path / "model.weights")
    code = f"import transom; transom.load({str(tmp_path / 'libmodel.so')!r})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert "expected a regular file" in result.stderr


def test_cache_of_one_user(folder, tmp_path):
    """Entries that another user could have written are compiled anew."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "TRANSOM_CACHE_DIR": str(cache)}

    def cached():
        result = run("compile", folder, "-o", tmp_path / "libm.so", env=environment)
        assert result.returncode == 0, result.stderr
        return int(result.stdout.split(" from the cache")[0].split("(")[-1])

    assert cached() == 0
    kernels = sorted((cache / "kernels").iterdir())
    assert cached() == len(kernels) > 3
    assert (cache / "kernels").stat().st_mode & 0o777 == 0o700
    # One under another's name, one that anyone may write, one damaged.
    shutil.copyfile(kernels[0], kernels[1])
    kernels[2].chmod(0o666)
    kernels[3].write_bytes(kernels[3].read_bytes()[:-1] + b"!")
    assert cached() == len(kernels) - 3
    assert cached() == len(kernels)
    if os.geteuid() == 0:
        os.chown(kernels[0], 12345, 12345)
        assert cached() == len(kernels) - 1
        os.chown(cache / "kernels", 12345, 12345)
        assert cached() == 0


@pytest.mark.parametrize("value", [-1, 97, 1 << 31, 1 << 40])
def test_id_out_of_range(value, tiny):
    library = transom.load(tiny[1])
    with pytest.raises(ValueError, match="input_ids") as failure:
        library(input_ids=np.array([[1, 2], [value, 3]]))
    assert str(value) in str(failure.value) and "97" in str(failure.value)
    # The session stays usable.
    assert np.isfinite(library(input_ids=[[1, 2]])["pooler_output"]).all()


def test_length_over_the_maximum(tiny):
    library = transom.load(tiny[1])
    with pytest.raises(ValueError, match="65.*64"):
        library(input_ids=np.ones((1, 65), np.int64))


@pytest.mark.parametrize(
    "inputs, text",
    [
        (dict(), "input_ids"),
        (dict(input_ids=np.ones((2, 3)) * 0.5), "integer"),
        (dict(input_ids=np.ones((2, 3, 4), int)), "input_ids"),
        (dict(input_ids=[[1, 2]], attention_mask=[[1, 1, 1]]), "attention_mask"),
        (dict(input_ids=[[1, 2]], token_type_ids=[[0, 2]]), "token_type_ids"),
        (dict(input_ids=[[1, 2]], outputs=["logits"]), "logits"),
        (dict(input_ids=[[1, 2]], labels=[[1, 2]]), "labels"),
    ],
)
def test_wrong_inputs(inputs, text, tiny):
    with pytest.raises((TypeError, ValueError), match=text):
        transom.load(tiny[1])(**inputs)


def test_weights_of_another_model(tiny, tmp_path, compile_folder):
    other = tmp_path / "other"
    make_bert(other, seed=9)
    copied = tmp_path / "libmodel.so"
    shutil.copy(tiny[1], copied)
    shutil.copy(compile_folder(other).with_name("model.weights"), tmp_path)
    with pytest.raises(Exception, match="hash|weights"):
        transom.load(copied)


@pytest.mark.parametrize("keep", [0, 10, 64, 1000])
def test_truncated_packed_weights(keep, tiny, tmp_path):
    shutil.copy(tiny[1], tmp_path / "libmodel.so")
    data = tiny[1].with_name("model.weights").read_bytes()
    (tmp_path / "model.weights").write_bytes(data[:keep])
    with pytest.raises(Exception, match="model.weights"):
        transom.load(tmp_path / "libmodel.so")


def test_missing_packed_weights(tiny, tmp_path):
    shutil.copy(tiny[1], tmp_path / "libmodel.so")
    with pytest.raises(Exception, match="model.weights"):
        transom.load(tmp_path / "libmodel.so")


def test_not_a_library(tmp_path):
    path = tmp_path / "libmodel.so"
    path.write_bytes(b"no library")
    with pytest.raises(OSError, match="libmodel.so"):
        transom.load(path)
    with pytest.raises(OSError, match="absent"):
        transom.load(tmp_path / "absent.so")
