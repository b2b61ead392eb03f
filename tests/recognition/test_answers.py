"""Answers in the styles of Qwen-VL, LLaVA, InternVL and CogVLM, and the names that a careful reader takes from them."""

import re
import sys
import unicodedata

import numpy as np
import pytest

from vlsam_ros.config import QuestionOptions
from vlsam_ros.recognition import grammar, lexicon
from vlsam_ros.recognition.answers import parse_names
from vlsam_ros.recognition.questions import parse_questions
from vlsam_ros.recognition.text import MOST_CHARS, plain, thoughts
from vlsam_ros.recognition.verify import parse_yes_no

OPTIONS = QuestionOptions()


def names(text: str, truncated: bool = False) -> list[str]:
    return [n.name for n in parse_names(text, OPTIONS, truncated)]


JSON = [
    (
        "vehicles:\n  - sedan\n  - delivery van\npeople: []\nanimals: none\nhazards:\n  - ladder",
        ["sedan", "delivery van", "ladder"],
    ),
    ('{"objects": []}', []),
    ('```json\n["car", "traffic cone", "construction barrel"]\n```', ["car", "traffic cone", "construction barrel"]),
    ('{"vehicles": ["car", "truck"], "people": [], "animals": ["dog"], "signs": null}', ["car", "truck", "dog"]),
    ('{\n  "pedestrians": 0,\n  "cyclists": 1,\n  "dogs": 2\n}', ["cyclist", "dog"]),
    ('["car", "truck", "traffic co', ["car", "truck"]),
    ("['pedestrian', 'bicycle', 'fire hydrant']", ["pedestrian", "bicycle", "fire hydrant"]),
    (
        '[{"category": "animal", "name": "deer", "count": 2}, {"category": "vehicle", "name": "van", "count": 0}]',
        ["deer"],
    ),
    (
        '{"objects": [{"name": "traffic cone", "color": "orange", "position": "left lane"}, '
        '{"name": "pothole", "color": null, "position": "center"}]}',
        ["traffic cone", "pothole"],
    ),
    (
        '[{"object": "car", "description": "a silver car parked at the curb"}, {"object": "bench", '
        '"description": "next to the tree"}]',
        ["car", "bench"],
    ),
    ('{"construction": "none", "debris": "plastic bag", "road_damage": "no"}', ["plastic bag"]),
    ('{"is_there_debris": false, "has_pedestrians": true}', []),
    ('```json\n[\n  {"bbox_2d": [12, 300, 80, 360], "label": "tire"},\n  {"bbox_2d": [400, 310, 470, 3', ["tire"]),
    ("```json\n[]\n```", []),
    ("[]", []),
    ('{"car": [[10, 20, 30, 40], [50, 60, 70, 80]], "person": [[1, 2, 3, 4]]}', ["car", "person"]),
    ('{"animals": "none", "vehicles": "car, van", "people": "a cyclist"}', ["car", "van", "cyclist"]),
    (
        '{"lost_load": [], "rubbish": ["plastic bag", "bottle"], "branches": false, "stones": 0}',
        ["plastic bag", "bottle"],
    ),
    (
        '{"hazards": [{"type": "pothole", "severity": "high"}, {"type": "debris", "severity": "low"}]}',
        ["pothole", "debris"],
    ),
    ('{"answer": ["deer", "fence"]}', ["deer", "fence"]),
    (
        '{"road_users": {"pedestrians": 2, "cyclists": 0}, "vehicles": {"bus": true, "tram": false}}',
        ["pedestrian", "bus"],
    ),
    ('[{"name": "stop sign", "visible": true}, {"name": "traffic light", "visible": false}]', ["stop sign"]),
    (
        '[{"bbox_2d": [1,2,3,4], "label": "no entry sign"}, {"bbox_2d": [5,6,7,8], "label": "men at work sign"}]',
        ["no entry sign", "men at work sign"],
    ),
    (
        'Here is the JSON:\n```json\n{"objects": ["wheel", "jack"]}\n```\nThese are the objects in the image.',
        ["wheel", "jack"],
    ),
    ('{"label": "car", "label": "van"}', ["van"]),
    ('["car" "dog"]', ["car", "dog"]),
    ("{}", []),
    ('{"objects": [{"x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4}]}', []),
    ('[{"label": "car", "x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4}]', ["car"]),
    ('{"boxes": [{"box_2d": [1, 2, 3, 4], "label": "car"}, {"box_2d": [1, 2, 3, 4], "label": "dog"}]}', ["car", "dog"]),
    ('{"car": {"boxes": [[1, 2, 3, 4]]}}', ["car"]),
    ('{"none": true}', []),
    ('{"pedestrians": [{"id": 1, "action": "crossing"}], "cyclists": []}', ["pedestrian"]),
    ('{"items":[{"item":"ladder","where":"center lane"},{"item":"bucket","where":"shoulder"}]}', ["ladder", "bucket"]),
    ('{"lead_vehicle": "truck", "hazard": "none", "weather": "rain"}', ["truck"]),
    ('{"count": 2, "objects": ["dog", "cat"], "comment": "both are near the curb"}', ["dog", "cat"]),
    ('{"cars": "2", "dogs": "0", "signs": "stop sign"}', ["car", "stop sign"]),
    (
        '[{"label":"person","score":0.98,"box":{"xmin":1,"ymin":2,"xmax":3,"ymax":4}},{"label":"kite",'
        '"score":0.5,"box":{}}]',
        ["person", "kite"],
    ),
    (
        '{"detections": [{"class": "bus", "confidence": 0.9}, {"class": "bench", "confidence": 0.4}], '
        '"image_size": [448, 256]}',
        ["bus", "bench"],
    ),
    ('["no objects"]', []),
    ('["none"]', []),
    ('[""]', []),
    ('{"objects": "none"}', []),
    ('{"objects": null}', []),
    ("objects: []", []),
    ('Answer: ["pothole", "crack"]', ["pothole", "crack"]),
    ('["pothole", "crack"] are visible on the road surface.', ["pothole", "crack"]),
    ('I think the user wants hazards. Maybe a wolf. </think> {"hazards": ["elk"]}', ["elk"]),
]

