"""Boxes and points as each family of VLMs writes them, in order and spoilt, and where they are.

The view is 1000 × 500 pixels, and the model saw it as 500 × 250. So x in thousandths is in pixels and y
twice that, a pixel of Qwen2.5 is two, a per cent is 10 × 5, and PaliGemma's bin 512 is (500, 250).
"""

from __future__ import annotations

from typing import NamedTuple

Place = tuple[float, ...]


class Case(NamedTuple):
    """What an answer holds: labels with boxes in pixels of the view, or with points; and what is said to be wrong."""

    form: str
    kind: str
    text: str
    places: list[tuple[str, Place]]
    problems: list[str] = []


AGAIN, CUT, OUTSIDE = "written again", "cut off", "outside the picture"
NUMBERS, INVENTED, FLAT = "without four numbers", "as if invented", "without an area"


def _fenced(*lines: str) -> str:
    return "```json\n[\n\t" + ",\n\t".join(lines) + "\n]\n```"


QWEN2 = [
    (
        "plain",
        "<|object_ref_start|>car<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>",
        [("car", (100, 100, 300, 200))],
    ),
    (
        "several",
        "<|object_ref_start|>car<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>"
        "<|box_start|>(500,600),(700,800)<|box_end|><|object_ref_start|>traffic cone<|object_ref_end|>"
        "<|box_start|>(10,20),(30,40)<|box_end|><|im_end|>",
        [("car", (100, 100, 300, 200)), ("car", (500, 300, 700, 400)), ("traffic cone", (10, 10, 30, 20))],
    ),
    (
        "in a sentence",
        "There is <|object_ref_start|>a dog<|object_ref_end|><|box_start|>(221,423),(569,886)<|box_end|> "
        "and <|object_ref_start|>a woman<|object_ref_end|><|box_start|>(451,381),(733,793)<|box_end|> on the beach.",
        [("a dog", (221, 211.5, 569, 443)), ("a woman", (451, 190.5, 733, 396.5))],
    ),
    ("marks left out", "car(100,200),(300,400)", [("car", (100, 100, 300, 200))]),
    ("a point", "<|object_ref_start|>car<|object_ref_end|><|box_start|>(200,300)<|box_end|>", [("car", (200, 150))]),
    (
        "cut off",
        "<|object_ref_start|>car<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>"
        "<|box_start|>(500,600),(70",
        [("car", (100, 100, 300, 200))],
        [f"1 box {CUT}"],
    ),
    ("cut off after a corner", "<|object_ref_start|>car<|object_ref_end|><|box_start|>(100,200)", [], [f"1 box {CUT}"]),
    (
        "a comma lost",
        "<|object_ref_start|>the selection<|object_ref_end|><|box_start|>(501,10), (995987)<|box_end|>",
        [],
        [f"1 box {NUMBERS}"],
    ),
    (
        "repeated",
        "<|object_ref_start|>car<|object_ref_end|>" + "<|box_start|>(100,200),(300,400)<|box_end|>" * 9,
        [("car", (100, 100, 300, 200))],
        [f"8 boxes {AGAIN}"],
    ),
    (
        "out of range",
        "<|object_ref_start|>car<|object_ref_end|><|box_start|>(900,800),(1003,1020)<|box_end|>"
        "<|box_start|>(1100,200),(1200,300)<|box_end|>",
        [("car", (900, 400, 1000, 500))],
        [f"1 box {OUTSIDE}"],
    ),
    (
        "swapped",
        "<|object_ref_start|>car<|object_ref_end|><|box_start|>(300,400),(100,200)<|box_end|>",
        [("car", (100, 100, 300, 200))],
    ),
    (
        "one for several",
        "<|object_ref_start|>cars<|object_ref_end|><|box_start|>(0,200),(1000,400)<|box_end|>",
        [("cars", (0, 100, 1000, 200))],
    ),
    (
        "inventions",
        "<|object_ref_start|>pole<|object_ref_end|>"
        + "".join(f"<|box_start|>({x},100),({x + 30},900)<|box_end|>" for x in range(0, 900, 90)),
        [],
        [f"10 boxes evenly spaced, {INVENTED}"],
    ),
]

