"""Is this already known? The project's issues, pull requests, findings and proposals as one index, for any
job.

    project.known.refresh("issue", documents)
    for match in project.known.search(document, kinds=("issue",)): ...

Only `discover` may ask (see `jobs.protocol.Project`), and put what it found into the item. The index is kept
in the store and grows by what is new; without the encoder's weights it goes by words alone, which `by` says.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from hundredfold.vocabulary import digest

if TYPE_CHECKING:
    from hundredfold.evidence.similarity.documents import Document, Facts
    from hundredfold.evidence.similarity.index import Index, Match
    from hundredfold.evidence.similarity.minilm import MiniLM
    from hundredfold.evidence.similarity.ranker import Ranker
    from hundredfold.evidence.similarity.training import Lesson
    from hundredfold.settings import Settings
    from hundredfold.store.blobs import Blobs
    from hundredfold.store.database import Database
    from hundredfold.store.known import Shelf

CHUNK = 500  # documents that are embedded before they are kept: what a kill may lose
TOKENS = 128  # of a text that the encoder reads
TITLE_TOKENS = 64
WORDS = "words"  # the embedder's name where there is none
HELD_OUT = 4  # one in so many searches, the latest, judges a new order


class Refreshed(Struct, frozen=True):
    """What a refresh came to, in documents."""

    added: int
    changed: int
    removed: int
    unchanged: int


class Trained(Struct, frozen=True):
    """What training came to: mean average precision on the latest pairs, which were held out, before and
    after.
    `kept`: the new order is used from now on, since it is better."""

    searches: int
    held_out: int
    before: float
    after: float
    kept: bool


class Known:
    """One project's index. Opened when it is first asked; not for several threads at once."""

    def __init__(
        self, database: Database, blobs: Blobs, project: str, model: str = "auto", *, told: str = ""
    ) -> None:
        """`model`: see `sources.weights.find_weights`. `told`: the label that a duplicate bears; it says what
        became of an issue and not what it is about, so the index leaves it out."""
        self._database, self._blobs, self._project, self._model = database, blobs, project, model
        self._told = told.casefold()
        self._encoder: MiniLM | None = None
        self._encoder_sought = False
        self._index: Index | None = None
        self._newest = -1

    @classmethod
    def of(cls, database: Database, blobs: Blobs, project: str, settings: Settings) -> Known:
        """As the settings of the project say."""
        job = settings.job.get("dedupe")
        return cls(database, blobs, project, settings.known.model, told=job.duplicates.label if job else "")

    @property
    def by(self) -> str:
        """What the index goes by: the encoder's name, or "words"."""
        encoder = self._found_encoder()
        return encoder.name if encoder else WORDS

    def refresh(
        self,
        kind: str,
        documents: Iterable[Document],
        *,
        whole: bool = True,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Refreshed:
        """Bring the index up to these documents of one kind; what is unchanged costs a comparison.

        `whole`: these are all there are of the kind, so others are forgotten. `progress` is told how many
        were embedded.

        Raises:
            StorageError: the store refused.
        """
        from hundredfold.evidence.similarity.documents import block

        shelf, given = self._shelf(), {one.key: self._plain(one) for one in documents}
        there = shelf.documents()
        marks = {key: _mark(one) for key, one in given.items()}
        fresh = [one for key, one in given.items() if key not in there or there[key].digest != marks[key]]
        gone = [key for key, row in there.items() if whole and row.kind == kind and key not in given]
        done = 0
        for start in range(0, len(fresh), CHUNK):
            some = fresh[start : start + CHUNK]
            shelf.add(
                block(self._facts(some)), {one.key: (one.kind, one.title, marks[one.key]) for one in some}
            )
            done += len(some)
            progress(done)
        if gone:
            shelf.remove(gone)
        if shelf.compact() or gone:
            self._newest = -1
        added = sum(1 for one in fresh if one.key not in there)
        return Refreshed(added, len(fresh) - added, len(gone), len(given) - len(fresh))

    def search(
        self,
        document: Document,
        most: int = 10,
        *,
        kinds: Collection[str] = (),
        before_us: int | None = None,
    ) -> list[Match]:
        """What is most like the document, best first; never itself. See `evidence.similarity.index.Match`.

        Raises:
            StorageError: the index is damaged; names the mend.
        """
        index = self._opened()
        return index.search(self._query(index, self._plain(document)), most, kinds=kinds, before_us=before_us)

    def titles(self) -> dict[str, str]:
        """The title of every document, by key."""
        return {key: row.title for key, row in self._shelf().documents().items()}

    def train(
        self, documents: Mapping[str, Document], pairs: Mapping[str, Collection[str]], *, told: str
    ) -> Trained:
        """Learn the order from this project's confirmed pairs, and use it if it is better.

        `pairs`: for a document that turned out to say the same as earlier ones, their keys. The latest
        quarter judges; what is used is then trained on all. `told` says where the pairs come from.

        Raises:
            ValueError: too few pairs.
            ImportError: LightGBM is not installed.
        """
        from hundredfold.evidence.similarity.ranker import Ranker
        from hundredfold.evidence.similarity.training import lesson, train

        index = self._opened()
        asked = sorted(
            (one for one in pairs if one in documents), key=lambda key: (documents[key].created_us, key)
        )
        lessons = []
        for key in asked:
            query = self._query(index, self._plain(documents[key]))
            found = index.candidates(query, before_us=documents[key].created_us)
            if len(found.rows):
                lessons.append(lesson(found, index.keys, pairs[key]))
        cut = len(lessons) - len(lessons) // HELD_OUT
        proof = Ranker(train(lessons[:cut], embedder=self.by, trained_on=told))
        now = index.ranker
        assert now is not None, "an opened index has an order"
        before, after = (_precision(one, lessons[cut:]) for one in (now, proof))
        result = Trained(len(lessons), len(lessons) - cut, before, after, after > before)
        if result.kept:
            model = train(lessons, embedder=self.by, trained_on=told)
            record = {"before": before, "after": after, "held_out": result.held_out, "told": told}
            self._shelf().keep_order(model, after - before, record)
            self._newest = -1
        return result

    def rulings(self) -> tuple[frozenset[frozenset[str]], frozenset[frozenset[str]], frozenset[str]]:
        """What people ruled: (pairs never together, pairs always together, names without "issue:" of the
        canonical ones)."""
        from hundredfold.store.rulings import of_project

        made = of_project(self._database, self._project)
        never, always = (
            frozenset(frozenset({one.one, one.other}) for one in made if one.ruling == kind)
            for kind in ("never", "always")
        )
        return (
            never,
            always,
            frozenset(one.one.partition(":")[2] for one in made if one.ruling == "canonical"),
        )

    def forget_order(self) -> None:
        """Go back to the shipped order."""
        self._shelf().forget_order()
        self._newest = -1

    def forget(self) -> None:
        """Forget the index; the next refresh makes it anew."""
        self._shelf().forget()
        self._newest = -1

    def _plain(self, document: Document) -> Document:
        tags = tuple(tag for tag in document.tags if tag.casefold() != self._told)
        return document if tags == document.tags else structs.replace(document, tags=tags)

    def _opened(self) -> Index:
        """The index as it is in the store now."""
        from hundredfold.evidence.similarity.index import Index
        from hundredfold.evidence.similarity.ranker import Ranker, shipped

        shelf = self._shelf()
        newest = shelf.newest()
        if self._index is None or newest != self._newest:
            encoder = self._found_encoder()
            own = shelf.order()
            ranker = Ranker(own) if own else shipped(words_only=encoder is None)
            index = Index(encoder.size if encoder else 0, shelf.blocks(), ranker)
            there = shelf.documents()
            index.remove([key for key in index.keys if key not in there])
            give_back()
            self._index, self._newest = index, newest
        return self._index

    def _query(self, index: Index, document: Document) -> Facts:
        from hundredfold.evidence.similarity.documents import facts

        row = self._shelf().document(document.key)
        vectors = index.vectors_of(document.key) if row and row.digest == _mark(document) else None
        return facts(document, vectors) if vectors is not None else self._facts([document])[0]

    def _facts(self, documents: Sequence[Document]) -> list[Facts]:
        import numpy as np

        from hundredfold.evidence.similarity.documents import NO_VECTORS, facts, text_of

        encoder = self._found_encoder()
        if encoder is None:
            return [facts(one, NO_VECTORS) for one in documents]
        titles = encoder.embed([one.title for one in documents], TITLE_TOKENS)
        wholes = encoder.embed([text_of(one) for one in documents], TOKENS)
        vectors = np.stack([titles, wholes], axis=1)
        return [facts(one, vector) for one, vector in zip(documents, vectors, strict=True)]

    def _found_encoder(self) -> MiniLM | None:
        if not self._encoder_sought:
            from hundredfold.sources.weights import find_weights, load_encoder

            folder = find_weights(self._model)
            self._encoder = load_encoder(folder) if folder else None
            self._encoder_sought = True
        return self._encoder

    def _shelf(self) -> Shelf:
        from hundredfold.store.known import Shelf

        return Shelf(self._database, self._blobs, self._project, self.by)


def give_back() -> None:
    """Return to the system what opening an index has freed: glibc keeps more than the index takes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _mark(document: Document) -> str:
    """What must be equal for a document to be the same as it was when it was indexed."""
    return digest(document.kind, document.title, document.body, document.group, *sorted(document.tags))


def _precision(ranker: Ranker, lessons: Sequence[Lesson]) -> float:
    """Mean average precision over searches."""
    import numpy as np

    total = 0.0
    for one in lessons:
        right = one.right[np.argsort(-ranker.scores(one.rows), kind="stable")]
        places = np.flatnonzero(right)
        total += float(np.mean((np.arange(len(places)) + 1) / (places + 1))) if len(places) else 0.0
    return total / max(1, len(lessons))