LABELS = [
    ("| Object | Count |\n|:---|---:|\n| Car | 2 |\n| Cyclist | 0 |\n| Crate | 1 |", ["car", "crate"]),
    ("The objects I can identify are: 1) a van, 2) a kiosk, and 3) a hydrant.", ["van", "kiosk", "hydrant"]),
    (
        "Objects on the road: sedan, delivery truck. Objects near the road: bench, lamp post.",
        ["sedan", "delivery truck", "bench", "lamp post"],
    ),
    (
        "| # | Item | Position |\n|---|---|---|\n| 1 | Mattress | center lane |\n| 2 | Suitcase | shoulder |",
        ["mattress", "suitcase"],
    ),
    ("1. Cone\n   - Color: orange\n   - Location: right lane\n2. Crate\n   - Color: brown", ["cone", "crate"]),
    (
        "Sure, here's the list:\n\n• Bus\n• Tram\n• Kiosk\n\nLet me know if you need anything else!",
        ["bus", "tram", "kiosk"],
    ),
    ("First object: a ladder. Second object: a bucket.", ["ladder", "bucket"]),
    ("car - 0.92, person - 0.81, bag - 0.40", ["car", "person", "bag"]),
    ("1) traffic light: green\n2) bus: yellow", ["traffic light", "bus"]),
    ("Q: Which animals can you see?\nA: A cow and two goats.", ["cow", "goat"]),
    (
        "1. **Pothole**: A large pothole in the center of the lane.\n2. **Manhole cover**: Slightly "
        "raised.\n3. **Standing water**: Near the right curb.",
        ["pothole", "manhole cover", "standing water"],
    ),
    ("Vehicles:\n- Car\n- Truck\n\nPeople:\n- None\n\nAnimals:\n- Dog", ["car", "truck", "dog"]),
    ("pedestrians: true\ncyclists: false\nanimals: false", ["pedestrian"]),
    ("Object A: barrier\nObject B: cone", ["barrier", "cone"]),
    (
        "Possible hazards include: an open car door, a child, and loose gravel.",
        ["open car door", "child", "loose gravel"],
    ),
    ("Cars: Yes\nTrucks: No\nBuses: No\nTraffic cones: Yes", ["car", "traffic cone"]),
    ("car: 92%\nperson: 81%", ["car", "person"]),
    ("<|begin_of_box|>car, dog<|end_of_box|>", ["car", "dog"]),
    ("- Cars: 4\n- Motorcycles: 0\n- Barriers: 2", ["car", "barrier"]),
    ("Cones: not visible. Barriers: visible.", ["barrier"]),
    ("<|object_ref_start|>a fallen tree<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>", ["fallen tree"]),
    (
        "- **Animals**: None\n- **People**: A worker in a yellow vest\n- **Equipment**: An excavator and a generator",
        ["worker", "excavator", "generator"],
    ),
    ("Hazard 1 - pothole; Hazard 2 - fallen branch", ["pothole", "fallen branch"]),
    ("Road surface: wet. Objects: puddle, leaves.", ["puddle", "leaf"]),
    ("Pedestrians: none detected; vehicles: a bus and a tram", ["bus", "tram"]),
    ("objects:\n  - car\n  - traffic light\n  - mailbox", ["car", "traffic light", "mailbox"]),
    (
        "The image shows:\n- A silver car\n- A red fire hydrant\n- A person with an umbrella",
        ["silver car", "red fire hydrant", "person", "umbrella"],
    ),
    (
        "- name: car\n  count: 3\n  location: left lane\n- name: stroller\n  count: 1\n  location: sidewalk",
        ["car", "stroller"],
    ),
    ("Unusual: a boat on a trailer", ["boat"]),
    ("Question: What is on the road? Answer: A cardboard box.", ["cardboard box"]),
    ("Three things are visible: a crate, a rope and a bucket.", ["crate", "rope", "bucket"]),
    ("Visible: crate, rope. Not visible: people, animals.", ["crate", "rope"]),
    ("Present: barrier, cone\nAbsent: people", ["barrier", "cone"]),
    ("- Construction site: barriers, a crane\n- Emergency vehicles: none", ["barrier", "crane"]),
    ("* People: 2 (a man and a woman)\n* Animals: 0", ["man", "woman"]),
    ("```yaml\nobjects:\n- car\n- dog\n```", ["car", "dog"]),
    ("pedestrian: no\ncyclist: no\ncar: yes\ntruck: yes", ["car", "truck"]),
    ("Cars: Several\nTrucks: One\nBuses: None", ["car", "truck"]),
    ("1. Object: car; Location: left\n2. Object: dog; Location: center", ["car", "dog"]),
    ("Label: tire\nConfidence: 0.87\n\nLabel: ladder\nConfidence: 0.61", ["tire", "ladder"]),
    ("i. van\nii. kiosk\niii. tram", ["van", "kiosk", "tram"]),
    ("A. van\nB. kiosk", ["van", "kiosk"]),
    ("1. van - parked on the left side\n2. kiosk - closed\n3. woman - crossing the street", ["van", "kiosk", "woman"]),
    ("**1. Van** – white, parked\n**2. Kiosk** – closed", ["van", "kiosk"]),
    ("1. **Van** (white)\n   - parked on the left\n2. **Dog** (brown)\n   - running", ["van", "dog"]),
    (
        "Objects:\n1. Van: The van is parked.\n2. Dog: The dog is running across the road.\n\nThese "
        "objects could be dangerous.",
        ["van", "dog"],
    ),
    (
        "Sure! Objects on the road include:\n- a pickup\n- a horse trailer\n\nNear the road:\n- a scarecrow",
        ["pickup", "horse trailer", "scarecrow"],
    ),
    ("Object | Where\n--- | ---\nbarrel | left lane\nplank | right lane", ["barrel", "plank"]),
    ("car | van | dog", ["car", "van", "dog"]),
    ("Caution: a child near the curb!", ["child"]),
    ("Okay, let me look. The image has a bus and a van.\n</think>\nbus, van", ["bus", "van"]),
    ("The answer is: van, bus.", ["van", "bus"]),
    ("My answer: van", ["van"]),
    ("Final answer: **van, bus**", ["van", "bus"]),
    ("Response:\nvan\nbus", ["van", "bus"]),
    ("Closest: van. Farthest: cyclist.", ["van", "cyclist"]),
    ("Closest object: van\nFarthest object: cyclist", ["van", "cyclist"]),
    ("- Near: pedestrian, stroller\n- Far: truck, deer", ["pedestrian", "stroller", "truck", "deer"]),
    ("- People: 1 pedestrian, 2 cyclists\n- Animals: 1 dog", ["pedestrian", "cyclist", "dog"]),
    ("People: yes (2 pedestrians). Animals: no. Cyclists: yes (1).", ["pedestrian", "cyclist"]),
    ("Pedestrians: not present\nCyclists: present\nAnimals: not present", ["cyclist"]),
    ("Pedestrians - No\nVehicles - Yes: a truck\nDebris - No", ["truck"]),
    ("Potholes: yes; cracks: no; water: yes, a puddle", ["pothole", "puddle"]),
    ("damage: pothole\nwater: none", ["pothole"]),
    ("Hazards identified:\n1. Black ice on the bridge\n2. Oncoming motorcycle", ["black ice", "oncoming motorcycle"]),
    (
        "Potential hazards: (1) jaywalking pedestrian; (2) double-parked van",
        ["jaywalking pedestrian", "double-parked van"],
    ),
    (
        "**Potential Hazards:**\n\n* **Pedestrian:** A pedestrian is about to cross the street.\n* "
        "**Double-parked van:** It blocks the right lane.\n\n**Conclusion:** Drive carefully.",
        ["pedestrian", "double-parked van"],
    ),
    ("**Road users**: A mother with a stroller. **Obstacles**: Two crates.", ["mother", "stroller", "crate"]),
    ("Someone is crossing: a woman with two bags.", ["woman", "bag"]),
    ("Vehicle: white van. Vehicle: red bus. Person: man.", ["white van", "red bus", "person"]),
    ("user: what is there?\nassistant: dog, cat", ["dog", "cat"]),
    ("<think>dog?</think>\n<think>cat?</think>\nfox", ["fox"]),
]

