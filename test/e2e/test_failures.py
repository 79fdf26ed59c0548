"""What goes wrong is said: what, where, expected, given; and nothing is left."""

import json
import os
import shutil
import struct
import subprocess

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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk(folder, tmp_path):
    """A file system of one megabyte takes the model's library but not more."""
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", mount])
    if made.returncode:
        pytest.skip("may not mount")
    try:
        result = run("compile", folder, "-o", mount / "libm.so")
        assert result.returncode == 1
        assert "No space left" in result.stderr or "no space" in result.stderr.lower()
        assert list(mount.iterdir()) == []
    finally:
        subprocess.run(["umount", mount], check=True)


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
