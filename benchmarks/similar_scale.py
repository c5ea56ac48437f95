"""The index at size, beside its peers, in one run: building, searching, memory, adding.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.similar_scale titanium-dev.jsonl.gz [--documents 100000]
        [--queries 300] [--cache DIR]

Documents are made of the file's: the title of one, halves of the bodies of two others, the vectors of all
three mixed and roughened, so that words and meaning are spread as in a real tracker. Peers: TF-IDF
(scikit-learn, sparse product), bm25s (numpy), plain cosine over all vectors (as gitcrawl does). Ours is the
whole search: BM25F, cosine, the features, the learned order, and its index comes in as the product's does:
blocks of what is embedded at a time, joined by and by. Each way runs in a process of its own, forked when the
documents are there. Times are CPU milliseconds of one thread and wall milliseconds a query, on all queries;
memory is what the process grew by, after building and at its peak. Embedding is not in it (see
`similar_issues`): it is done once a document.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.similar_issues import read, vectors_of
from hundredfold.evidence.similarity import blocks
from hundredfold.evidence.similarity.documents import Document, block, facts
from hundredfold.evidence.similarity.index import Index, joined
from hundredfold.evidence.similarity.ranker import shipped
from hundredfold.jobs.known import CHUNK, give_back

SEED = 1
Array = np.ndarray[Any, Any]
ADDED = 100


def memory() -> int:
    return int(psutil.Process().memory_info().rss)


def timed(name: str, ask: Callable[[int], Any], count: int) -> None:
    ask(0)
    took = []
    for at in range(count):
        wall, cpu = time.perf_counter(), time.process_time()
        ask(at)
        took.append((time.process_time() - cpu, time.perf_counter() - wall))
    p50, p99 = np.quantile(np.array(took) * 1e3, (0.5, 0.99), axis=0)
    print(
        f"{name:22} query p50 {p50[0]:6.2f}, p99 {p99[0]:6.2f} CPU ms; wall {p50[1]:6.2f}, {p99[1]:6.2f} ms",
        flush=True,
    )


def alone(way: Callable[..., None], *given: Any) -> None:
    """Run it in a process that is like the others' when it begins."""
    process = multiprocessing.get_context("fork").Process(target=way, args=given)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{way.__name__} failed")


class Built:
    """Times a build and what it takes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.memory, self.cpu = memory(), time.process_time()

    def __exit__(self, *_: object) -> None:
        cpu, grown = time.process_time() - self.cpu, (memory() - self.memory) / 2**20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - self.memory / 2**20
        print(
            f"{self.name:22} build {cpu:6.1f} CPU s, {grown:6.0f} MB, {peak:6.0f} MB at the peak", flush=True
        )


def ours(documents: list[Document], vectors: Array, asked: list[int]) -> None:
    count = len(documents) - ADDED
    with Built("ours"):
        index = Index(vectors.shape[2], ranker=shipped(words_only=False))
        small = []
        for start in range(0, count, CHUNK):
            end = min(start + CHUNK, count)
            small.append(block([facts(documents[at], vectors[at]) for at in range(start, end)]))
            if len(small) * CHUNK >= blocks.MOST_DOCUMENTS or end == count:
                index.add(joined(small))
                small = []
        give_back()
    queries = [facts(documents[at], vectors[at]) for at in asked]
    timed("ours", lambda at: index.search(queries[at]), len(queries))
    began = time.process_time()
    for at in range(count, len(documents)):
        index.add(block([facts(documents[at], vectors[at])]))
    print(f"{'ours':22} add {(time.process_time() - began) / ADDED * 1e3:.1f} CPU ms a document, one by one")
    timed("ours, 100 more blocks", lambda at: index.search(queries[at]), 100)


def tf_idf(texts: list[str], asked: list[int]) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    with Built("TF-IDF"):
        vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2)
        matrix = vectorizer.fit_transform(texts).T.tocsr()

    def ask(at: int) -> Any:
        alike = (vectorizer.transform([texts[asked[at]]]) @ matrix).toarray().ravel()
        return np.argpartition(-alike, 10)[:10]

    timed("TF-IDF", ask, len(asked))


def bm25(texts: list[str], asked: list[int]) -> None:
    import bm25s

    with Built("bm25s"):
        retriever = bm25s.BM25()
        retriever.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)

    def ask(at: int) -> Any:
        words = bm25s.tokenize([texts[asked[at]]], stopwords="en", show_progress=False)
        return retriever.retrieve(words, k=10, show_progress=False)

    timed("bm25s", ask, len(asked))


def cosine(vectors: Array, asked: list[int]) -> None:
    with Built("plain cosine"):
        wholes = np.ascontiguousarray(vectors)
    timed("plain cosine", lambda at: np.argpartition(-(wholes @ wholes[asked[at]]), 10)[:10], len(asked))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    tracker = read(options.file)
    given = vectors_of(tracker.documents, options.cache)
    chooser = np.random.default_rng(SEED)
    total = options.documents + ADDED
    drawn = chooser.integers(0, len(tracker.documents), (total, 3))
    documents = []
    for at, (one, two, three) in enumerate(drawn.tolist()):
        first, second, third = (tracker.documents[each] for each in (one, two, three))
        body = f"{second.body[: len(second.body) // 2]} {third.body[len(third.body) // 2 :]}"
        documents.append(Document(f"issue:{at}", "issue", first.title, body, at, first.group, first.tags))
    vectors = given[drawn[:, 0]] + 0.3 * (given[drawn[:, 1]] + given[drawn[:, 2]])
    vectors += 0.02 * chooser.standard_normal(vectors.shape, np.float32)
    vectors = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32)
    texts = [f"{one.title}\n{one.body}" for one in documents]
    asked = chooser.integers(0, options.documents, options.queries).tolist()
    print(
        f"{options.documents:,} documents of {np.mean([len(one) for one in texts]):.0f} characters on average"
    )

    alone(ours, documents, vectors, asked)
    some = texts[: options.documents]
    alone(tf_idf, some, asked)
    alone(bm25, some, asked)
    alone(cosine, vectors[: options.documents, 1], asked)


if __name__ == "__main__":
    main()