DENIALS = [
    ("I do not see people but I see a fox.", ["fox"]),
    ("The lane is free of obstacles, though a kangaroo stands on the shoulder.", ["kangaroo"]),
    ("There are no pedestrians or cyclists, but there is a parked van.", ["parked van"]),
    ("The road is empty except for two deer.", ["deer"]),
    ("There is a lack of road markings.", []),
    ("No animals, two cyclists, and a bus.", ["cyclist", "bus"]),
    ("Without any pedestrians, only a cat.", ["cat"]),
    ("There isn't anything unusual.", []),
    ("No lost load, rubbish, branches or stones are visible.", []),
    ("Not a single car, only a moose.", ["moose"]),
    ("**Vehicles**\n- Van\n**Pedestrians**\n- No pedestrians are visible.", ["van"]),
    (
        "| Category | Present | Details |\n|---|---|---|\n| People | No | |\n| Animals | Yes | a horse "
        "|\n| Debris | No | - |",
        ["horse"],
    ),
    ("A dog is not visible. A cat is visible.", ["cat"]),
    ("No hazards other than a pothole.", ["pothole"]),
    ("There are none.", []),
    ("### Animals\nNone\n### Vehicles\n* Tractor\n* Trailer", ["tractor", "trailer"]),
    ("Aside from a broken-down car, there are no hazards.", ["broken-down car"]),
    ("The way is clear.", []),
    ("Apart from a puddle, nothing.", ["puddle"]),
    ("I can't see any debris. However, a manhole cover is missing.", ["manhole cover"]),
    ("There aren't any cones. There is a barrier.", ["barrier"]),
    ("Nothing in particular.", []),
    ("No visible hazards.", []),
    ("No, but a goat is standing on the left.", ["goat"]),
    ("There are neither people nor animals.", []),
    ("Neither people nor animals are visible, just a tractor.", ["tractor"]),
    ("No such objects are visible.", []),
    ("Bus (empty), van (without driver), tent", ["bus", "van", "tent"]),
    ("So the user asks about cones. I see a bear? No.\n</think>\nNo traffic cones, but a barrier.", ["barrier"]),
    ("not applicable", []),
    ("No one is crossing. A bus (not in service) is parked.", ["bus"]),
    ("Nothing besides a plastic bag.", ["plastic bag"]),
    ("The truck is not moving, a worker is standing behind it.", ["truck", "worker"]),
    ("I don't see any animals, people, or cyclists.", []),
    ("There seem to be no people around; a scooter lies on the ground.", ["scooter"]),
    ("zero cars, one horse", ["horse"]),
    ("None detected.", []),
    ("A stroller with no child in it, a bench", ["stroller", "bench"]),
    (
        "There are no people or animals visible in the image. However, there are several traffic cones "
        "and a construction barrier.",
        ["traffic cone", "construction barrier"],
    ),
    ("The objects that do not belong on the road are a tire and a cardboard box.", ["tire", "cardboard box"]),
    ("Nothing lies on the road that does not belong there.", []),
    ("There is no lost load, rubbish, branches or stones visible on the road.", []),
    ("None of the vehicles are stopped.", []),
    ("Animals - none; People - one construction worker; Vehicles - excavator", ["construction worker", "excavator"]),
    ("| Object | Present |\n|---|---|\n| Dog | yes |\n| Cat | no |", ["dog"]),
    ("A billboard that says no smoking, a hydrant", ["billboard", "hydrant"]),
    ("No people, no dogs, no cats — only a bin.", ["bin"]),
    ("Not many cars, but a tractor.", ["tractor"]),
    ("There are no pedestrians; one cyclist.", ["cyclist"]),
    ("No, nothing unusual, except perhaps the balloon on the left.", ["balloon"]),
    ("Other than a stray shopping cart, the lot is empty.", ["stray shopping cart"]),
    ("With the exception of one scooter there is nothing.", ["scooter"]),
    ("All clear.", []),
    ("Clear.", []),
    ("No objects detected.", []),
    ("Nothing to report.", []),
    ("I did not find any hazards.", []),
    ("There appear to be no hazards in view.", []),
    ("Zero.", []),
    ("The image does not contain any animals.", []),
    ("The picture doesn't show any pedestrians, but it does show a tram.", ["tram"]),
    ("No hay objetos.", []),
    ("There is a person without a helmet on a motorcycle.", ["person"]),
    ("A bike with no wheels and a bench", ["bike", "bench"]),
    ("The person, who is not looking at the road, holds a phone.", ["person", "phone"]),
    ("The dog isn't on a leash. It might run into the street.", ["dog"]),
    ("<think>\n\n</think>\n\nNone", []),
    ("There are no animals such as cows or sheep.", []),
    ("There are no vehicles on the road, but a few bicycles are parked by the fence.", ["bicycle"]),
    ("I see no cars. I see no people. I see one cat.", ["cat"]),
    ("No obstacle, no hazard, nothing but fog.", ["fog"]),
    ("Animals? None. People? Two joggers.", ["jogger"]),
    ("Are there people? No.\nAre there animals? Yes, a fox.", ["fox"]),
    ("[None]", []),
    ("- Pothole (large, in the center)\n- Crack (small)\n- Water (none)", ["pothole", "crack"]),
    ("The cyclist is not wearing a helmet.", ["cyclist"]),
    ("A bus that isn't moving, two taxis", ["bus", "taxi"]),
    ("Neither a cyclist nor a pedestrian is there, but a goose is.", ["goose"]),
    ("Nobody is on the crosswalk. A scooter leans against a pole.", ["scooter"]),
    ("I can't see people or animals. I can see a gate.", ["gate"]),
    ("There aren't many vehicles; only a moped.", ["moped"]),
    ("Nothing unusual apart from a shopping trolley in the ditch.", ["shopping trolley"]),
    ("Everything looks normal. No damage.", []),
    ("The road is free of obstacles and hazards.", []),
    ("No. There are no lost items.", []),
    ("There's nothing there.", []),
    ("The image doesn't show any of these.", []),
    ("I don't see anything.", []),
    ("none, none, none", []),
]

SIGNS = [
    ("A 'no entry' sign and a \"give way\" sign", ["no entry sign", "give way sign"]),
    ("There is no sign of animals.", []),
    ("A person holding a stop sign", ["person", "stop sign"]),
    ("a no smoking sign, a keep right sign, a stop sign", ["no smoking sign", "keep right sign", "stop sign"]),
    ("A sign reading 'Road Closed' and two barricades", ["sign", "barricade"]),
    ("a do not pass sign next to a dead end sign", ["do not pass sign", "dead end sign"]),
    ('A yellow sign with the words "SLOW CHILDREN", a mailbox', ["yellow sign", "mailbox"]),
    ("There is no stop sign, but there is a yield sign.", ["yield sign"]),
    ("men at work sign, road closed sign, detour sign", ["men at work sign", "road closed sign", "detour sign"]),
    ("No stopping sign; no traffic lights", ["no stopping sign"]),
    (
        "wrong way sign, no trucks sign, pedestrian crossing sign",
        ["wrong way sign", "no trucks sign", "pedestrian crossing sign"],
    ),
    (
        "traffic_cones: 4\nbarriers: 0\nsigns:\n  - stop_sign\n  - detour_sign",
        ["traffic cone", "stop sign", "detour sign"],
    ),
    (
        "do not cross sign, right turn only sign, merge ahead sign",
        ["do not cross sign", "right turn only sign", "merge ahead sign"],
    ),
    ("There's a sign for a school crossing and a 'slow' sign.", ["sign", "slow sign"]),
    ("No signs, but a 'no parking' sign lies on the ground.", ["no parking sign"]),
    ('a "children at play" sign; a lane closed sign', ["children at play sign", "lane closed sign"]),
    ("no passing zone sign, no outlet sign", ["no passing zone sign", "no outlet sign"]),
    ("no stop signs, no traffic lights, just a yield sign", ["yield sign"]),
    ("CAR. DOG. STOP SIGN.", ["car", "dog", "stop sign"]),
    (
        "stop sign post, road work barrier, traffic light pole, bus stop shelter, manhole cover, speed bump",
        [
            "stop sign post",
            "road work barrier",
            "traffic light pole",
            "bus stop shelter",
            "manhole cover",
            "speed bump",
        ],
    ),
    ("Traffic control devices:\n  - Stop sign\n  - Cones\nRoad users:\n  - none", ["stop sign", "cone"]),
    ("1. Traffic cones: 5\n2. Barriers: 2\n3. Signs: 0", ["traffic cone", "barrier"]),
    (
        "speed limit 50 sign, no overtaking sign, roundabout ahead sign, cattle crossing sign",
        ["speed limit 50 sign", "no overtaking sign", "roundabout ahead sign", "cattle crossing sign"],
    ),
    (
        "a 'do not block intersection' sign and a 'no turn on red' sign",
        ["do not block intersection sign", "no turn on red sign"],
    ),
    ("There are signs saying 'Bridge out' and 'Detour'.", ["sign"]),
    ("One sign says Stop, another says Yield.", ["sign"]),
    (
        "No left turn sign; No U-turn sign; Do Not Enter sign",
        ["no left turn sign", "no u-turn sign", "do not enter sign"],
    ),
    ("There is no sign. A dog sits by a 'keep out' sign.", ["dog", "keep out sign"]),
]