QWEN25 = [
    ("plain", _fenced('{"bbox_2d": [50, 25, 150, 100], "label": "car"}'), [("car", (100, 50, 300, 200))]),
    (
        "several",
        _fenced('{"bbox_2d": [50, 25, 150, 100], "label": "car"}', '{"bbox_2d": [0, 0, 20, 20], "label": "dog"}'),
        [("car", (100, 50, 300, 200)), ("dog", (0, 0, 40, 40))],
    ),
    ("one object without a list", '{\n"bbox_2d": [50, 25, 150, 100]\n}', [("", (100, 50, 300, 200))]),
    (
        "single quotes, thought first",
        "<think>The road [1, 2, 3, 4] is wet.</think>\n\n<answer> [{'bbox_2d': [304, 123, "
        "318, 138], 'label': 'person'}]</answer>",
        [("person", (608, 246, 636, 276))],
    ),
    (
        "text around",
        'Sure! Here are the boxes:\n[{"label": "car", "bbox_2d": [50, 25, 150, 100]}]\nLet me know.',
        [("car", (100, 50, 300, 200))],
    ),
    (
        "points",
        _fenced('{"point_2d": [50, 25], "label": "car"}', '{"point_2d": [60, 25], "label": "car"}'),
        [("car", (100, 50)), ("car", (120, 50))],
    ),
    (
        "points in tags",
        '<points x1="50" y1="25" x2="60" y2="25" alt="cars">cars</points>',
        [("cars", (100, 50)), ("cars", (120, 50))],
    ),
    (
        "cut off in a number",
        '```json\n[\n\t{"bbox_2d": [50, 25, 150, 100], "label": "car"},\n\t{"bbox_2d": [52, 30, 1',
        [("car", (100, 50, 300, 200))],
        [f"1 box {CUT}"],
    ),
    ("cut off in a label", '[{"bbox_2d": [50, 25, 150, 100], "label": "traffic co', [("", (100, 50, 300, 200))]),
    (
        "repeated",
        "[" + ", ".join(['{"bbox_2d": [50, 25, 150, 100], "label": "car"}'] * 40) + ', {"bbox_2d": [50, 2',
        [("car", (100, 50, 300, 200))],
        [f"39 boxes {AGAIN}", f"1 box {CUT}"],
    ),
    (
        "out of range",
        _fenced(
            '{"bbox_2d": [450, 200, 512, 256], "label": "car"}', '{"bbox_2d": [900, 100, 1000, 200], "label": "dog"}'
        ),
        [("car", (900, 400, 1000, 500))],
        [f"1 box {OUTSIDE}"],
    ),
    ("swapped", '[{"bbox_2d": [150, 100, 50, 25], "label": "car"}]', [("car", (100, 50, 300, 200))]),
    (
        "nested",
        '{"objects": [{"name": "car", "place": {"bbox_2d": [[50, 25, 150, 100], [0, 0, 20, 20]]}}]}',
        [("car", (100, 50, 300, 200)), ("car", (0, 0, 40, 40))],
    ),
    ("one for several", '[{"bbox_2d": [0, 25, 500, 100], "label": "cars"}]', [("cars", (0, 50, 1000, 200))]),
    (
        "inventions",
        "[" + ", ".join(f'{{"bbox_2d": [{x}, 50, {x + 20}, 90], "label": "window"}}' for x in range(10, 400, 40)) + "]",
        [],
        [f"10 boxes evenly spaced, {INVENTED}"],
    ),
]

QWEN3 = [
    ("plain", _fenced('{"bbox_2d": [100, 200, 300, 400], "label": "car"}'), [("car", (100, 100, 300, 200))]),
    (
        "further keys",
        _fenced('{"bbox_2d": [100, 200, 300, 400], "label": "car", "sub_label": "parked"}'),
        [("car", (100, 100, 300, 200))],
    ),
    (
        "marks",
        "<|object_ref_start|>car<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>",
        [("car", (100, 100, 300, 200))],
    ),
    (
        "by name",
        '{"car": [[100, 200, 300, 400], [500, 600, 700, 800]], "person": [[1, 2, 31, 42]]}',
        [("car", (100, 100, 300, 200)), ("car", (500, 300, 700, 400)), ("person", (1, 1, 31, 21))],
    ),
    ("points", '[{"point_2d": [100, 200], "label": "car"}]', [("car", (100, 100))]),
    (
        "points in tags",
        '<points x1="154" y1="104" x2="885" y2="104" alt="cars">cars</points>',
        [("cars", (154, 52)), ("cars", (885, 52))],
    ),
    (
        "in three dimensions",
        '[{"bbox_3d": [0.1, 1.2, 9.8, 4.1, 1.5, 1.8, 0, 0.02, 0], "label": "car"}]',
        [],
        [f"1 box {NUMBERS}"],
    ),
    (
        "cut off",
        '[{"bbox_2d": [100, 200, 300, 400], "label": "car"}, {"bbox_2d": [500, 600, 700, 8',
        [("car", (100, 100, 300, 200))],
        [f"1 box {CUT}"],
    ),
    (
        "repeated",
        "["
        + ", ".join(
            ['{"bbox_2d": [100, 200, 300, 400], "label": "car"}', '{"bbox_2d": [0, 0, 90, 90], "label": "car"}'] * 30
        ),
        [("car", (100, 100, 300, 200)), ("car", (0, 0, 90, 45))],
        [f"58 boxes {AGAIN}"],
    ),
    (
        "out of range",
        _fenced(
            '{"bbox_2d": [806, 170, 1003, 1024], "label": "car"}',
            '{"bbox_2d": [-20, 0, 30, 40], "label": "dog"}',
            '{"bbox_2d": [500, 500, 1920, 1080], "label": "bus"}',
        ),
        [("car", (806, 85, 1000, 500)), ("dog", (0, 0, 30, 20))],
        [f"1 box {OUTSIDE}"],
    ),
    ("swapped", '[{"bbox_2d": [300, 400, 100, 200], "label": "car"}]', [("car", (100, 100, 300, 200))]),
    ("corners nested", '[{"bbox_2d": [[100, 200], [300, 400]], "label": "car"}]', [("car", (100, 100, 300, 200))]),
    ("a flat list of two", '[{"bbox_2d": [1, 2, 31, 42, 5, 6, 71, 82], "label": "car"}]', [], [f"1 box {NUMBERS}"]),
    ("one for several", '[{"bbox_2d": [0, 200, 1000, 400], "label": "3 cars"}]', [("3 cars", (0, 100, 1000, 200))]),
    (
        "inventions that touch",
        _fenced(*(f'{{"bbox_2d": [{x}, 118, {x + 121}, 825], "label": "watch"}}' for x in (323, 444, 565, 686))),
        [],
        [f"4 boxes evenly spaced, {INVENTED}"],
    ),
    (
        "three parked cars",
        _fenced(*(f'{{"bbox_2d": [{x}, 400, {x + 150}, 550], "label": "car"}}' for x in (100, 300, 500))),
        [("car", (x, 200, x + 150, 275)) for x in (100, 300, 500)],
    ),
    (
        "a real row",
        _fenced(
            *(
                f'{{"bbox_2d": [{x}, {y}, {x + w}, {y + w}], "label": "car"}}'
                for x, y, w in ((80, 500, 150), (270, 492, 131), (430, 488, 118), (571, 480, 107), (700, 477, 95))
            )
        ),
        [
            ("car", (x, y / 2, x + w, (y + w) / 2))
            for x, y, w in ((80, 500, 150), (270, 492, 131), (430, 488, 118), (571, 480, 107), (700, 477, 95))
        ],
    ),
    (
        "no numbers",
        '[{"bbox_2d": [NaN, 0, Infinity, 5], "label": "a"}, {"bbox_2d": null, "label": "b"}, {"bbox_2d": '
        '[true, false, true, true], "label": "c"}, {"bbox_2d": ["x", 1, 2, 3], "label": "d"}, {"bbox_2d": [1, 2, 3], '
        '"label": "e"}, {"bbox_2d": [], "label": "f"}, {"bbox_2d": ["100", "200", "300", "400"], "label": "car"}]',
        [("car", (100, 100, 300, 200))],
        [f"5 boxes {NUMBERS}"],
    ),
    ("a bracket lost", '[{"bbox_2d": [100, 200, 300, 400, "label": "car"}]', [("car", (100, 100, 300, 200))]),
    ("commas lost", '[{"bbox_2d": [100 200 300 400], "label": "car"}]', [], [f"1 box {NUMBERS}"]),
    ("a string", '[{"bbox_2d": "100, 200, 300, 400", "label": "car"}]', [("car", (100, 100, 300, 200))]),
    ("a label in the list", '[[100, 200, 300, 400, "car"]]', [("car", (100, 100, 300, 200))]),
    (
        "one object after the other",
        '{"bbox_2d": [100, 200, 300, 400], "label": "car"}\n{"bbox": [1, 2, 31, 42], "class": "dog"}',
        [("car", (100, 100, 300, 200)), ("dog", (1, 1, 31, 21))],
    ),
    ("a table", "| object | box |\n|---|---|\n| car | [100, 200, 300, 400] |", [("car", (100, 100, 300, 200))]),
    (
        "a list in Markdown",
        "1. **Car**: [100, 200, 300, 400]\n2. **Dog**: [1, 2, 31, 42]",
        [("Car", (100, 100, 300, 200)), ("Dog", (1, 1, 31, 21))],
    ),
    (
        "an apostrophe",
        "[{'bbox_2d': [100, 200, 300, 400], 'label': 'driver's door'}]",
        [("driver's door", (100, 100, 300, 200))],
    ),
    (
        "no area",
        '[{"bbox_2d": [100, 200, 100, 400], "label": "pole"}, {"bbox_2d": [0, 0, 0, 0], "label": "car"}]',
        [],
        [f"1 box {FLAT}", f"1 box {OUTSIDE}"],
    ),
    (
        "thinner than a pixel",
        '[{"bbox_2d": [100.2, 200, 100.4, 400], "label": "pole"}]',
        [("pole", (99.8, 100, 100.8, 200))],
    ),
    ("shares", '[{"bbox_2d": [0.1, 0.2, 0.3, 0.4], "label": "car"}]', [("car", (100, 100, 300, 200))]),
]

