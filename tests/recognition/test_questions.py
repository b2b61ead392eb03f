"""Names in free-form answers, and questions that the VLM writes."""

import numpy as np
import pytest
from fakes import FakeVlm

from vlsam_ros.config import QuestionOptions
from vlsam_ros.errors import ConfigError
from vlsam_ros.recognition.questions import parse_names, parse_questions, questions_for
from vlsam_ros.recognition.words import singular

OPTIONS = QuestionOptions()


def names(text: str, truncated: bool = False, **options: object) -> list[str]:
    return [n.name for n in parse_names(text, QuestionOptions(**options), truncated)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # lists
        ("car, traffic cone, cardboard box", ["car", "traffic cone", "cardboard box"]),
        ("car; dog\nstone", ["car", "dog", "stone"]),
        ("1. a cone\n2) Two red buses\n3. tyre", ["cone", "red bus", "tyre"]),
        ("- cone\n* dog\n• stroller", ["cone", "dog", "stroller"]),
        ("Objects on the road:\n- Tyres\n- Leaves", ["tyre", "leaf"]),
        ("- **Traffic cone**: an orange cone lying on its side\n- Dog - brown", ["traffic cone", "dog"]),
        ('["dog", "trash bin"]', ["dog", "trash bin"]),
        ('```json\n[{"bbox_2d": [1, 22], "label": "dog"}]\n```', ["dog"]),
        ("car/truck and/or bus", ["car", "truck", "bus"]),
        ("traffic_cone", ["traffic cone"]),
        ("Dog", ["dog"]),
        # sentences
        ("There is a dog and two cars on the road.", ["dog", "car"]),
        ("The image shows a truck with a ladder, and a fallen tree branch.", ["truck", "ladder", "fallen tree branch"]),
        ("I can see several people, a group of children standing on the left and a pile of sand ahead.",
         ["person", "child", "pile of sand"]),
        ("On the road there is a pallet.", ["pallet"]),
        ("A man riding a bicycle.", ["man", "bicycle"]),
        ("The dog is lying on the road. Another dog sits behind it.", ["dog"]),
        ("It is a suitcase.", ["suitcase"]),
        ("Possibly a plastic bag; maybe also another stone nearby", ["plastic bag", "stone"]),
        ("a parked car, a walking person", ["parked car", "walking person"]),
        ("a pedestrian crossing the street at a pedestrian crossing", ["pedestrian"]),
        ("a no entry sign, a 'stop' sign", ["no entry sign", "stop sign"]),
        ("10 cones, 3 dogs", ["cone", "dog"]),
        ("a black and white cow", ["white cow"]),
        ("a set of stairs, a pair of scissors", ["stairs", "scissors"]),
        ("the driver’s bag", ["driver's bag"]),
        ("a semi-trailer truck", ["semi-trailer truck"]),
        ("In the foreground, near the curb, there are barrels.", ["barrel"]),
        # duplicates
        ("dog, dogs, a dog, The Dog.", ["dog"]),
        ("dog dog dog dog", ["dog"]),
        # nothing
        ("", []), ("   \n", []), ("none", []), ("None.", []), ("Nothing.", []), ("nothing on the road", []),
        ("No objects.", []), ("There are no objects on or near the road.", []),
        ("I cannot see any objects.", []), ("I can't see a dog", []), ("I don't see any dogs.", []),
        ("I'm sorry, but as an AI language model I cannot view images.", []),
        ("I am unable to see the image.", []), ("0 dogs", []), ("N/A", []), ("unknown", []), ("the left side", []),
        # denials end with their sentence
        ("There are no cars, but a dog.", ["dog"]), ("No, there is a dog.", ["dog"]),
        ("No cars. A dog.", ["dog"]), ("The dog does not move.", ["dog"]), ("a bicycle without a rider", ["bicycle"]),
        # junk
        ("1 2 3 44 5.5", []), ("!!! ??? ...", []), ("\x00\x07\x1b\ufffd\ufffd", []), ("aaaaaaaaaaaaaaaa", []),
        ("x", []), ("🚗 car 🚧", ["car"]), ("<s>dog</s> <|im_end|>", ["dog"]), ("<box>[[1,2,3,4]]</box> dog", ["dog"]),
        ("a tra\u200bffic\u00a0cone", ["traffic cone"]), ("ｄｏｇ", ["dog"]),
        ("Cafe\u0301 table", ["café table"]), ("dog\x00cat", ["dog", "cat"]),
        ("drop table; -- dog", ["drop table", "dog"]), ("one two three", []),
        ("dog cat car bus stone tyre box cone dog cat car bus", []),
    ],
)  # fmt: skip
def test_names(text, expected):
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<ref>traffic cone</ref><box>[[119, 220, 300, 401]]</box><ref>dog</ref><box>[[1,2,3,4]]</box>",
            ["traffic cone", "dog"],
        ),
        (
            "<loc0123><loc0456><loc0789><loc1000> traffic cone ; <loc0001><loc0002><loc0003><loc0004> dog",
            ["traffic cone", "dog"],
        ),
        (
            '[{"bbox_2d": [12, 34, 56, 78], "label": "traffic cone"}, {"bbox_2d": [1, 2], "label": "cardboard boxes"}]',
            ["traffic cone", "cardboard box"],
        ),
        ('{"objects": ["car", "traffic cones", "dog"]}', ["car", "traffic cone", "dog"]),
        ('{"objects": [{"name": "car", "count": 2}, {"name": "dog", "count": 1}]}', ["car", "dog"]),
        ("| Object | Count |\n|---|---|\n| Traffic cone | 3 |\n| Dog | 1 |", ["traffic cone", "dog"]),
        (
            "Here is a list of the objects on or near the road:\n\n1. Traffic cones\n2. A box\n3. A stroller\n",
            ["traffic cone", "box", "stroller"],
        ),
        (
            "The image depicts a busy city street with several cars, a bus, and two motorcycles.",
            ["car", "bus", "motorcycle"],
        ),
        (
            "In the image, there is a large truck driving down a highway, surrounded by traffic cones.",
            ["large truck", "traffic cone"],
        ),
        ("A deer is crossing the road ahead.", ["deer"]),
        ("The hazards ahead include a fallen tree, debris, and a pothole.", ["fallen tree", "debris", "pothole"]),
        ("Yes, there is a dog on the road.", ["dog"]),
        ("Yes, a dog.", ["dog"]),
        ("3 x traffic cone, 2x barrier", ["traffic cone", "barrier"]),
        ("traffic cone (3), barrier (2)", ["traffic cone", "barrier"]),
        ("traffic cone x3", ["traffic cone"]),
        ("three traffic cones; a couple of barrels; lots of leaves", ["traffic cone", "barrel", "leaf"]),
        ("Car. Truck. Traffic cone.", ["car", "truck", "traffic cone"]),
        ("CAR, TRUCK", ["car", "truck"]),
        ("car,truck,,dog,", ["car", "truck", "dog"]),
        ("car\n\ntruck\n\n\ndog", ["car", "truck", "dog"]),
        ("1) car 2) truck 3) dog", ["car", "truck", "dog"]),
        ("1. car 2. truck 3. dog", ["car", "truck", "dog"]),
        ("(a) car (b) truck", ["car", "truck"]),
        ("a) car\nb) truck", ["car", "truck"]),
        ("I'm sorry, but I can't assist with that.", []),
        ("I'm sorry, I can't help with that request.", []),
        ("As an AI, I am not able to identify objects in this picture.", []),
        ("There are no visible hazards in the image.", []),
        ("The road appears to be clear.", []),
        ("The road is clear and there are no obstacles.", []),
        ("It looks like an empty road.", []),
        ("Unfortunately, the image is too dark to see anything.", []),
        ("No.", []),
        ("Yes.", []),
        ("car, person, person, person, car", ["car", "person"]),
        ("a woman pushing a stroller", ["woman", "stroller"]),
        ("two people on bicycles", ["person"]),
        ("a man with a dog", ["man", "dog"]),
        ("a person and their dog", ["person", "dog"]),
        ("tyres and wheels", ["tyre", "wheel"]),
        ("a wheel loader, an excavator and a concrete mixer", ["wheel loader", "excavator", "concrete mixer"]),
        ("pedestrian bridge, zebra crossing, traffic lights", ["pedestrian bridge", "zebra crossing", "traffic light"]),
        ("a sign that says 'STOP'", ["sign"]),
        ("wet floor sign", ["wet floor sign"]),
        ("The objects in the picture are: car, truck, dog.", ["car", "truck", "dog"]),
        ("Objects: car, truck, dog", ["car", "truck", "dog"]),
        ("Objects on or near the road: car, truck, dog", ["car", "truck", "dog"]),
        ("**Car**, **Truck**, **Dog**", ["car", "truck", "dog"]),
        ("`car`, `truck`", ["car", "truck"]),
        ("- car\n  - truck\n    - dog", ["car", "truck", "dog"]),
        ("• Car – parked on the left\n• Dog – running across the road", ["car", "dog"]),
        ("1. Car: A silver sedan is parked on the right.\n2. Dog: A brown dog.", ["car", "dog"]),
        ("Car (parked), Dog (brown)", ["car", "dog"]),
        ("car & truck", ["car", "truck"]),
        ("car + truck", ["car", "truck"]),
        ("a car, a truck, etc.", ["car", "truck"]),
        ("car, truck, and more", ["car", "truck"]),
        ("自行车, 汽车", ["自行车", "汽车"]),
        ("assistant\ncar, dog", ["car", "dog"]),
        ("ASSISTANT: car, dog</s>", ["car", "dog"]),
        ("There's a traffic cone lying on its side in the middle of the lane.", ["traffic cone"]),
        ("A tire is lying on the road, and next to it is a cardboard box.", ["tire", "cardboard box"]),
        ("To the left of the car there is a dog.", ["dog"]),
        ("Behind the truck, a stroller can be seen.", ["stroller"]),
        (
            "pile of sand, stack of pallets, piece of wood, roll of carpet",
            ["pile of sand", "stack of pallets", "piece of wood", "roll of carpet"],
        ),
        ("children's toy", ["children's toy"]),
        ("t-shirt; semi-truck; stop-sign", ["t-shirt", "semi-truck", "stop-sign"]),
        ("hundreds of cones", ["cone"]),
        ("at least 5 cars", ["car"]),
        ("no parking sign", ["no parking sign"]),
        ("workers wearing safety vests", ["worker"]),
        ("a horse-drawn carriage", ["horse-drawn carriage"]),
        ("an overturned truck blocking the road", ["overturned truck"]),
        ("smoke, fire, flooded road", ["smoke", "fire", "flooded road"]),
        ("<think>The user wants objects, perhaps a cat.</think>\ncar, dog", ["car", "dog"]),
        ("<think>Endless thought about a cat", []),
    ],
)
def test_names_in_answers_as_models_write_them(text, expected):
    """InternVL's and PaliGemma's marks, Qwen's JSON, tables, lists of all kinds, prose, refusals."""
    assert names(text) == expected


