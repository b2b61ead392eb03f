"""Which words of an answer's sentences and lists are names: each word gets a tag, and patterns over the tags decide.

A tag is one character (`lexicon.MEANINGS`), so that a text becomes a string of tags and each rule a regular expression
over it. In order: `lexicon.tag_of` (by a word's form), `_resolved` (by its neighbours: "blocks" is a noun or a verb),
`_denied` (how far a denial goes; it becomes semicolons, which end a sentence), and `noun_phrases`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .lexicon import PHRASES, tag_of

EXISTENTIAL = frozenset("what there there's here here's".split())
GENERIC = frozenset(
    """object objects thing things item items hazard hazards obstacle obstacles name names element elements list ones
    following""".split()
)
"""What is said of these is the answer: "the objects are car, dog"."""
ROADS = frozenset(
    """road roads street streets lane lanes highway way path view sidewalk shoulder side sides surface intersection
    traffic hill hills bend curve corner junction left right both main two-lane entire whole rest area ground pavement
    crosswalk roadway roadside curb kerb lot""".split()
)
"""What the sentence "the road is wet" is about, and where things are when they block it."""
DESERTED = frozenset("empty deserted clear quiet normal".split())
"""A road that is so is none of the things on it."""

_TOKEN = re.compile(
    rf"(?:{'|'.join(p.replace(' ', ' +') for p in sorted(PHRASES, key=len, reverse=True))})(?![\w'-])|"
    r"\d+ ?x(?!\w)|x ?\d+(?!\w)|[^\W_]+(?:['_-][^\W_]+)*|(?<!\S)-+(?!\S)|[^\w\s'-]|[\n\t]"
)

_RESOLVED = [
    (re.compile(pattern), tags)
    for pattern, tags in (
        # Before a noun or not
        (r"(?<=d)U+(?![nm])", "a"),  # "20 meters ahead"; not "20 parking meters"
        (r"(?<=P)i|i(?=D|n*m)", "w"),  # "blocked by the tree", "by a hydrant"; not "by the road"
        (r"(?<=[nmBKGP])H(?![xBKVAauMr])", "n"),  # "trash can, dog"; not "one can see"
        (r"H", "x"),
        (r"(?<=[xv])o", "w"),  # "the photo is of a truck"; not "piece of wood"
        (r"h(?=[nmGPABKC])", "n"),  # "open door"; not "with its door open"
        (r"[fb](?=D)", "w"),  # "beside a car" is new; "behind the car" is a place
        (r"[fb]", "p"),
        # Singular nouns, and verbs in the third person
        (r"(D[dhnmGTPABKC]*[nmGTPABKC])A(?!a*[nmABKCx])", r"\1v"),  # "a loose dog runs"; not "a lights display"
        (r"(D[dhnmGTPABKC]*n)m(?=[ah]*[pbfwuidDs]|[ah])", r"\1v"),  # verbs that are not known: "a crane towers over"
        (r"(D[dnhP]*n)G(?=[nP]*m)", r"\1v"),  # "a crew emptying bins"; not "small fishing boats"
        (r"((?<![^;])d[nGP]*[nm])A(?=[pabuf][^;x]*(?:;|\Z))", r"\1v"),  # "The dog stands near the road."
        (r"(?<=[rt])A|A(?=[dDsr])", "v"),  # "what stands out", "blocks both lanes"
        (r"(?<=[nmGPABKCrtazy])V|(?<=[;,c])V(?=[dDspw])", "v"),  # "the image shows", "near it lies a rope"
        # Verbs in -ing, and names that hold such a word
        (r"(?<=[xMar])[GT]", "v"),  # "is trimming trees", "is also carrying pipes"
        (r"(?<=[nmGPABK])T(?=[dDsnmGPABKa])", "v"),  # "truck carrying pipes"; not "hanging branch"
        (r"(?<=[nmKA])[GT](?![nmGTPABKC])", "v"),  # "dog running"; not "street cleaning vehicle"
        (r"(?<=m)[GT](?!C)", "v"),  # "people taking photos"; not "cattle crossing sign"
        (r"(?<![dDsnmGTPABKCok])[GT](?![nmGTPABKC])", "v"),  # "Lying on the road is a tire."; not "running child"
        (r"(?<=d)[GT](?![nmGTPABKCUh])", "v"),  # "pedestrians: two walking"
        (r"[GT](?=[dDs])", "v"),  # "pushing a cart"
        (r"C(?=[dDsr])|(?<=m)C(?=[pawuE])|(?<=x)C", "v"),  # "covering the road", "are parking"; not "car parking"
        # Participles
        (r"P(?![nmGTPABKVC])", "v"),  # "car parked on the left"; not "parked car"
        # Verbs in their base form
        (r"(?<=[nm])(?:[BK](?=[dDs])|B(?=[pwui]))", "v"),  # "boulders and mud cover both lanes", "a box lie on"
        (r"(?<=[xruM])[BK]|(?<=[xr]a)[BK]", "v"),  # "might overlook", "I can clearly see"
        (r"(?<![^E;])[BK](?=[dDsra])", "v"),  # "Watch the dog"; not "Block, dog"
        (r"(?<=[mA])[BK](?![nmGPABKVC])|(?<=m)K(?=m)", "v"),  # "cars drive on the left", "children walk dogs"
        (r"(?<=[nmC])B(?=m)|(?<=m)B(?=n)", "v"),  # "a sign direct drivers", "officers direct traffic"
        (r"(?<=[mr])n(?=[dDs])", "v"),  # verbs that are not known: "shoppers crowd the street"
        # After the verbs
        (r"q(?=[dDsa]*[nmGTPABKC]+a*[xv])", "E"),  # "as tourists take photos"; not "as a barrier"
    )
]
"""What a word is, by its neighbours: pattern -> tags (see `lexicon.MEANINGS`), one after the other."""
_LEFT_OVER = str.maketrans("GTPBKCVAUhiq", "nnnnnnmmmapp")
"""What those tags are where no pattern says that they are something else."""

_LIST = r"(?:[,cO]+(?![dDxrNMEF;]|[nm]+a*[xv])[^;,cOEFNM]*|O[^;,cOEFNM]*)*"
"""More of what is denied: ", dogs or cats"; neither ", one dog" nor ", cars are"."""
_DENIALS = [
    re.compile(pattern)
    for pattern in (
        rf"N[^;,cOEFNM]*{_LIST}",  # "no people, dogs or cats"
        r"W[^;,cOEFNM]*(?:(?:,[^;,cOEFNM]*)*,?O[^;,cOEFNM]*)?",  # "without gloves, helmet or vest", "without light,"
        rf"(?<=r)[xa]*M[^;,cOEFNM]*{_LIST}",  # "I do not see people, dogs or cats"
        r"M[auxv]*[^;,cxEFM]*",  # "a car that is not moving"
        r"I[^;]*",  # "if there are people", "please drive carefully"
    )
]
_ABSENT = re.compile(r"x?[xa]*M[xa]*z")
"""Denies what is before it: "dogs and cats are not visible"."""
_FRONTED = re.compile(r"(?<![^;])[,ad]*F(?P<rest>[^;]*)")
"""An exception before its rule: it counts after a denial, "except for a dog, nothing"; else it is a place."""
_FINAL = str.maketrans("zFIMel", "aE;;na")

_CHUNK = re.compile(
    r"(?P<place>(?:[pu]|(?<=[nm])o)+(?:[dDsao]*[nm]{0,3}k)?[dDsao]*(?:[nm]+(?:oa*[nm]+)*)?)|"  # "on the road"
    r"(?P<own>j[nma]+)|"  # "with its door open"
    r"(?P<lead>(?:[dDsao]*[nm]{0,3}k)?[dDsao]*)(?P<name>[nm]+(?:oa*[nm]+)*)|"  # "a large number of", "piece of wood"
    r"(?P<other>[dDsao]+|.)"
)
_ACTS = re.compile("a*(?:p[dDsapo]*[nm]+(?:o[dDs]*[nm]+)*a*)*[xv]")
"""After a name: places, then its verb."""
_DETERMINED = re.compile("[dDsk]")


def noun_phrases(text: str) -> Iterator[list[re.Match[str]]]:
    """The words of each phrase that names something, counts and articles left out, in order.

    A noun alone is no name where it only says something of another: in "the van is a taxi", taxi is a name by its
    article; in "the road is gravel" and "a truck which carries wood", gravel and wood are none. Read from left to
    right, three states tell this, and a semicolon ends all of them:

    - subject: something is named, or a pronoun said, of which a copula may come;
    - predicate: the copula came; a verb, an exception and a preposition end it;
    - relative: inside of "which ..." or of what a sign says, to the next comma, exception or "with".

    Args:
        text: lower case; what is not to be read is blanked with semicolons, words that belong together are joined by
            underscores.
    """
    words = list(_TOKEN.finditer(text))
    tags = _denied(_resolved("".join(tag_of(w[0]) for w in words)))
    subject = predicate = relative = False
    for chunk in _CHUNK.finditer(tags):
        kind, (start, end) = chunk.lastgroup, chunk.span()
        before = tags[start - 1 : start]
        if kind == "name":
            found = words[chunk.start("name") : end]
            acts = _ACTS.match(tags, end) is not None
            said_of = (predicate and tags[end - 1] == "n") or relative
            generic = _head(found) in GENERIC and (acts or _head(found).endswith("s"))
            game = before == "v" and words[start - 1][0].startswith("play")  # "playing soccer"
            known = acts or not said_of or _DETERMINED.search(chunk["lead"])
            if known and not generic and not game and not _is_backdrop(found, acts or before in ("v", "w")):
                yield found
            if acts:
                predicate, subject = False, not generic
        elif kind == "other":
            tag = chunk["other"]
            if tag == ";":
                subject = predicate = relative = False
            elif tag in ",E":
                relative = False
            elif tag == "x":
                predicate = subject
            elif tag == "r":
                predicate, subject = False, words[start][0] not in EXISTENTIAL
            elif tag == "y" or (tag == "t" and before and before in "nmao,"):
                relative = True
            if tag in "vEw":
                predicate = False
                relative &= tag != "w"
        else:
            predicate = False


def _head(phrase: list[re.Match[str]]) -> str:
    """The noun that a phrase is about: "piece" of "piece of wood"."""
    texts = [w[0] for w in phrase]
    return texts[(texts.index("of") if "of" in texts else len(texts)) - 1]


def _is_backdrop(phrase: list[re.Match[str]], in_sentence: bool) -> bool:
    """Whether a phrase is the road itself, as in "the left lane is wet" and "blocks the road"."""
    return _head(phrase) in ROADS and (in_sentence or phrase[0][0] in DESERTED)


def _resolved(tags: str) -> str:
    """Verbs (v) told from nouns by their neighbours; places, exceptions and counts as they are."""
    for pattern, tag in _RESOLVED:
        tags = pattern.sub(tag, tags)
    tags = tags.translate(_LEFT_OVER)
    return _FRONTED.sub(lambda m: m[0].replace("F", "E" if re.search("[NMel]", m["rest"]) else "p"), tags)


def _denied(tags: str) -> str:
    """Semicolons for what is denied."""
    for absent in reversed(list(_ABSENT.finditer(tags))):
        first = len(tags[: absent.start()].rstrip("dDsanmozp,cO"))
        tags = tags[:first] + ";" * (absent.end() - first) + tags[absent.end() :]
    for pattern in _DENIALS:
        tags = pattern.sub(lambda m: ";" * len(m[0]), tags)
    return tags.translate(_FINAL)