INTERNVL = [
    ("plain", "<ref>car</ref><box>[[100, 200, 300, 400]]</box>", [("car", (100, 100, 300, 200))]),
    (
        "several",
        "<ref>car</ref><box>[[100, 200, 300, 400], [500, 600, 700, 800]]</box>\n<ref>dog</ref><box>[[1, 2, 31, 42"
        "]]</box>",
        [("car", (100, 100, 300, 200)), ("car", (500, 300, 700, 400)), ("dog", (1, 1, 31, 21))],
    ),
    ("marks left out", "car[[100, 200, 300, 400]]", [("car", (100, 100, 300, 200))]),
    (
        "a sentence without a mark",
        "The bounding box coordinates of the region this sentence describes are [100, 200, 300, 400].",
        [("", (100, 100, 300, 200))],
    ),
    ("without brackets", "<box>100 200 300 400</box>", [("", (100, 100, 300, 200))]),
    (
        "cut off",
        "<ref>car</ref><box>[[100, 200, 300, 400], [500, 600, 7",
        [("car", (100, 100, 300, 200))],
        [f"1 box {CUT}"],
    ),
    (
        "repeated",
        "<ref>car</ref><box>[[100, 200, 300, 400]]</box>" * 5,
        [("car", (100, 100, 300, 200))],
        [f"4 boxes {AGAIN}"],
    ),
    (
        "out of range",
        "<ref>car</ref><box>[[900, 800, 1024, 1010], [1500, 0, 1600, 100]]</box>",
        [("car", (900, 400, 1000, 500))],
        [f"1 box {OUTSIDE}"],
    ),
    ("swapped", "<ref>car</ref><box>[[300, 400, 100, 200]]</box>", [("car", (100, 100, 300, 200))]),
    ("nested deeper", "<ref>car</ref><box>[[[100, 200, 300, 400]]]</box>", [("car", (100, 100, 300, 200))]),
    ("one for several", "<ref>cars</ref><box>[[0, 200, 1000, 400]]</box>", [("cars", (0, 100, 1000, 200))]),
    (
        "inventions",
        "<ref>person</ref><box>[" + ", ".join(f"[{x}, 300, {x + 40}, 500]" for x in range(50, 700, 100)) + "]</box>",
        [],
        [f"7 boxes evenly spaced, {INVENTED}"],
    ),
    (
        "Qwen's JSON",
        '[{"bbox_2d": [100, 200, 300, 400], "label": "car"}]',
        [],
        ["1 box expected as <box>[[x1,y1,x2,y2]]</box>, got JSON with bbox_2d or point_2d"],
    ),
    ("Gemini's JSON", '[{"box_2d": [200, 100, 400, 300], "label": "car"}]', [("car", (100, 100, 300, 200))]),
]