@pytest.mark.parametrize(
    "unit", ["dog, ", "dog ", "a dog and ", "\n", "the ", "((((", "a" * 7 + " ", "- x: ", "no ", "."]
)
def test_endless_repetition_ends(unit):
    assert len(names(unit * 500)) <= 1


def test_spans_cover_the_name_and_nothing_else():
    text = "There is a Dog, two tra\u200bffic cones and another dog: ﬁre hydrants."
    found = {n.name: [text[a:b] for a, b in n.spans] for n in parse_names(text, OPTIONS)}
    assert found == {"dog": ["Dog", "dog"], "traffic cone": ["tra\u200bffic cones"], "fire hydrant": ["ﬁre hydrants"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog, traf", ["dog"]),
        ("dog, traf  ", ["dog"]),
        ("dog, cat,", ["dog", "cat"]),
        ("a dog on the le", ["dog"]),
        ("dog, dog, dog", ["dog"]),
        ("dog", []),
    ],
)
def test_a_name_broken_off_is_dropped(text, expected):
    assert names(text, truncated=True) == expected


def test_limits():
    assert names("a, dog, cat, cow, bus", max_names=2) == ["dog", "cat"]
    assert names("big brown wooden cardboard box", max_label_chars=16) == ["cardboard box"]
    assert names("supercalifragilistic", max_label_chars=8) == []
    assert names("Roads, dogs, the sky", ignore=["road", "sky"]) == ["dog"]