PROSE = [
    ("In front of the car is a deer.", ["deer"]),
    ("A boy kicks a ball. A girl rides a scooter.", ["boy", "ball", "girl", "scooter"]),
    ("A bus has stopped, and people are getting off.", ["bus", "person"]),
    ("Several bags of trash are scattered on the road.", ["bag of trash"]),
    ("One person wearing a helmet, another pushing a wheelbarrow.", ["person", "wheelbarrow"]),
    ("A cyclist is riding in the bike lane, followed by a scooter.", ["cyclist", "scooter"]),
    ("I hope this helps! The objects are a car and a bus.", ["car", "bus"]),
    ("<think>Look for animals... maybe a wolf.</think><answer>sheep</answer>", ["sheep"]),
    (
        "There are several orange and white traffic barrels placed along the right side of the road.",
        ["white traffic barrel"],
    ),
    ("The traffic light is red.", ["traffic light"]),
    ("Workers repair the road. An excavator digs a hole.", ["worker", "excavator", "hole"]),
    ("Far away, a motorcycle can be seen.", ["motorcycle"]),
    ("a tree branch hanging over the road; an open manhole", ["tree branch", "open manhole"]),
    ("You can see a crane, some scaffolding, and a dumpster.", ["crane", "scaffolding", "dumpster"]),
    ("Smoke is rising from a burning van.", ["smoke", "burning van"]),
    ("Overall, the main hazards are the pedestrians and the oncoming bus.", ["pedestrian", "oncoming bus"]),
    (
        "a partially hidden pedestrian, a half-visible car, a barely visible dog",
        ["hidden pedestrian", "half-visible car", "dog"],
    ),
    ("This is a photo of a highway with a truck carrying pipes.", ["truck", "pipe"]),
    ("It seems to be a shopping cart.", ["shopping cart"]),
    ("The most noticeable hazard is a large rock in the middle of the road.", ["large rock"]),
    ("A tow truck is towing a broken-down car.", ["tow truck", "broken-down car"]),
    ("In this picture, a man in a blue jacket is walking his dog along the sidewalk.", ["man", "dog"]),
    ("What appears to be a ladder lies on the road.", ["ladder"]),
    ("A herd of sheep is blocking the way.", ["sheep"]),
    ("I'm sorry, I can only see a car.", ["car"]),
    ("a distant cyclist, a faraway truck, a nearby child", ["cyclist", "truck", "child"]),
    ("A wheel [412, 330, 455, 371] and a plank (12, 300, 90, 333).", ["wheel", "plank"]),
    (
        "On the left side of the road, there is a pile of gravel, and on the right side, a "
        "construction worker is directing traffic.",
        ["pile of gravel", "construction worker"],
    ),
    ("Two people are standing beside a car with its hazard lights on.", ["person", "car"]),
    ("The weather is foggy and visibility is poor.", []),
    ("The bus blocks the view of the crossing pedestrian.", ["bus"]),
    ("car, bus, tram. Note that the image is slightly blurry.", ["car", "bus", "tram"]),
    ("A group of cyclists and a line of parked cars", ["cyclist", "parked car"]),
    ("Drivers should watch out for the cyclist on the right.", ["cyclist"]),
    ("Yes, I see a scooter lying on its side.", ["scooter"]),
    (
        "The image shows a two-lane road with a delivery van parked on the right. There are also two "
        "pedestrians crossing the road, and a traffic light ahead.",
        ["delivery van", "pedestrian", "traffic light"],
    ),
    ("I can see a few branches and a stone.", ["branch", "stone"]),
    ("Far ahead there is a cyclist, and a pedestrian stands at the edge of the road.", ["cyclist", "pedestrian"]),
    ("All vehicles are moving normally.", ["vehicle"]),
    ("The white van is stopped on the shoulder with its doors open.", ["white van"]),
    ("The only unusual thing is a mattress.", ["mattress"]),
    ("What stands out is a couch on the sidewalk.", ["couch"]),
    ("It's a tire.", ["tire"]),
    ("That is a fallen branch.", ["fallen branch"]),
    ("These are traffic cones.", ["traffic cone"]),
    ("The hazard is a large boulder.", ["large boulder"]),
    ("The obstacles on the road are a fallen tree, rocks and mud.", ["fallen tree", "rock", "mud"]),
    ("a dozen cones, a handful of leaves, plenty of gravel", ["cone", "leaf", "gravel"]),
    ("A car, another car, and yet another car.", ["car"]),
    ("Unlike the cars, the tractor is moving slowly.", ["tractor"]),
    ("A man leads a horse.", ["man", "horse"]),
    ("Sheep graze beside the road.", ["sheep"]),
    ("Leaves cover the road. Branches hang low.", ["leaf", "branch"]),
    ("An ambulance overtakes a bus.", ["ambulance", "bus"]),
    ("Water is leaking from a hydrant.", ["water", "hydrant"]),
    ("[THINK]maybe a cat[/THINK]dog", ["dog"]),
    (
        "In the middle of the road, there is a large puddle. To the left, a man in a red shirt is riding a bicycle.",
        ["large puddle", "man", "bicycle"],
    ),
    ("A yellow school bus is approaching from the opposite direction.", ["yellow school bus"]),
    ("The road is blocked by a fallen tree.", ["fallen tree"]),
    ("The road is covered with leaves and there are two barrels near the guardrail.", ["leaf", "barrel"]),
    ("The car on the left is parked, the one on the right is moving.", ["car"]),
    ("A pile of bricks was left on the sidewalk.", ["pile of bricks"]),
    ("It could be a dog or a fox.", ["dog", "fox"]),
    ("This looks like a mattress.", ["mattress"]),
    ("The closest object is a van, the farthest a cyclist.", ["van", "cyclist"]),
    ("part of a wheel, half of a pallet, the rear of a van", ["wheel", "pallet", "van"]),
    ("The street is deserted save for a stray cat.", ["stray cat"]),
    ("Beware of the dog near the gate.", ["dog"]),
    ("A delivery driver unloads boxes from a van.", ["delivery driver", "box", "van"]),
    ("A woman walks her dog; a boy flies a kite.", ["woman", "dog", "boy", "kite"]),
    ("Two horses pull a cart.", ["horse", "cart"]),
    ("A ladder sticks out of a van.", ["ladder"]),
    ("Broken glass lies scattered near the bus stop.", ["broken glass"]),
    ("Cars are parked on both sides; a cat sits under one of them.", ["car", "cat"]),
    ("a rider on a horse, a child on a tricycle", ["rider", "child"]),
]

LISTS = [
    ("<answer>trash can, bicycle</answer>", ["trash can", "bicycle"]),
    ("car (2), truck (1), dog (0)", ["car", "truck"]),
    ("2 cars, 1 truck, 14 traffic cones", ["car", "truck", "traffic cone"]),
    ("卡车，自行车，行人", ["卡车", "自行车", "行人"]),
    ("camión, perro, bicicleta", ["camión", "perro", "bicicleta"]),
    ("Rubbish bags, an abandoned couch and broken glass", ["rubbish bag", "abandoned couch", "broken glass"]),
    ("Person #1, Person #2, Dog #1", ["person", "dog"]),
    ("I apologize, but I cannot comply with this request.", []),
    ("Please provide an image.", []),
    ("pedestrian (far), cyclist (near), dog (half hidden)", ["pedestrian", "cyclist", "dog"]),
    (
        "half-hidden child, distant motorcycle, far-away traffic cone",
        ["half-hidden child", "motorcycle", "far-away traffic cone"],
    ),
    ("[car, dog, traffic cone]", ["car", "dog", "traffic cone"]),
    ("car ×2, bus ×1", ["car", "bus"]),
    ("two (2) cars and one (1) bus", ["car", "bus"]),
    ("one or two pedestrians, at most three cars", ["pedestrian", "car"]),
    ("more than ten cars, fewer than five people", ["car", "person"]),
    ("(1) van (2) kiosk (3) tram", ["van", "kiosk", "tram"]),
    ("null", []),
    ("Warning! Oncoming truck!", ["oncoming truck"]),
    ("dogs; cats;; birds;", ["dog", "cat", "bird"]),
    ("car\tdog\tbird", ["car", "dog", "bird"]),
    ("car & trailer, van + caravan", ["car", "trailer", "van", "caravan"]),
    ("Motorcycle; person on motorcycle; helmet", ["motorcycle", "person", "helmet"]),
    (
        "trash can, parking meter, shopping cart, recycling bin, warning triangle, swimming pool",
        ["trash can", "parking meter", "shopping cart", "recycling bin", "warning triangle", "swimming pool"],
    ),
    (
        "fire truck, dump truck, garbage truck, tow truck, cherry picker, street sweeper, steamroller",
        ["fire truck", "dump truck", "garbage truck", "tow truck", "cherry picker", "street sweeper", "steamroller"],
    ),
    (
        "hay bale, wood pallet, plastic bottle, metal sheet, cable, paint can, rear-view mirror",
        ["hay bale", "wood pallet", "plastic bottle", "metal sheet", "cable", "paint can", "rear-view mirror"],
    ),
    (
        "oil spill, standing water, black ice, broken glass, loose gravel, sinkhole",
        ["oil spill", "standing water", "black ice", "broken glass", "loose gravel", "sinkhole"],
    ),
    (
        "running child, sleeping dog, flying bag, rolling ball",
        ["running child", "sleeping dog", "flying bag", "rolling ball"],
    ),
    (
        "flashing lights, fallen power line, downed tree, burst pipe",
        ["flashing light", "fallen power line", "downed tree", "burst pipe"],
    ),
    ("pothole (1), crack (3), water (0)", ["pothole", "crack"]),
    (
        "tiny far-off cyclist; barely noticeable rope; semi-hidden bollard",
        ["tiny far-off cyclist", "rope", "semi-hidden bollard"],
    ),
    ("Watch for pedestrians and turning vehicles.", ["pedestrian", "turning vehicle"]),
    ("Police officers direct traffic around an overturned lorry.", ["police officer"]),
    ("hund, katze, verkehrsschild", ["hund", "katze", "verkehrsschild"]),
    ("perro, gato, señal de tráfico", ["perro", "gato", "señal de tráfico"]),
    ("собака, кошка", ["собака", "кошка"]),
]