MOLMO = [
    ("plain", ' <point x="10.0" y="20.0" alt="car">car</point>', [("car", (100, 100))]),
    (
        "several",
        '<points x1="10.0" y1="20.0" x2="30.5" y2="40.0" alt="traffic cones">traffic cones</points>',
        [("traffic cones", (100, 100)), ("traffic cones", (305, 200))],
    ),
    (
        "in a sentence",
        'There are <point x="63.3" y="85.8" alt="Small fishing boat">Small fishing boats</point> and <point '
        'x="76.8" y="61.8" alt="Sailboat">sailboats</point>.',
        [("Small fishing boat", (633, 429)), ("Sailboat", (768, 309))],
    ),
    ("no alt", '<point x="10" y="20">the car</point>', [("the car", (100, 100))]),
    ("cut off", '<points x1="10.0" y1="20.0" x2="30.5" y2="4', [("", (100, 100))], [f"1 box {CUT}"]),
    (
        "repeated",
        '<points x1="10.0" y1="20.0" x2="10.0" y2="20.0" x3="10.0" y3="20.0" alt="car">car</points>',
        [("car", (100, 100))],
        [f"2 boxes {AGAIN}"],
    ),
    (
        "out of range",
        '<points x1="10.0" y1="120.0" x2="100.0" y2="100.0" alt="car">car</points>',
        [("car", (1000, 500))],
        [f"1 box {OUTSIDE}"],
    ),
    (
        "an attribute twice",
        '<points x1="10.0" y1="10.0" x2="20.0" y1="40.0" alt="car">car</points>',
        [("car", (100, 200))],
        [f"1 box {NUMBERS}"],
    ),
    (
        "inventions",
        "<points " + " ".join(f'x{i}="{10 * i}.0" y{i}="50.0"' for i in range(1, 9)) + ' alt="cars">cars</points>',
        [],
        [f"8 boxes evenly spaced, {INVENTED}"],
    ),
    ("one for several", '<point x="50.0" y="20.0" alt="cars">cars</point>', [("cars", (500, 100))]),
    ("none", "There are none.", []),
    ("boxes after all", "<ref>car</ref><box>[[100, 200, 300, 400]]</box>", [("car", (100, 100, 300, 200))]),
]

MOLMO2 = [
    ("plain", '<points coords="1 1 100 200">car</points>', [("car", (100, 100))]),
    (
        "several",
        'Counting the <points coords="1 1 073 160 2 173 600 3 258 725" alt="boats">the boats</points> shows a total '
        "of 3.",
        [("boats", (73, 80)), ("boats", (173, 300)), ("boats", (258, 362.5))],
    ),
    ("without the picture's number", '<points coords="1 100 200 2 300 400"/>', [("", (100, 100)), ("", (300, 200))]),
    ("cut off", '<points coords="1 1 100 200 2 300 40', [("", (100, 100))], [f"1 box {CUT}"]),
    ("cut off in a point", '<points coords="1 1 100 200 2 300', [("", (100, 100))], [f"1 box {CUT}"]),
    (
        "repeated",
        '<points coords="1 1 100 200 2 100 200 3 100 200">car</points>',
        [("car", (100, 100))],
        [f"2 boxes {AGAIN}"],
    ),
    (
        "out of range",
        '<points coords="1 1 100 200 2 1200 200">car</points>',
        [("car", (100, 100))],
        [f"1 box {OUTSIDE}"],
    ),
    (
        "inventions",
        '<points coords="1 ' + " ".join(f"{i} {100 * i} 300" for i in range(1, 8)) + '">cars</points>',
        [],
        [f"7 boxes evenly spaced, {INVENTED}"],
    ),
    ("Molmo's", '<point x="10.0" y="20.0" alt="car">car</point>', [("car", (100, 100))]),
    ("no numbers", '<points coords="1 1 a b">car</points>', [], [f"1 box {NUMBERS}"]),
]

PALIGEMMA = [
    ("plain", "<loc0256><loc0128><loc0768><loc0512> car", [("car", (125, 125, 500, 375))]),
    (
        "several",
        "<loc0256><loc0128><loc0768><loc0512> car ; <loc0000><loc0000><loc0512><loc0256> traffic cone",
        [("car", (125, 125, 500, 375)), ("traffic cone", (0, 0, 250, 250))],
    ),
    (
        "with a mask",
        "<loc0256><loc0128><loc0768><loc0512> <seg042><seg001><seg127> car",
        [("car", (125, 125, 500, 375))],
    ),
    (
        "two before a label",
        "<loc0256><loc0128><loc0768><loc0512><loc0000><loc0000><loc0512><loc0256> car",
        [("car", (125, 125, 500, 375)), ("car", (0, 0, 250, 250))],
    ),
    (
        "cut off",
        "<loc0256><loc0128><loc0768><loc0512> car ; <loc0000><loc0000><loc05",
        [("car", (125, 125, 500, 375))],
        [f"1 box {CUT}"],
    ),
    ("three", "<loc0256><loc0128><loc0768> car", [], [f"1 box {NUMBERS}"]),
    (
        "repeated",
        "<loc0256><loc0128><loc0768><loc0512> car ; " * 6,
        [("car", (125, 125, 500, 375))],
        [f"5 boxes {AGAIN}"],
    ),
    ("swapped", "<loc0768><loc0512><loc0256><loc0128> car", [("car", (125, 125, 500, 375))]),
    ("one for several", "<loc0256><loc0000><loc0768><loc1023> cars", [("cars", (0, 125, 1000 * 1023 / 1024, 375))]),
    ("no area", "<loc0000><loc0000><loc0000><loc0000> car", [], [f"1 box {OUTSIDE}"]),
    (
        "inventions",
        " ; ".join(f"<loc0300><loc{x:04}><loc0600><loc{x + 64:04}> car" for x in range(0, 640, 128)),
        [],
        [f"5 boxes evenly spaced, {INVENTED}"],
    ),
]