@pytest.mark.parametrize("seed", range(20))
def test_any_text_gives_clean_bounded_names_with_true_spans(seed):
    rng = np.random.default_rng(seed)
    pool = [chr(c) for c in rng.integers(1, 0x3000, 40) if not 0xD800 <= c < 0xE000] + list(" ,.;\n-dogcat'0<>") * 4
    text = "".join(rng.choice(pool, 400))
    for parsed in parse_names(text, OPTIONS):
        assert 0 < len(parsed.name) <= 48 and parsed.name == parsed.name.lower().strip()
        assert all(c.isalnum() or c in " -'" for c in parsed.name)
        assert parsed.spans and all(0 <= a < b <= len(text) for a, b in parsed.spans)


@pytest.mark.parametrize(
    "pair",
    """cones:cone boxes:box benches:bench branches:branch buses:bus bus:bus glass:glass glasses:glasses people:person
    children:child men:man women:woman policemen:policeman leaves:leaf knives:knife gloves:glove bodies:body
    ponies:pony potatoes:potato shoes:shoe tires:tire houses:house tyres:tyre gas:gas debris:debris grass:grass
    cactus:cactus dresses:dress vases:vase bridges:bridge trolleys:trolley geese:goose scissors:scissors dog:dog
    motorcycles:motorcycle animals:animal specimen:specimen series:series ties:tie s:s as:as""".split(),
)
def test_singular(pair):
    plural, expected = pair.split(":")
    assert singular(plural) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. What is there?\n2. List all vehicles.\n3. What is there?", ["What is there?", "List all vehicles."]),
        ("Sure! Here are questions.\n- Which signs can you see?", ["Which signs can you see?"]),
        ("What animals are there? Are there any cones?", ["What animals are there?", "Are there any cones?"]),
        ("List all vehicles\nName the animals", ["List all vehicles", "Name the animals"]),
        ("<image> What   is\tthere?", ["What is there?"]),
        ("Can you see any debris, e.g. tyres, etc.?", ["Can you see any debris, e.g. tyres, etc.?"]),
        ("Is the limit 50 km/h or 3.5 t?", ["Is the limit 50 km/h or 3.5 t?"]),
        ("Is there a stop sign at St. Mary's road?", ["Is there a stop sign at St. Mary's road?"]),
        ("1. **What** is on the road?", ["What is on the road?"]),
        ("Q1: What is near?\nQuestion 2 - What is far?\nB. What is left?",
         ["What is near?", "What is far?", "What is left?"]),
        ("Could you list all objects?\nTell me what is near.\nPlease list every sign.",
         ["Could you list all objects?", "Tell me what is near.", "Please list every sign."]),
        ('["What is near?", "What is far?"]', ["What is near?", "What is far?"]),
        ("On the road, which things lie? I ask this.", ["On the road, which things lie?"]),
        ("Name all objects. List their colours.", ["Name all objects.", "List their colours."]),
        ("I can't help with that. What would you like to know?", []),
        ("How can I help you?\nWhat is near?", ["What is near?"]),
        ("What is " + "very " * 99 + "near?", []),
        ("dog, cat", []),
        ("", []),
    ],
)  # fmt: skip
def test_questions_in_a_text(text, expected):
    assert parse_questions(text, 10) == expected


def test_questions_are_capped_and_a_broken_one_is_dropped():
    text = "What is left?\nWhat is right?\nWhat is in the mid"
    assert parse_questions(text, 1) == ["What is left?"]
    assert parse_questions(text, 9, truncated=True) == ["What is left?", "What is right?"]
    assert parse_questions("What is in the mid", 9, truncated=True) == []
    assert parse_questions("What is near? Are there hazards, e.g. ani", 9, truncated=True) == ["What is near?"]


def test_questions_for():
    view = np.zeros((32, 32, 3), np.uint8)
    assert questions_for(FakeVlm(), view, QuestionOptions(questions=["A?", "B?"])) == ["A?", "B?"]
    generated = QuestionOptions(mode="generated", questions=["Fallback?"])
    assert questions_for(FakeVlm(text="1. What is red?"), view, generated) == ["What is red?"]
    assert questions_for(FakeVlm(text="I cannot do that"), view, generated) == ["Fallback?"]
    with pytest.raises(ConfigError, match="at least one question"):
        questions_for(FakeVlm(), view, QuestionOptions(questions=[]))