MIXED = [
    (
        'Counting the <points x1="9.1" y1="11.7" x2="17.2" y2="41.3" x3="19.6" y3="3.4" alt="the boats">the '
        "boats</points> shows a total of 3.",
        ["boat"],
    ),
    ('<points coords="1 1 073 160 2 173 600 3 258 725 4 323 735 5 353 160">the boats</points>', ["boat"]),
    ('<points coords="1 1 100 200 2 300 40', []),
    ("<loc0256><loc0128><loc0768><loc0512> car ; <loc0000><loc0000><loc05", ["car"]),
    ("The bounding box coordinates of the region this sentence describes are [100, 200, 300, 400].", []),
    (
        "<|object_ref_start|>a dog<|object_ref_end|><|box_start|>(221,423),(569,886)<|box_end|> and a woman",
        ["dog", "woman"],
    ),
    ("car(100,200),(300,400)", ["car"]),
    ("pole<loc_10><loc_100><loc_30><loc_500>car<loc_1><loc_2><loc_3>", ["pole", "car"]),
    (
        "The image shows a street scene with several parked cars and a person walking a dog.",
        ["parked car", "person", "dog"],
    ),
    (
        "There are no visible pedestrians, but there are two parked cars and a mailbox on the right.",
        ["parked car", "mailbox"],
    ),
    (
        "Objects visible: a traffic cone, a barricade, and a 'road closed' sign.",
        ["traffic cone", "barricade", "road closed sign"],
    ),
    ("In the far distance, a truck is visible.", ["truck"]),
    ("The picture contains: sedan (silver), SUV (black), motorcycle (red).", ["sedan", "suv", "motorcycle"]),
    ("1. Sedan\n2. SUV\n\nNo pedestrians or animals are visible.", ["sedan", "suv"]),
    ("sedan, SUV. No pedestrians.", ["sedan", "suv"]),
    ("sedan, no pedestrians, SUV", ["sedan"]),
    ("A dog, no cats.", ["dog"]),
    ("A dog but no cats.", ["dog"]),
    ("A dog and no cats are visible.", ["dog"]),
    ("Yes: a dog.", ["dog"]),
    ("No: the road is clear.", []),
    ("Yes - a stroller and a bench", ["stroller", "bench"]),
    ("There are cones but no workers.", ["cone"]),
    ("Vehicles (none), pedestrians (two), animals (none)", ["pedestrian"]),
    ("Vehicles: car, van (stopped). Pedestrians: 0. Animals: 0. Debris: yes, planks.", ["car", "van", "plank"]),
    ("vehicles: [car, van]\npedestrians: []\nanimals: [dog]", ["car", "van", "dog"]),
    ("{'vehicles': ['car'], 'pedestrians': [], 'animals': None}", ["car"]),
    ('{"vehicle": {"type": "truck", "state": "stopped"}, "person": null}', ["truck"]),
    ('{"traffic cone": 3, "barrel": 0, "dog": false, "bus": true}', ["traffic cone", "bus"]),
    ('{"1": "car", "2": "dog"}', ["car", "dog"]),
    ('{"object_1": "car", "object_2": "traffic cone"}', ["car", "traffic cone"]),
    ('{"pedestrian": "a man crossing the road", "animal": "no"}', ["pedestrian"]),
    ('```json\n{\n  "hazards": [\n    "pothole",\n    "parked car"\n  ]\n}\n```', ["pothole", "parked car"]),
    ('The objects are:\n["car", "truck"]', ["car", "truck"]),
    ("car[100,200,300,400], dog[1,2,3,4]", ["car", "dog"]),
    ("car at [100, 200, 300, 400]; dog at [1, 2, 3, 4]", ["car", "dog"]),
    ("<ref>a red car</ref><box>(1,2),(3,4)</box> and <ref>a dog</ref><box>(5,6),(7,8)</box>", ["red car", "dog"]),
    ("Object 1: car [1,2,3,4]\nObject 2: dog [5,6,7,8]", ["car", "dog"]),
    ("#1 car\n#2 dog", ["car", "dog"]),
    ("1 - car\n2 - dog", ["car", "dog"]),
    ("1/ car 2/ dog", ["car", "dog"]),
    ("Object #1: a car. Object #2: a dog.", ["car", "dog"]),
    ("object1: car, object2: dog", ["car", "dog"]),
    ("- car (2x)\n- dog (1x)", ["car", "dog"]),
    ("car: two, dog: one, cat: zero", ["car", "dog"]),
    ("cars: 3+, bikes: ~2", ["car", "bike"]),
    ("Two dogs, three cats and no birds.", ["dog", "cat"]),
    (
        "a half-open gate, a semi-transparent bag, a far-off silo",
        ["half-open gate", "semi-transparent bag", "far-off silo"],
    ),
    ("The dog stands in front of the garage.", ["dog"]),
    ("There stands a dog.", ["dog"]),
    ("Here comes a bus.", ["bus"]),
    ("Beside it lies a rope.", ["rope"]),
    ("Seen here: a crane.", ["crane"]),
    ("Also visible is a crane.", ["crane"]),
    ("One can see a windmill and a silo.", ["windmill", "silo"]),
    ("A dog has run onto the road, and its owner is chasing it.", ["dog", "owner"]),
    ("The bin was knocked over by the wind.", ["bin"]),
    ("There might be a dog behind the hedge.", ["dog"]),
    ("The pedestrian seems to be waiting to cross.", ["pedestrian"]),
    ("People waiting at the bus stop", ["person"]),
    (
        "cars parked along the curb, pedestrians on the sidewalk, cyclists in the bike lane",
        ["car", "pedestrian", "cyclist"],
    ),
    (
        "a man pushing a cart, a woman carrying a ladder, a child chasing a ball",
        ["man", "cart", "woman", "ladder", "child", "ball"],
    ),
    ("man with umbrella, woman with stroller", ["man", "umbrella", "woman", "stroller"]),
    ("truck with ladder; car without plates; bike with basket", ["truck", "ladder", "car", "bike", "basket"]),
    ("It is raining and the road is wet. There is a frog.", ["frog"]),
    ('There is a "No Parking" sign and no other objects.', ["no parking sign"]),
    ("do-not-enter sign, no-left-turn sign", ["do-not-enter sign", "no-left-turn sign"]),
    ("a sign with an arrow, a stop-ahead sign, a 'YIELD' sign", ["sign", "arrow", "stop-ahead sign", "yield sign"]),
    ("Traffic signs: 'No entry', 'Stop'", ["no entry", "stop"]),
    (
        "pedestrian crossing sign; school zone sign; deer crossing sign; slippery when wet sign",
        ["pedestrian crossing sign", "school zone sign", "deer crossing sign", "slippery when wet sign"],
    ),
    ("I see: 1 car, 0 trucks, 2 bikes", ["car", "bike"]),
    ("Nothing (the road is empty).", []),
    ("None (0 objects)", []),
    ("no object", []),
    ("There is no one and nothing here.", []),
    ("I do not see any of the mentioned objects.", []),
    ("Empty.", []),
    ("Nope.", []),
    ("The area appears safe.", []),
    ("False", []),
    ("-", []),
    ("n/a.", []),
    ("There don't appear to be any animals.", []),
    ("It doesn't look like there are any people.", []),
    ("No evidence of debris.", []),
    ("There is no trace of lost load.", []),
    ("Besides two cows, nothing else.", ["cow"]),
    ("Not just cars, also a tank.", ["car", "tank"]),
    ("No cars; however, one bus is coming.", ["bus"]),
    ("No cars are visible, instead there is a camel.", ["camel"]),
    ("no dogs yet a wolf", ["wolf"]),
    ("The lane is clear until a mattress blocks it.", ["mattress"]),
    ("Only a squirrel.", ["squirrel"]),
    ("Just leaves.", ["leaf"]),
    ("Merely a shadow.", ["shadow"]),
    ('Okay. The user asks for hazards; no dog. Wait, is it a pig?</think>{"hazards": ["pig"]}', ["pig"]),
]