GEMINI = [
    ("plain", _fenced('{"box_2d": [200, 100, 400, 300], "label": "car"}'), [("car", (100, 100, 300, 200))]),
    ("under one key", '{"boxes": [{"box_2d": [200, 100, 400, 300], "label": "car"}]}', [("car", (100, 100, 300, 200))]),
    ("points", '[{"point": [200, 100], "label": "car"}]', [("car", (100, 100))]),
    (
        "masks",
        '[{"box_2d": [200, 100, 400, 300], "mask": "data:image/png;base64,iVBORw0KGgo=", "label": "car"}]',
        [("car", (100, 100, 300, 200))],
    ),
    (
        "cut off",
        '```json\n[\n  {"box_2d": [200, 100, 400, 300], "label": "car"},\n  {"box_2d": [0, 10',
        [("car", (100, 100, 300, 200))],
        [f"1 box {CUT}"],
    ),
    (
        "repeated",
        _fenced(*['{"box_2d": [200, 100, 400, 300], "label": "car"}'] * 4),
        [("car", (100, 100, 300, 200))],
        [f"3 boxes {AGAIN}"],
    ),
    (
        "out of range",
        '[{"box_2d": [800, 900, 1010, 1024], "label": "car"}, {"box_2d": [0, 1300, 100, 1400], "label": "b"}]',
        [("car", (900, 400, 1000, 500))],
        [f"1 box {OUTSIDE}"],
    ),
    ("swapped", '[{"box_2d": [400, 300, 200, 100], "label": "car"}]', [("car", (100, 100, 300, 200))]),
    ("nested", '[[{"box_2d": [[200, 100, 400, 300]], "label": "car"}]]', [("car", (100, 100, 300, 200))]),
    ("one for several", '[{"box_2d": [200, 0, 400, 1000], "label": "cars"}]', [("cars", (0, 100, 1000, 200))]),
    (
        "inventions",
        _fenced(*(f'{{"box_2d": [400, {x}, 500, {x + 60}], "label": "car"}}' for x in range(0, 600, 100))),
        [],
        [f"6 boxes evenly spaced, {INVENTED}"],
    ),
    (
        "Qwen's key",
        '[{"bbox_2d": [100, 200, 300, 400], "label": "car"}]',
        [],
        ["1 box expected as JSON with box_2d, got JSON with bbox_2d or point_2d"],
    ),
]

GLM = [
    (
        "plain",
        "The car is at <|begin_of_box|>[[100, 200, 300, 400]]<|end_of_box|>.",
        [("The car is at", (100, 100, 300, 200))],
    ),
    (
        "thought first, block again",
        "<think>The bounding box is maybe [[90,190,310,410]].</think><answer>The coordinates are "
        "<|begin_of_box|>[[100,200,300,400]]<|end_of_box|></answer>\n<|begin_of_box|>[[101,200,300,400]]<|end_of_box|>",
        [("", (100, 100, 300, 200))],
    ),
    (
        "JSON",
        '<|begin_of_box|>[{"label": "cat-1", "bbox_2d": [100, 200, 300, 400]}, {"label": "dog", "bbox_2d": '
        "[1, 2, 31, 42]}]<|end_of_box|>",
        [("cat-1", (100, 100, 300, 200)), ("dog", (1, 1, 31, 21))],
    ),
    (
        "enumerated",
        "1. car <|begin_of_box|>[[100,200,300,400]]<|end_of_box|>\n2. dog <|begin_of_box|>[[1,2,31,42]]<|end_of_box|>",
        [("car", (100, 100, 300, 200)), ("dog", (1, 1, 31, 21))],
    ),
    (
        "marks left out",
        "[[100, 200, 300, 400], [500, 600, 700, 800]]",
        [("", (100, 100, 300, 200)), ("", (500, 300, 700, 400))],
    ),
    ("an answer that is none", "Are there cars? <|begin_of_box|>No<|end_of_box|>", []),
    (
        "cut off",
        "<think>Hm.</think><|begin_of_box|>[[100,200,300,400],[500,6",
        [("", (100, 100, 300, 200))],
        [f"1 box {CUT}"],
    ),
    ("cut off in a thought", "<think>The box is [[100,200,300,400]], or rather", [], ["no boxes"]),
    (
        "repeated",
        "<|begin_of_box|>[" + "[100,200,300,400]," * 7 + "[100,200,300,400]]<|end_of_box|>",
        [("", (100, 100, 300, 200))],
        [f"7 boxes {AGAIN}"],
    ),
    (
        "out of range",
        "<|begin_of_box|>[[900,800,1024,1010],[1500,0,1600,100]]<|end_of_box|>",
        [("", (900, 400, 1000, 500))],
        [f"1 box {OUTSIDE}"],
    ),
    ("swapped", "<|begin_of_box|>[[300,400,100,200]]<|end_of_box|>", [("", (100, 100, 300, 200))]),
    (
        "one for several",
        '<|begin_of_box|>[{"label": "cars", "bbox_2d": [0, 200, 1000, 400]}]<|end_of_box|>',
        [("cars", (0, 100, 1000, 200))],
    ),
    (
        "inventions",
        "<|begin_of_box|>[" + ",".join(f"[{x},300,{x + 50},400]" for x in range(0, 900, 100)) + "]<|end_of_box|>",
        [],
        [f"9 boxes evenly spaced, {INVENTED}"],
    ),
]

