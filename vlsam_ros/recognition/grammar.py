"""Which words of an answer's sentences and lists are names: each word gets a tag, and patterns over the tags decide.

A tag is one character, so that a text becomes a string of tags and each rule a regular expression over it. In order:
`lexicon.tag_of` (by a word's form), `_resolved` (verb or noun, by the neighbours: v, n and m come of V A B K G T C P),
`_denied` (how far a denial goes; it becomes semicolons, which end a sentence), and `noun_phrases` (names, places that
are dropped, what is said of a subject).
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

_TOKEN = re.compile(
    rf"(?:{'|'.join(p.replace(' ', ' +') for p in sorted(PHRASES, key=len, reverse=True))})(?![\w'-])|"
    r"\d+ ?x(?!\w)|x ?\d+(?!\w)|[^\W_]+(?:['_-][^\W_]+)*|(?<!\S)-+(?!\S)|[^\w\s'-]|[\n\t]"
)

_RESOLVED = [
    (re.compile(pattern), tag)
    for pattern, tag in (
        (r"(?<=d)U+(?![nm])", "a"),
        (r"U", "m"),
        (r"(?<=P)i", "w"),
        (r"i", "p"),
        (r"(?<=[nmBKGP])H(?![xBKVAauMr])", "n"),
        (r"H", "x"),
        (r"[fb](?=D)", "w"),
        (r"[fb]", "p"),
        (r"(?<=[xMar])G|(?<=xa)G|(?<=[xMar])T|(?<=xa)T", "v"),
        (r"(?<=[nmGPABK])T(?=[dDsnmGPABKa])", "v"),
        (r"(?<=[nmKA])[GT](?![nmGTPABKC])", "v"),
        (r"(?<![dDsnmGTPABKCok])[GT](?![nmGTPABKC])", "v"),
        (r"[GT](?=[dDs])", "v"),
        (r"C(?=[dDsr])|(?<=m)C(?=[pawuE])|(?<=x)C", "v"),
        (r"P(?![nmGTPABKVC])", "v"),
        (r"(?<=x)P|(?<=xa)P", "v"),
        (r"(?<=[nmGPABKCrtazy])V|(?<=[;,c])V(?=[dDspw])", "v"),
        (r"(?<=[rt])A|(?<=[nmGP])A(?=[dDsr])|(?<=c)A(?=[ds])", "v"),
        (r"(?<=[nm])[BK](?=[dDs])|(?<=,)A(?=[dDs])", "v"),
        (r"(?<=[xruM])[BK]|(?<=[xr]a)[BK]|(?<![^E;])[BK](?=[dDsra])", "v"),
        (r"(?<=[mA])[BK](?![nmGPABKVC])|(?<=m)[BK](?=m)|(?<=m)B(?=n)", "v"),
    )
]
_SINGULAR_VERBS = (
    re.compile(r"(D[dnmGTPABKC]*[nmGTPABKC])A(?!a*[nmGTPABKVCx])"),
    re.compile(r"(D[dnmGTPABKC]*n)m(?=a*[pbfwuidDs])"),
    re.compile(r"((?<![^;])d[nGP]*[nm])A(?=[pabuf][^;x]*(?:;|\Z))"),
)


_LIST = r"(?:[,cO]+(?![dDxrNMEF;]|[nm]+a*[xv])[^;,cOEFNM]*|O[^;,cOEFNM]*)*"
_DENIALS = [
    re.compile(pattern)
    for pattern in (
        rf"N[^;,cOEFNM]*{_LIST}",
        r"W[^;,cOEFNM]*(?:(?:,[^;,cOEFNM]*)*,?O[^;,cOEFNM]*)?",
        r"(?<=r)[xa]*M[^;EFM]*O[^;,EF]*",
        rf"(?<=r)[xa]*M[^;,cOEFNM]*{_LIST}",
        r"M[auxv]*[^;,cxEFM]*",
        r"I[^;]*",
    )
]
_ABSENT = re.compile(r"x?[xa]*M[xa]*z")
_FRONTED = re.compile(r"(?<![^;])[,ad]*F(?P<rest>[^;]*)")
_LEFT_OVER = str.maketrans("GTPBKCVA", "nnnnnnmm")
_FINAL = str.maketrans("zFIMel", "aE;;na")
_CHUNK = re.compile(
    r"(?P<place>[pu]+(?:[dDsao]*[nm]{0,3}k)?[dDsao]*(?:[nm]+(?:o[dDsa]*[nm]+)*)?)|(?P<own>j[nma]+)|"
    r"(?P<lead>(?:[dDsao]*[nm]{0,3}k)?[dDsao]*)(?P<name>[nm]+(?:o[dDsa]*[nm]+)*)|(?P<other>[dDsao]+|.)"
)
_ACTS = re.compile("a*(?:p[dDsapo]*[nm]+(?:o[dDs]*[nm]+)*a*)*[xv]")
_DETERMINED = re.compile("[dDsk]")


def noun_phrases(text: str) -> Iterator[list[re.Match[str]]]:
    """The words of each phrase that names something, counts and articles left out, in order.

    Args:
        text: lower case; what is not to be read is blanked with semicolons, words that belong together are joined by
            underscores.
    """
    words = list(_TOKEN.finditer(text))
    tags = _denied(_resolved("".join(tag_of(w[0]) for w in words)))
    subject = predicate = relative = False
    for chunk in _CHUNK.finditer(tags):
        kind, (start, end) = chunk.lastgroup, chunk.span()
        if kind == "name":
            found = words[chunk.start("name") : end]
            texts = {w[0] for w in found}
            acts = _ACTS.match(tags, end) is not None
            said_of = (predicate and tags[end - 1] == "n") or relative
            backdrop = found[-1][0] in ROADS and (acts or tags[start - 1 : start] in ("v", "w"))
            generic = acts and bool(texts & GENERIC)
            if not backdrop and not generic and (acts or not said_of or _DETERMINED.search(chunk["lead"])):
                yield found
            if acts:
                predicate, subject = False, not generic
        elif kind == "other":
            before, tag = tags[start - 1 : start], chunk["other"]
            if tag == ";":
                subject = predicate = relative = False
            elif tag in ",E":
                relative = False
            elif tag == "x":
                predicate = subject
            elif tag == "r":
                predicate, subject = False, words[start][0] not in EXISTENTIAL
            elif tag == "y" or (tag == "t" and before and before in "nmao"):
                relative = True
            if tag in "vEw":
                predicate = False
                relative &= tag != "w"
        else:
            predicate = False


def _resolved(tags: str) -> str:
    """Verbs (v) told from nouns by their neighbours; places, exceptions and counts as they are."""
    for pattern in _SINGULAR_VERBS:
        tags = pattern.sub(r"\1v", tags)
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