SENTENCES = [
    (
        "The image depicts a rural road with a flock of sheep crossing it. A farmer is walking behind them with a dog.",
        ["sheep", "farmer", "dog"],
    ),
    (
        "Object 1: A black SUV, approximately 20 meters ahead.\nObject 2: A motorcyclist, about 50 meters "
        "away.\nObject 3: A deer near the tree line.",
        ["black suv", "motorcyclist", "deer"],
    ),
    (
        "I can see a fallen tree branch, about 15 meters ahead, and several scattered rocks.",
        ["fallen tree branch", "scattered rock"],
    ),
    (
        "The road ahead is blocked by a landslide; large boulders and mud cover both lanes.",
        ["landslide", "large boulder", "mud"],
    ),
    (
        "Two motorbikes are overtaking a slow-moving tractor that is pulling a trailer loaded with hay.",
        ["motorbike", "slow-moving tractor", "trailer", "hay"],
    ),
    (
        "A gas station can be seen in the background, and a person is filling up their car.",
        ["gas station", "person", "car"],
    ),
    ("cones (orange and white), barriers (concrete), one excavator (yellow)", ["cone", "barrier", "excavator"]),
    (
        "Possible hazards could include pedestrians stepping off the curb, vehicles backing out of driveways, "
        "and/or cyclists.",
        ["pedestrian", "vehicle", "cyclist"],
    ),
    (
        "Not much is going on in this image: there's an empty parking lot, a lone shopping cart, and a lamppost.",
        ["lone shopping cart", "lamppost"],
    ),
    (
        "The left lane is closed because of road works. Workers are repairing the surface with a road roller.",
        ["road works", "worker", "road roller"],
    ),
    (
        "An elderly couple is crossing the road slowly. They're holding shopping bags.",
        ["elderly couple", "shopping bag"],
    ),
    ("Vehicles (3): car, car, truck\nPeople (1): pedestrian\nAnimals (0)", ["car", "truck", "pedestrian"]),
    (
        "In the distance there seems to be a group of cyclists. Closer to the camera, a rabbit is sitting on "
        "the verge.",
        ["cyclist", "rabbit"],
    ),
    ("Rather than a pedestrian, it is a mannequin standing next to a mailbox.", ["mannequin", "mailbox"]),
    (
        "A fire engine, which is parked in front of a burning building, blocks the street.",
        ["fire engine", "burning building"],
    ),
    (
        "The tree on the right has a swing hanging from it, and a boy is sitting on the swing.",
        ["tree", "swing", "boy"],
    ),
    (
        "The traffic light is red, and the crosswalk is occupied by schoolchildren led by a crossing guard.",
        ["traffic light", "schoolchildren", "crossing guard"],
    ),
    (
        "motorcyclist without helmet, dog without leash, car with broken headlight",
        ["motorcyclist", "dog", "car", "broken headlight"],
    ),
    (
        "Objects on the road:\n1) Debris (wood planks)\n2) Mattress\n\nObjects near the road:\n1) "
        "Guardrail\n2) Speed limit sign (65 mph)",
        ["debris", "wood plank", "mattress", "guardrail", "speed limit sign"],
    ),
    (
        "A horse and rider are on the grass verge to the left; a horsebox is parked further along.",
        ["horse", "rider", "horsebox"],
    ),
    ("While the road itself is clear, kids are playing soccer close to the curb.", ["road", "kid"]),
    (
        "The scene shows a construction site. A crane towers over the road, and workers wearing helmets are "
        "unloading steel beams from a flatbed truck.",
        ["construction site", "crane", "worker", "steel beam", "flatbed truck"],
    ),
    (
        "A single traffic cone stands in the middle of the lane; beyond it, a worker waves a red flag.",
        ["traffic cone", "worker", "red flag"],
    ),
    (
        "It's a sunny day with little traffic. I notice a skateboard on the road and a girl running after it.",
        ["skateboard", "girl"],
    ),
    ("None of the vehicles appear to be broken down, but one has its trunk open.", []),
    (
        "Both lanes are obstructed: the left by a jackknifed trailer and the right by a pile of lumber.",
        ["jackknifed trailer", "pile of lumber"],
    ),
    (
        "You can see a lifeguard tower, beach umbrellas and a man with a surfboard crossing the coastal road.",
        ["lifeguard tower", "beach umbrella", "man", "surfboard"],
    ),
    (
        "A police officer directing traffic; a crashed motorcycle; shards of glass; a first responder kneeling "
        "beside the victim.",
        ["police officer", "crashed motorcycle", "shard of glass", "first responder"],
    ),
    (
        "The image shows no people; however, it shows several parked cars, a food truck, and string lights "
        "hanging above.",
        ["parked car", "food truck", "string light"],
    ),
    ("Watch out! There's a child chasing a balloon between the parked cars!", ["child", "balloon"]),
    ("Vehicle types: sedan, coupe, RV. Traffic signs: stop, yield.", ["sedan", "coupe", "rv", "stop", "yield"]),
    ("There's hardly any traffic, just a lone cyclist and a street cleaner.", ["lone cyclist", "street cleaner"]),
    (
        "Fog makes it hard to see, but a lorry's tail lights are visible in the distance.",
        ["fog", "lorry's tail light"],
    ),
    (
        '{"detected": [{"id": 1, "class": "bollard", "conf": 0.91}, {"id": 2, "class": "e-bike", "conf": '
        '0.67}], "not_detected": ["pedestrian", "animal"]}',
        ["bollard", "e-bike"],
    ),
    (
        "A motorist has pulled over to change a tire; hazard lights are on and a child is sitting on the crash "
        "barrier.",
        ["motorist", "tire", "hazard light", "child"],
    ),
    ("The image is quite dark, but I can make out a deer and the reflectors of a bicycle.", ["deer", "reflector"]),
    ("A tree trunk blocks the bike path; cyclists are swerving around it.", ["tree trunk", "cyclist"]),
    (
        "- **Fallen tree**: blocks most of the road\n- **Downed power line**: lies next to the tree\n- "
        "**Emergency crew**: 2 firefighters, 1 police officer",
        ["fallen tree", "downed power line", "firefighter", "police officer"],
    ),
    ("Cyclist, ca. 30 m ahead; motorcycle, ca. 80 m ahead; gantry sign.", ["cyclist", "motorcycle", "gantry sign"]),
    ("The driver may not notice the low bollards or the dog lying in the shade.", ["bollard", "dog"]),
    (
        "a van is double parked, a cab is letting out a passenger, and a bike courier is squeezing past",
        ["van", "cab", "passenger", "bike courier"],
    ),
    (
        "The scene includes the following elements:\n\n**Foreground:**\n- speed bump\n- storm "
        "drain\n\n**Midground:**\n- parked scooter\n\n**Background:**\n- church",
        ["speed bump", "storm drain", "parked scooter", "church"],
    ),
    ("motorcycle approx. 20m ahead, truck approx. 50m ahead", ["motorcycle", "truck"]),
    (
        "Traffic cone knocked over in the lane; manhole cover missing; worker kneeling.",
        ["traffic cone", "manhole cover", "worker"],
    ),
    (
        "There's an ice cream truck parked near the playground and kids lining up to buy ice cream.",
        ["ice cream truck", "kid"],
    ),
    ("A herd of elephants crosses the road as tourists take photos from a jeep.", ["elephant", "tourist", "jeep"]),
    (
        "There are several potential obstacles for a driver here, namely a stack of tires, a wheelbarrow and "
        "an extension cord stretched across the lane.",
        ["stack of tires", "wheelbarrow", "extension cord"],
    ),
    ("The road is closed. A detour sign points left.", ["detour sign"]),
    (
        "The van has stopped in the middle of the crosswalk, forcing a blind man with a white cane to walk around it.",
        ["van", "blind man", "white cane"],
    ),
    ("A shed door hangs open and chickens are wandering onto the lane.", ["shed door", "chicken"]),
    ("The rider of the motorcycle has fallen; his helmet lies a few feet away.", ["rider", "helmet"]),
    ("Pothole, ~10 m ahead, left lane. Drainage grate, ~15 m ahead, right lane.", ["pothole", "drainage grate"]),
    ("A trailer carrying a small excavator has come loose from its truck.", ["trailer", "small excavator"]),
    (
        "People (crossing the street): a nun, two altar boys. People (on the sidewalk): a violinist.",
        ["nun", "altar boy", "violinist"],
    ),
    ("A dog (or possibly a fox) is trotting along the verge.", ["dog", "fox"]),
    ("The street vendors have set up stalls, and shoppers crowd the street.", ["street vendor", "stall", "shopper"]),
    ("I count three trucks, two vans, and zero motorcycles.", ["truck", "van"]),
    ("A lamp post has been hit by a car and is leaning over the sidewalk.", ["lamp post", "car"]),
    (
        "Two hikers with backpacks emerge from the woods; a snake slithers across the road.",
        ["hiker", "backpack", "snake"],
    ),
    (
        "A utility worker in a bucket truck is trimming trees while another directs traffic.",
        ["utility worker", "tree"],
    ),
    ("The truck in front of us is dropping gravel.", ["truck", "gravel"]),
    (
        "The image shows a two-lane road with a stopped school bus on the right. Several children are boarding "
        "the bus, and a motorcyclist is waiting behind it.",
        ["stopped school bus", "child", "motorcyclist"],
    ),
    (
        '{"cars": {"present": true, "count": 4}, "dogs": {"present": false, "count": 0}, "potholes": '
        '{"present": true, "count": 1}}',
        ["car", "pothole"],
    ),
    (
        "A hearse leads a procession of mourners; an empty stroller has been left at the curb.",
        ["hearse", "mourner", "empty stroller"],
    ),
    (
        "The cyclist (wearing a yellow jacket) is about 10 m in front of the car. Farther away, a lorry is turning.",
        ["cyclist", "lorry"],
    ),
    ("The road is partly covered by sand, and tumbleweeds are blowing across it.", ["sand", "tumbleweed"]),
    (
        "An abandoned mattress, an old television set and a toilet bowl have been dumped on the shoulder.",
        ["abandoned mattress", "old television set", "toilet bowl"],
    ),
    ("The pedestrian bridge overhead has a banner hanging from it.", ["pedestrian bridge", "banner"]),
    (
        "The following could be overlooked: (i) cyclist behind the hedge, (ii) low wall, (iii) parked trailer "
        "without lights.",
        ["cyclist", "wall", "parked trailer"],
    ),
    ("A squirrel darts across the road while a hawk circles overhead.", ["squirrel", "hawk"]),
    (
        "Two men carry a pane of glass across the street as a van reverses toward them.",
        ["man", "pane of glass", "van"],
    ),
    (
        "Barely visible in the fog: a cow, a fence post, and the silhouette of a person.",
        ["cow", "fence post", "person"],
    ),
    (
        "There's a bench to the left of the road, a bin next to the bench, and a swing set in the park behind it.",
        ["bench", "bin", "swing set"],
    ),
    ("Most objects are ordinary, but the crocodile on the shoulder is unusual!", ["crocodile"]),
    ("Lost cargo: yes, several potatoes. Rubbish: no. Branches: yes.", ["potato", "branch"]),
    (
        "A cement truck pouring concrete, two workers in hard hats, wooden stakes with orange ribbon",
        ["cement truck", "worker", "wooden stake", "orange ribbon"],
    ),
    (
        "The car ahead has its brake lights on. A shopping trolley is rolling toward the car.",
        ["car", "shopping trolley"],
    ),
    ("A cyclist wearing headphones and a runner listening to music may not hear traffic.", ["cyclist", "runner"]),
    ("A hay wagon drawn by two mules is moving slowly ahead of a line of impatient cars.", ["hay wagon", "mule"]),
    ("Two teens share an e-scooter, neither wearing a helmet.", ["teen", "e-scooter"]),
    ("A stretcher is being loaded into an ambulance by paramedics.", ["stretcher", "paramedic"]),
    ("A child hides behind the parked car, and a puppy follows her.", ["child", "puppy"]),
    ("Traffic is heavy. A cyclist weaves between cars.", ["cyclist"]),
    ("1 x wheel, 1 x bumper, several x glass shards", ["wheel", "bumper", "glass shard"]),
    ("Oil drums, which may contain chemicals, are stacked by the roadside.", ["oil drum"]),
    ("There is a hole in the road, covered by a metal plate.", ["hole", "metal plate"]),
    ("The white van is partially blocking the bike lane.", ["white van"]),
    ("I can see: car, bus, people. I cannot see: animals, cyclists.", ["car", "bus", "person"]),
    ("The bicycle is lying on the road next to its rider.", ["bicycle", "rider"]),
    (
        "Based on the image, the vehicles are:\n1. Sedan\n2. Van\nThe people are:\n1. Cyclist",
        ["sedan", "van", "cyclist"],
    ),
    ("A stop sign is partially covered by branches.", ["stop sign", "branch"]),
    ("The construction site is fenced off, and a sign warns of uneven road.", ["construction site", "sign"]),
    ("A bag of trash and a cardboard box lie by the side of the road.", ["bag of trash", "cardboard box"]),
    ("Is there a dog on the road? Yes.", ["dog"]),
    ("Is there a dog? No.", []),
    ("Q1: cars? A: no\nQ2: dogs? A: yes", ["dog"]),
    ("Are there any people? Yes, two women.", ["woman"]),
    ("a crew emptying bins, small fishing boats", ["crew", "bin", "small fishing boat"]),
    ("a dog with its owner, a man with his dog, a car with its door open", ["dog", "man", "car"]),
    ("20 parking meters, 20 meters away", ["parking meter"]),
    ("a piece of wood, the reflector of a bike, a part of a fence", ["piece of wood", "reflector", "fence"]),
    (
        "- **Vehicles**: several parked along the curb\n- **Pedestrians**: two crossing\n- **People**: two walking",
        ["vehicle", "pedestrian", "person"],
    ),
    ("**Pedestrians:** 1 (crossing)\n**Animals:** 0\n**Debris:** 1 cardboard box", ["pedestrian", "cardboard box"]),
    ("* Pedestrians .......... 2\n* Dogs .......... 0\n* Bicycles .......... 1", ["pedestrian", "bicycle"]),
    ("Pedestrians=2, Dogs=0, Bicycles=1", ["pedestrian", "bicycle"]),
    ("物体：汽车、行人、狗。", ["汽车", "行人", "狗"]),
    ('Here is the JSON output:\n{"objects": ["fox"]}\nNote that the fox is moving.', ["fox"]),
    ("Sure, I'd be happy to help! The objects are:\nfox\nroad sign", ["fox", "road sign"]),
    ("Category: animal, Object: fox\nCategory: barrier, Object: fence", ["fox", "fence"]),
    ("1. Pedestrian (left sidewalk)\n2. Trash can (left curb)", ["pedestrian", "trash can"]),
    ("The following vehicles are stopped: a bus and a taxi.", ["bus", "taxi"]),
    ("- Stopped vehicles: Yes, a van.\n- Unusual vehicles: No.\n- Signs: None.", ["van"]),
    ("Something that resembles a sandbag is lying on the right.", ["sandbag"]),
    ("a cat crossing in front of a truck, a pedestrian crossing the road", ["cat", "truck", "pedestrian"]),
    (
        "zebra crossing, pedestrian crossing, deer crossing sign",
        ["zebra crossing", "pedestrian crossing", "deer crossing sign"],
    ),
    ("Cones and a sign direct drivers to the left.", ["cone", "sign", "driver"]),
    ("A wooden crate fell off the truck in front.", ["wooden crate", "truck"]),
    ("Stray animals: none. Livestock: five goats.", ["goat"]),
    ("A tourist bus. Tourists taking pictures.", ["tourist bus", "tourist"]),
    ("Several hazards: a) ice b) snowbank c) abandoned car", ["ice", "snowbank", "abandoned car"]),
    ("The image does not contain any of the following: people, animals, cyclists.", []),
    ("None of the following objects: people, animals", []),
]