DEEPSEEK = [
    (
        "plain",
        "<|ref|>The giraffe at the back<|/ref|><|det|>[[333, 0, 666, 999]]<|/det|><|end▁of▁sentence|>",
        [("The giraffe at the back", (1000 / 3, 0, 2000 / 3, 500))],
    ),
    (
        "several",
        "<|ref|>car<|/ref|><|det|>[[0, 0, 333, 333], [666, 666, 999, 999]]<|/det|>",
        [("car", (0, 0, 1000 / 3, 500 / 3)), ("car", (2000 / 3, 1000 / 3, 1000, 500))],
    ),
    (
        "nested and three",
        "<|ref|>car<|/ref|><|det|>[[0, 0, 333, 333], [245,[333,666,666,333]], [533, 132, 457]]<|/det|>",
        [("car", (0, 0, 1000 / 3, 500 / 3)), ("car", (1000 / 3, 500 / 3, 2000 / 3, 1000 / 3))],
        [f"1 box {NUMBERS}"],
    ),
    (
        "cut off in endless digits",
        "<|ref|>head<|/ref|><|det|>[[0, 50, 55, 9999], [0, 5, 533, 17, 9" + "9" * 400,
        [],
        [f"1 box {CUT}", f"1 box {OUTSIDE}"],
    ),
    (
        "cut off",
        "<|ref|>car<|/ref|><|det|>[[0, 0, 333, 333], [66",
        [("car", (0, 0, 1000 / 3, 500 / 3))],
        [f"1 box {CUT}"],
    ),
    (
        "repeated",
        "<|ref|>car<|/ref|><|det|>[[0, 0, 333, 333]]<|/det|>" * 3,
        [("car", (0, 0, 1000 / 3, 500 / 3))],
        [f"2 boxes {AGAIN}"],
    ),
    ("swapped", "<|ref|>car<|/ref|><|det|>[[333, 333, 0, 0]]<|/det|>", [("car", (0, 0, 1000 / 3, 500 / 3))]),
    (
        "one for several",
        "<|ref|>cars<|/ref|><|det|>[[0, 333, 999, 666]]<|/det|>",
        [("cars", (0, 500 / 3, 1000, 1000 / 3))],
    ),
    (
        "inventions",
        "<|ref|>cars<|/ref|><|det|>["
        + ", ".join(f"[{x}, 300, {x + 30}, 400]" for x in range(0, 500, 100))
        + "]<|/det|>",
        [],
        [f"5 boxes evenly spaced, {INVENTED}"],
    ),
]

KOSMOS = [
    (
        "plain",
        "<phrase> a car</phrase><object><patch_index_0000><patch_index_0528></object>",
        [("a car", (15.625, 7.8125, 515.625, 257.8125))],
    ),
    (
        "several",
        "<grounding> An image of<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object> "
        "warming himself by<phrase> a fire</phrase><object><patch_index_0005><patch_index_0911></object>.",
        [("a snowman", (390.625, 23.4375, 984.375, 414.0625)), ("a fire", (171.875, 7.8125, 484.375, 445.3125))],
    ),
    (
        "two of one phrase",
        "<phrase> cars</phrase><object><patch_index_0000><patch_index_0528></delimiter_of_multi_objects/>"
        "<patch_index_0528><patch_index_1023></object>",
        [("cars", (15.625, 7.8125, 515.625, 257.8125)), ("cars", (515.625, 257.8125, 984.375, 492.1875))],
    ),
    (
        "one row of cells",
        "<phrase>a car</phrase><object><patch_index_0000><patch_index_0001></object>",
        [("a car", (0, 0, 62.5, 15.625))],
    ),
    (
        "cut off",
        "<phrase> a car</phrase><object><patch_index_0000><patch_index_0528></object> and<phrase> a dog</phrase>"
        "<object><patch_index_0044>",
        [("a car", (15.625, 7.8125, 515.625, 257.8125))],
        [f"1 box {CUT}"],
    ),
    (
        "repeated",
        "<phrase> a car</phrase><object><patch_index_0000><patch_index_0528></object>" * 3,
        [("a car", (15.625, 7.8125, 515.625, 257.8125))],
        [f"2 boxes {AGAIN}"],
    ),
    (
        "out of range",
        "<phrase> a car</phrase><object><patch_index_8000><patch_index_9000></object>",
        [],
        [f"1 box {OUTSIDE}"],
    ),
    (
        "swapped",
        "<phrase> a car</phrase><object><patch_index_0528><patch_index_0000></object>",
        [("a car", (15.625, 7.8125, 515.625, 257.8125))],
    ),
]

MOONDREAM = [
    ("plain", '{"objects": [{"x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4}]}', [("", (100, 100, 300, 200))]),
    (
        "labels",
        '[{"label": "car", "x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4}]',
        [("car", (100, 100, 300, 200))],
    ),
    ("lists", "[0.1, 0.2, 0.3, 0.4]", [("", (100, 100, 300, 200))]),
    ("points", '{"points": [{"x": 0.1, "y": 0.2}, {"x": 0.5, "y": 0.6}]}', [("", (100, 100)), ("", (500, 300))]),
    (
        "cut off",
        '{"objects": [{"x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4}, {"x_min": 0.5, "y_',
        [("", (100, 100, 300, 200))],
        [f"1 box {CUT}"],
    ),
    (
        "repeated",
        '{"objects": [' + '{"x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4},' * 5 + "]}",
        [("", (100, 100, 300, 200))],
        [f"4 boxes {AGAIN}"],
    ),
    (
        "out of range",
        '[{"x_min": 0.9, "y_min": 0.8, "x_max": 1.01, "y_max": 1.02}, '
        '{"x_min": 2, "y_min": 0, "x_max": 3, "y_max": 1}]',
        [("", (900, 400, 1000, 500))],
        [f"1 box {OUTSIDE}"],
    ),
    ("swapped", '[{"x_min": 0.3, "y_min": 0.4, "x_max": 0.1, "y_max": 0.2}]', [("", (100, 100, 300, 200))]),
    ("no numbers", '[{"x_min": null, "y_min": 0.4, "x_max": 0.1, "y_max": 0.2}]', [], [f"1 box {NUMBERS}"]),
]

FLORENCE = [
    ("plain", "car<loc_100><loc_200><loc_300><loc_400>", [("car", (100.5, 100.25, 300.5, 200.25))]),
    (
        "several",
        "</s><s>car<loc_100><loc_200><loc_300><loc_400><loc_500><loc_600><loc_700><loc_800>traffic cone<loc_0>"
        "<loc_0><loc_9><loc_9></s>",
        [
            ("car", (100.5, 100.25, 300.5, 200.25)),
            ("car", (500.5, 300.25, 700.5, 400.25)),
            ("traffic cone", (0.5, 0.25, 9.5, 4.75)),
        ],
    ),
    (
        "cut off",
        "car<loc_100><loc_200><loc_300><loc_400>dog<loc_1><loc_2>",
        [("car", (100.5, 100.25, 300.5, 200.25))],
        [f"1 box {CUT}"],
    ),
    (
        "three",
        "dog<loc_1><loc_2><loc_3>car<loc_100><loc_200><loc_300><loc_400>",
        [("car", (100.5, 100.25, 300.5, 200.25))],
        [f"1 box {NUMBERS}"],
    ),
    (
        "repeated",
        "car<loc_100><loc_200><loc_300><loc_400>" * 3,
        [("car", (100.5, 100.25, 300.5, 200.25))],
        [f"2 boxes {AGAIN}"],
    ),
    ("swapped", "car<loc_300><loc_400><loc_100><loc_200>", [("car", (100.5, 100.25, 300.5, 200.25))]),
    ("one for several", "cars<loc_0><loc_200><loc_999><loc_400>", [("cars", (0.5, 100.25, 999.5, 200.25))]),
    (
        "inventions",
        "".join(f"pole<loc_{x}><loc_100><loc_{x + 20}><loc_500>" for x in range(0, 600, 100)),
        [],
        [f"6 boxes evenly spaced, {INVENTED}"],
    ),
]

CASES = [
    Case(form, *row)
    for form, rows in {
        **{"qwen2": QWEN2, "qwen2.5": QWEN25, "qwen3": QWEN3, "internvl": INTERNVL, "molmo": MOLMO, "molmo2": MOLMO2},
        **{"paligemma": PALIGEMMA, "gemini": GEMINI, "gemma": GEMINI, "glm": GLM, "deepseek": DEEPSEEK},
        **{"kosmos": KOSMOS, "moondream": MOONDREAM, "florence": FLORENCE},
    }.items()
    for row in rows
]

PLACE = (100, 100, 300, 200)
CAR = [("car", PLACE)]
FOREIGN = "1 box expected as <box>[[x1,y1,x2,y2]]</box>, got "