@pytest.mark.parametrize(("text", "expected"), [*JSON, *LABELS, *DENIALS, *SIGNS, *PROSE, *LISTS, *MIXED, *SENTENCES])
def test_names(text, expected):
    assert names(text) == expected


def test_every_tag_has_a_meaning():
    patterns = " ".join(pattern.pattern for pattern, _ in grammar._RESOLVED).replace(r"\Z", "")
    assert set(lexicon.WORDS) | set(re.findall("[A-Za-z]", patterns)) <= set(lexicon.MEANINGS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["car", "traffic cone"]', ["car", "traffic cone"]),
        ('["car", "traffic cone"', ["car", "traffic cone"]),
        ('["car", "traffic cone",', ["car", "traffic cone"]),
        ('["car", "traffic co', ["car"]),
        ('["car", "', ["car"]),
        ('["ca', []),
        ("[", []),
        ('```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "car"}, {"bbox_2d": [1, 2', ["car"]),
        ('{"objects": ["car", "dog', ["car"]),
        ('{"pedestrians": ', []),
        ("Pedestrians:", []),
        ("car, dog, traffic co", ["car", "dog"]),
    ],
)
def test_cut_off(text, expected):
    assert names(text, truncated=True) == expected


def test_spans_of_a_json_list_are_the_names_without_marks():
    text = '["car", "traffic\u00a0cones", "car"]'
    found = {n.name: [text[a:b] for a, b in n.spans] for n in parse_names(text, OPTIONS)}
    assert found == {"car": ["car", "car"], "traffic cone": ["traffic\u00a0cones"]}