OTHERS = [
    Case(form, kind, text, places, problems[0] if problems else [])
    for form, kind, text, places, *problems in (
        # Marks and tags of other families, which mean by themselves what they say
        ("qwen3", "another mark", "<bbox>[[100,200,300,400]]</bbox>", [("", PLACE)]),
        ("qwen3", "GLM's answer", "<|begin_of_box|>[[100,200,300,400]]", [("", PLACE)]),
        ("qwen3", "DeepSeek's", "<|det|>[[100,200,999,999]]", [("", (100000 / 999, 100000 / 999, 1000, 500))]),
        ("qwen3", "Molmo 2's", '<points coords="1 1 100 300">', [("", (100, 150))]),
        ("qwen3", "tracks", '<tracks coords="1 1 500 500">', [("", (500, 250))]),
        ("qwen3", "Florence's", "car<loc_100><loc_200><loc_300><loc_1023>", [("car", (100.5, 100.25, 300.5, 500))]),
        (
            "qwen3",
            "PaliGemma's",
            "<loc0100><loc0200><loc0300><loc0400> car",
            [("car", (195.3125, 48.828125, 390.625, 146.484375))],
        ),
        ("internvl", "Qwen2's", "<|box_start|>(100,200),(300,400)", [("", PLACE)]),
        (
            "qwen3",
            "Kosmos'",
            "<phrase>car</phrase><patch_index_0001><patch_index_0528>",
            [("car", (46.875, 7.8125, 515.625, 257.8125))],
        ),
        ("internvl", "Moondream's", '{"x_min":.1,"y_min":.2,"x_max":.3,"y_max":.4,"label":"car"}', CAR),
        ("internvl", "Molmo's", '<point x="50" y="30">', [("", (500, 150))]),
        ("internvl", "Molmo's in thousandths", '<point x="500" y="300">', [], [FOREIGN + '<point x="…" y="…">']),
        (
            "internvl",
            "corners by name in thousandths",
            '{"left":100,"top":200,"right":300,"bottom":400}',
            [],
            [FOREIGN + "JSON with x_min, y_min, x_max, y_max"],
        ),
        # Which number is which
        ("gemini", "a list has y first", "car [200,100,400,300]", CAR),
        ("gemini", "a point has y first", '{"point":[200,100],"label":"car"}', [("car", (100, 100))]),
        (
            "gemini",
            "Qwen's key for points",
            '{"point_2d":[200,100],"label":"car"}',
            [],
            ["1 box expected as JSON with box_2d, got JSON with bbox_2d or point_2d"],
        ),
        ("qwen3", "below 0 is no share", '{"bbox_2d":[-0.2,0.1,0.5,0.5]}', [("", (0, 0, 1, 1))]),
        ("qwen3", "a point is no share", '{"point_2d":[0.5,0.5]}', [("", (0.5, 0.25))]),
        ("qwen3", "exponents", "[1e2,+2e2,300,4E+2]", [("", PLACE)]),
        # How far beyond the picture
        ("qwen3", "far to the left", '{"bbox_2d":[-300,100,200,400]}', [], [f"1 box {OUTSIDE}"]),
        ("qwen3", "far to the right", '{"bbox_2d":[100,100,1300,400]}', [], [f"1 box {OUTSIDE}"]),
        ("qwen3", "a slip to the left", '{"bbox_2d":[-200,100,200,400]}', [("", (0, 50, 200, 200))]),
        ("qwen3", "a slip to the right", '{"bbox_2d":[100,100,1200,400]}', [("", (100, 50, 1000, 200))]),
        # JSON
        ("qwen3", "a tuple", '{"bbox":[(100,200,300,400)],"label":"car"}', CAR),
        ("qwen3", "corners in tuples", '{"bbox":[(100,200),(300,400)],"label":"car"}', CAR),
        ("qwen3", "corners in tuples after a blank", '{"bbox":[ (100,200),(300,400)],"label":"car"}', CAR),
        ("qwen3", "corners after a key", '{"car": (100,200),(300,400)}', CAR),
        ("qwen3", "corners in tuples, no key", "[(100,200),(300,400)]", [], ["no boxes"]),
        ("qwen3", "edges by name", '{"left":100,"top":200,"right":300,"bottom":400,"label":"car"}', CAR),
        ("qwen3", "xmin", '{"xmin":100,"ymin":200,"xmax":300,"ymax":400,"label":"car"}', CAR),
        ("qwen3", "x1", '{"x1":100,"y1":200,"x2":300,"y2":400,"label":"car"}', CAR),
        ("qwen3", "two points", '{"points":[[500,300],[100,200]]}', [("", (500, 150)), ("", (100, 100))]),
        ("qwen3", "x and y", '{"x":500,"y":300,"label":"car"}', [("car", (500, 150))]),
        ("qwen3", "a width", '{"x":500,"y":300,"width":100,"label":"car"}', [], ["no boxes"]),
        (
            "qwen3",
            "other sizes",
            '[{"x":1,"y":2,"w":3},{"x":1,"y":2,"h":3},{"x":1,"y":2,"height":3}]',
            [],
            ["no boxes"],
        ),
        ("qwen3", "a label last, not closed", '[100,200,300,400,"car"', CAR),
        ("qwen3", "a label first", '["car",100,200,300,400]', CAR),
        (
            "qwen3",
            "a list of labels",
            '{"bboxes":[[100,200,300,400],[1,2,31,42]],"labels":["car","dog"]}',
            [*CAR, ("dog", (1, 1, 31, 21))],
        ),
        ("qwen3", "too many labels", '{"bboxes":[[100,200,300,400]],"labels":["car","dog"]}', [("", PLACE)]),
        ("qwen3", "a name and a label", '{"bbox":[100,200,300,400],"name":"Herbie","label":"car"}', CAR),
        ("qwen3", "null in a list", "[100,null,300,400]", [], [f"1 box {NUMBERS}"]),
        (
            "qwen3",
            "numbered",
            '[["car 1",100,200,300,400],["car 2",100,200,300,400]]',
            [("car 1", PLACE)],
            [f"1 box {AGAIN}"],
        ),
        # Text
        ("internvl", "a point and a box", "<box>[[10,20],[100,200,300,400]]</box>", [("", (10, 10)), ("", PLACE)]),
        (
            "molmo2",
            "pictures",
            '<points coords="1 1 500 500;2 1 100 100\t3 1 300 20:4 1 90 80">',
            [("", (500, 250)), ("", (100, 50)), ("", (300, 10)), ("", (90, 40))],
        ),
        (
            "qwen3",
            "a list before a pair",
            "car [100,200,300,400] and dog (5,6),(70,80)",
            [*CAR, ("and dog", (5, 3, 70, 40))],
        ),
        (
            "qwen3",
            "two after one label",
            "cars: [100,200,300,400], [1,2,31,42]",
            [("cars", PLACE), ("cars", (1, 1, 31, 21))],
        ),
        (
            "qwen3",
            "vowel signs at the end",
            "ही: [100,200,300,400]\nहे: [1,2,31,42]",
            [("ही", PLACE), ("हे", (1, 1, 31, 21))],
        ),
        ("qwen3", "a long label", "x" * 62 + ": [100,200,300,400]", [("x" * 62, PLACE)]),
        ("qwen3", "too long a label", "x" * 63 + ": [100,200,300,400]", [("", PLACE)]),
    )
]
"""Rare texts, and those that another family would write."""