THOUGHT = "What if there is a cat? No. A dog, a cow"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<think>", "</think>"),
        ("", "</think>\n\n"),
        ("◁think▷", "◁/think▷"),
        ("", "◁/think▷"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        ("[THINK]", "[/THINK]"),
        ("<thinking>\n", "\n</thinking>\n<answer>"),
    ],
)
def test_thoughts_are_cut_for_all_who_read(before, after):
    thought = before + THOUGHT + after
    text = thought + "bus, van"
    assert names(text) == ["bus", "van"]
    assert [text[a:b] for n in parse_names(text, OPTIONS) for a, b in n.spans] == ["bus", "van"]
    assert parse_yes_no(thought + "Yes, there is.") is True
    assert parse_questions(thought + "Which signs are there?", 9) == ["Which signs are there?"]


def test_what_is_said_between_thoughts_counts():
    assert names("<think>a cat</think>dog<think>a cow</think>bus") == ["dog", "bus"]
    assert names("a cat</think> a cow <think>no</think>bus") == ["cow", "bus"]


@pytest.mark.parametrize("opened", ["<think>", "◁think▷", "<|channel|>analysis<|message|>", "dog</think> <think>"])
def test_a_thought_without_an_end_is_no_answer(opened):
    text = opened + THOUGHT + " No."
    assert names(text) == [] and parse_questions(text, 9) == [] and parse_yes_no(text) is None
    assert thoughts(text)[-1][1] == len(text)


def test_marks_around_an_answer_are_no_part_of_it():
    text = "<|begin_of_box|>Yes, a dog<|end_of_box|>"
    assert names(text) == ["dog"] and parse_yes_no(text) is True


def test_labels_hold_letters_digits_hyphens_and_apostrophes_whatever_the_text():
    """Characters of each category of Unicode inside, before and after a word."""
    by_category: dict[str, list[str]] = {}
    for c in map(chr, range(sys.maxunicode + 1)):
        by_category.setdefault(unicodedata.category(c), []).append(c)
    assert {"Cf", "Cc", "Cs", "Co", "Cn", "Mn", "Mc", "Me", "Zl"} < set(by_category)
    hidden = [*"\u115f\u1160\u3164\uffa0\u034f\u17b4\ufe0f", "\U000e0041", "\U000e0100"]
    for chars in [*by_category.values(), hidden]:
        for c in [*chars[:60], *chars[-30:]]:
            for parsed in parse_names(f"do{c}g, {c}cone, box{c}", OPTIONS):
                assert parsed.name == parsed.name.lower()
                assert all(x.isalnum() or x in " -'" for x in parsed.name), ascii(parsed)
                assert not set(parsed.name) & set(hidden), ascii(parsed)
                assert not any(unicodedata.category(x)[0] in "CM" for x in parsed.name), ascii(parsed)


@pytest.mark.parametrize("seed", range(30))
def test_spans_hold_their_names_in_any_mixture(seed):
    """Every span, read alone, is its name again."""
    rng = np.random.default_rng(seed)
    said = ["Traffic cones", "a dog", "<think>a cat</think>", "ﬁre hydrant", "Cafe\u0301", "no cow", "ｂｕｓ", "“van”"]
    marks = ['["box", "crate"]', "tyre:", "\ufdfa", "\n- ", ", ", "; ", " and ", ". ", "</s>", "\ud800", "🚗", "\u200b"]
    pieces = [*said, *marks]
    text = "".join(rng.choice(pieces, 40))
    for parsed in parse_names(text, OPTIONS):
        for start, end in parsed.spans:
            assert 0 <= start < end <= len(text)
            assert [n.name for n in parse_names(text[start:end], OPTIONS)] == [parsed.name]


@pytest.mark.parametrize(
    "text", ["a" * 99, "dog, " * 9999, "\u0301" * 99999, "\ufdfa" * 9999, "\u200b" * 99999, "<think>" * 9999]
)
def test_what_is_read_is_bounded(text):
    readable, origin = plain(text)
    assert len(readable) <= MOST_CHARS + 18 and len(origin) == len(readable) + 1
    assert list(origin) == sorted(origin) and origin[-1] <= len(text)


@pytest.mark.parametrize(
    "unit",
    [
        "no ",
        "the ",
        "a of ",
        "[",
        '{"a":',
        "- a: b\n",
        "1 ",
        "*",
        "a: - ",
        "<think>",
        "x is not visible. ",
        "\u0301",
        "(a) ",
        "a x by ",
        "without a, ",
        "a(b):",
        "is there a? yes. ",
    ],
)
def test_a_megabyte_takes_no_time_worth_mentioning(unit):
    """Far under a second each; a rule that is quadratic would take minutes."""
    text = (unit * (1 << 20))[: 1 << 20] + "b"
    assert len(names(text)) <= 3 and len(parse_questions(text, 9)) <= 9 and parse_yes_no(text) in (None, False)
