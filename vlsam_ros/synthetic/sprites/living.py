"""Living beings: pedestrian and dog."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Gradient, ellipse, hexa, pick, rect, smooth, symmetric, tone

_SKIN = "f0c4a0 e0ac84 c08a60 8a5a3a 5c3a26 f4d0b4"
_HAIR = "1c1410 2e1e14 5a3a20 b08848 7a7470 3c2a20 8a3c1c"
_TOP = "c42830 2450a0 2a2c32 e8e4dc e0b020 2e7a48 7a4488 e87828 70a8c8 5a6470 a8b848 d890a0"
_LEGS = "22304c 2a2a2e 4a5a78 6a5a48 8a8478 3a4038 1c1c20"


def pedestrian(canvas: Canvas, rng: np.random.Generator) -> None:
    """A person standing, seen from the front or back, or walking, seen from the side."""
    if rng.random() < 0.5:
        _person_front(canvas, rng)
    else:
        _person_side(canvas, rng)


def _person_front(canvas: Canvas, rng: np.random.Generator) -> None:
    skin, hair, top, legs = (pick(rng, codes) for codes in (_SKIN, _HAIR, _TOP, _LEGS))
    wide, stance = rng.uniform(0.1, 0.13), rng.uniform(0.045, 0.085)
    back = rng.random() < 0.4
    step = rng.uniform(0, 0.05)
    shoe = pick(rng, "1c1a1a e8e8e4 5a3a24 b02028")
    skirt = rng.random() < 0.2
    for side, lift in ((-1, step), (1, 0.0)):
        cloth = skin if skirt else legs
        knee, ankle = (side * (stance + 0.012), 0.27 + lift), (side * stance * 1.1, 0.05 + lift)
        fill = canvas.round_fill(cloth, side * stance - 0.05, side * stance + 0.05, depth=0.4)
        canvas.limb((side * 0.05, 0.49), knee, 0.095, 0.075, fill)
        canvas.limb(knee, ankle, 0.075, 0.052, fill)
        canvas.poly(ellipse(side * stance * 1.25, 0.025 + lift, 0.036, 0.026), shoe)
    long = rng.uniform(0.28, 0.4) if rng.random() < 0.25 else rng.uniform(0.45, 0.5)
    arm = rng.uniform(0.0, 0.05)
    for side in (-1, 1):
        elbow = (side * (wide + 0.035 + arm * 0.6), 0.63)
        hand = (side * (wide + 0.03 + arm * rng.uniform(-0.5, 1)), 0.47)
        sleeve = canvas.round_fill(tone(top, 0.88), elbow[0] - 0.035, elbow[0] + 0.035, depth=0.4)
        canvas.poly(ellipse(hand[0], hand[1] - 0.02, 0.022, 0.03), skin)
        canvas.limb((side * (wide - 0.01), 0.79), elbow, 0.064, 0.055, sleeve)
        canvas.limb(elbow, hand, 0.055, 0.042, sleeve if rng.random() < 0.7 else skin)
    if skirt:
        canvas.poly(smooth(symmetric([(0.15, 0.33), (0.09, 0.55)]), 1), canvas.round_fill(legs, -0.14, 0.14))
    if rng.random() < 0.35:
        canvas.poly(smooth(symmetric([(0.062, 0.79), (0.075, 0.93)]), 1), tone(hair, 0.8))
    canvas.poly(rect(-0.028, 0.8, 0.028, 0.87), tone(skin, 0.75))
    torso = symmetric([(wide * 0.95, long), (wide * 0.82, 0.6), (wide + 0.012, 0.76), (wide, 0.82), (0.05, 0.85)])
    canvas.poly(smooth(torso, 2), canvas.round_fill(top, -wide, wide, depth=0.4), rough=0.03)
    if not back:
        canvas.poly([(-0.03, 0.845), (0.03, 0.845), (0, 0.79)], tone(skin, 0.9))
        canvas.stroke([(0, 0.79), (0, long + 0.02)], 0.01, tone(top, 0.55), 0.7, atop=True)
    elif rng.random() < 0.6:
        bag = symmetric([(wide * 0.75, 0.56), (wide * 0.8, 0.76), (wide * 0.5, 0.83)])
        canvas.poly(smooth(bag, 2), canvas.round_fill(pick(rng, _TOP), -wide, wide))
    if rng.random() < 0.15:
        vest = hexa("d8f020" if rng.random() < 0.6 else "ff6a10")
        canvas.poly(smooth(torso * (0.96, 1), 2), canvas.round_fill(vest, -wide, wide, depth=0.3))
        for y in (0.6, 0.7):
            canvas.poly(rect(-wide * 1.1, y, wide * 1.1, y + 0.03), hexa("e4e8ea"), atop=True)
    canvas.poly(ellipse(0, 0.92, 0.055, 0.07), canvas.round_fill(skin, -0.06, 0.06, depth=0.35))
    if back:
        canvas.poly(ellipse(0, 0.935, 0.06, 0.07), canvas.round_fill(hair, -0.06, 0.06, gloss=0.5))
    else:
        canvas.poly(
            np.concatenate([ellipse(0, 0.94, 0.06, 0.062, 0, 180, 14), [(-0.045, 0.955), (0.045, 0.955)]]), hair
        )
        for x in (-0.022, 0.022):
            canvas.poly(ellipse(x, 0.925, 0.008, 0.007), hexa("1c1410"))
        canvas.stroke([(-0.016, 0.885), (0.016, 0.885)], 0.008, tone(skin, 0.55))
    if rng.random() < 0.25:
        canvas.poly(ellipse(0, 0.955, 0.064, 0.06, 0, 180, 14), canvas.round_fill(pick(rng, _TOP), -0.06, 0.06))


def _person_side(canvas: Canvas, rng: np.random.Generator) -> None:
    skin, hair, top, legs = (pick(rng, codes) for codes in (_SKIN, _HAIR, _TOP, _LEGS))
    shoe = pick(rng, "1c1a1a e8e8e4 5a3a24 b02028")
    stride, deep = rng.uniform(0.05, 0.17), rng.uniform(0.075, 0.095)
    swing = stride * rng.uniform(0.6, 1.0)

    def leg(reach: float, shade: float, lift: float) -> None:
        cloth = tone(legs, shade)
        knee = (reach * 0.5 + 0.03, 0.275)
        ankle = (reach - 0.01, 0.055 + lift)
        canvas.limb((0, 0.48), knee, 0.11, 0.08, canvas.round_fill(cloth, knee[0] - 0.06, knee[0] + 0.06, depth=0.35))
        canvas.limb(knee, ankle, 0.08, 0.054, canvas.round_fill(cloth, ankle[0] - 0.05, ankle[0] + 0.05, depth=0.35))
        foot = [
            (ankle[0] - 0.035, lift),
            (ankle[0] + 0.085, lift),
            (ankle[0] + 0.08, lift + 0.03),
            (ankle[0] + 0.02, lift + 0.065),
            (ankle[0] - 0.035, lift + 0.06),
        ]
        canvas.poly(smooth(foot, 1), tone(shoe, shade))

    def arm(reach: float, shade: float) -> None:
        elbow, hand = (reach * 0.45 - 0.015, 0.635), (reach + 0.03, 0.49)
        canvas.poly(ellipse(hand[0], hand[1] - 0.015, 0.023, 0.028), tone(skin, shade))
        canvas.limb((-0.005, 0.785), elbow, 0.066, 0.056, tone(top, shade))
        canvas.limb(elbow, hand, 0.056, 0.042, tone(top, shade * 0.95))

    leg(-stride, 0.65, min(0.05, stride * 0.3))
    arm(swing, 0.6)
    leg(stride, 1.0, 0.0)
    long = rng.uniform(0.3, 0.4) if rng.random() < 0.25 else rng.uniform(0.44, 0.49)
    if rng.random() < 0.3:
        pack = [(-deep * 0.6, 0.56), (-deep - 0.09, 0.57), (-deep - 0.1, 0.74), (-deep * 0.6, 0.81)]
        canvas.poly(smooth(pack, 2), canvas.round_fill(pick(rng, _TOP), -0.2, 0))
    torso = [
        (-deep * 1.05, long),
        (deep * 1.05, long),
        (deep * 0.95, 0.62),
        (deep * 1.05, 0.74),
        (deep * 0.55, 0.84),
        (-deep * 0.5, 0.85),
        (-deep * 1.1, 0.76),
        (-deep * 0.85, 0.6),
    ]
    canvas.poly(smooth(torso, 2), canvas.round_fill(top, -deep, deep, depth=0.45), rough=0.03)
    arm(-swing, 0.82)
    canvas.limb((0, 0.83), (0.01, 0.89), 0.05, 0.05, tone(skin, 0.75))
    face = [
        (-0.03, 0.86),
        (0.035, 0.855),
        (0.052, 0.88),
        (0.068, 0.91),
        (0.05, 0.93),
        (0.05, 0.97),
        (0, 0.99),
        (-0.05, 0.97),
        (-0.055, 0.91),
    ]
    canvas.poly(smooth(face, 1), canvas.round_fill(skin, -0.06, 0.07, depth=0.3))
    mane = [
        (0.052, 0.965),
        (0.02, 0.955),
        (0.0, 0.92),
        (-0.02, 0.88),
        (-0.055, rng.uniform(0.77, 0.88)),
        (-0.08, 0.93),
        (-0.05, 1.0),
        (0.02, 1.01),
    ]
    canvas.poly(smooth(mane, 2), canvas.round_fill(hair, -0.08, 0.05, gloss=0.4))
    canvas.poly(ellipse(0.04, 0.925, 0.007, 0.008), hexa("1c1410"))
    if rng.random() < 0.3:
        cap = pick(rng, _TOP)
        canvas.poly(ellipse(-0.005, 0.955, 0.066, 0.06, 0, 180, 14), canvas.round_fill(cap, -0.06, 0.06))
        canvas.limb((0.03, 0.963), (0.1, 0.955), 0.02, 0.014, tone(cap, 0.7))


def dog(canvas: Canvas, rng: np.random.Generator) -> None:
    """A dog from the side, standing, walking or sitting; the head looks to the right."""
    coat = pick(rng, "8a5a30 c89858 1e1a18 e0d4c0 5a3a24 b0703c 8c8680")
    belly = tone(coat, 0.55)
    patch = pick(rng, "f0e8dc 2a1c14 7a4a28")
    sitting = rng.random() < 0.25
    leg_w = rng.uniform(0.085, 0.11)
    neck = np.array((0.36, 0.66))
    if sitting:
        neck = np.array((0.18, 0.66))
        canvas.stroke([(-0.28, 0.1), (-0.46, 0.06), (-0.6, 0.16)], 0.07, tone(coat, 0.8))
        canvas.limb((0.12, 0.45), (0.16, 0.05), leg_w, leg_w * 0.8, tone(coat, 0.6))
        body = [
            (-0.38, 0.06),
            (0.0, 0.03),
            (0.16, 0.3),
            (0.28, 0.55),
            (0.2, 0.74),
            (0.04, 0.72),
            (-0.2, 0.48),
            (-0.4, 0.26),
        ]
        canvas.poly(smooth(body, 2), Gradient((0.1, 0), (-0.1, 0.75), [belly, coat, tone(coat, 1.2)]), rough=0.025)
        canvas.poly(ellipse(-0.2, 0.17, 0.2, 0.16), canvas.down_fill(coat, 0, 0.34, 0.6, 1.15))
        canvas.limb((-0.18, 0.05), (0.06, 0.04), 0.09, 0.075, tone(coat, 0.85))
        canvas.limb((0.2, 0.48), (0.22, 0.05), leg_w * 1.1, leg_w * 0.8, canvas.down_fill(coat, 0, 0.5, 0.75, 1.05))
        canvas.limb((0.21, 0.04), (0.28, 0.035), 0.07, 0.06, tone(coat, 0.9))
    else:
        gait = rng.uniform(0.0, 0.14)
        tail = rng.uniform(0.35, 0.95)
        bend = (-0.58, 0.4 + 0.4 * tail)
        canvas.limb((-0.42, 0.64), bend, 0.085, 0.065, tone(coat, 0.9))
        canvas.limb(bend, (-0.68, tail), 0.065, 0.035, tone(coat, 0.95))
        for x, reach, shade in ((-0.34, gait, 0.55), (0.26, -gait, 0.55), (-0.36, -gait, 0.95), (0.28, gait, 0.95)):
            hind = x < 0
            knee = (x + reach * 0.5 + (-0.06 if hind else 0.01), 0.26)
            paw = (x + reach, 0.035)
            fill = canvas.down_fill(tone(coat, shade), 0, 0.5, 0.75, 1.05)
            canvas.limb((x, 0.46), knee, leg_w * (1.7 if hind else 1.4), leg_w * 0.9, fill)
            canvas.limb(knee, paw, leg_w * 0.9, leg_w * 0.72, fill)
            canvas.limb(paw, (paw[0] + 0.05, 0.032), 0.07, 0.06, fill)
        body = [
            (-0.46, 0.42),
            (-0.2, 0.42),
            (0.1, 0.33),
            (0.36, 0.4),
            (0.46, 0.62),
            (0.36, 0.74),
            (0.05, 0.69),
            (-0.36, 0.7),
            (-0.5, 0.6),
        ]
        canvas.poly(smooth(body, 2), Gradient((0, 0.34), (0, 0.74), [belly, coat, tone(coat, 1.2)]), rough=0.025)
    head = neck + (0.14, 0.2)
    canvas.limb(
        neck, head, 0.27, 0.19, Gradient(tuple(neck - (0, 0.1)), tuple(head), [tone(coat, 0.8), tone(coat, 1.1)])
    )
    canvas.poly(ellipse(*head, 0.135, 0.12), canvas.down_fill(coat, head[1] - 0.12, head[1] + 0.12, 0.75, 1.15))
    long = rng.uniform(0.18, 0.27)
    snout = head + np.array([(0.04, -0.1), (long, -0.09), (long + 0.02, -0.03), (long - 0.02, 0.01), (0.07, 0.06)])
    canvas.poly(
        smooth(snout, 2), canvas.down_fill(patch if rng.random() < 0.4 else coat, snout[0, 1], head[1], 0.7, 1.1)
    )
    canvas.poly(ellipse(head[0] + long, head[1] - 0.015, 0.03, 0.026), hexa("121010"))
    canvas.poly(ellipse(head[0] + 0.06, head[1] + 0.035, 0.018, 0.02), hexa("100c0a"))
    if rng.random() < 0.5:
        ear = head + np.array([(-0.11, 0.03), (0.03, 0.08), (-0.03, 0.22)])
    else:
        ear = smooth(head + np.array([(-0.1, 0.1), (0.0, 0.11), (0.02, -0.04), (-0.04, -0.14), (-0.12, -0.06)]), 2)
    canvas.poly(ear, tone(coat, 0.62))
    if rng.random() < 0.5:
        canvas.poly(smooth(rng.uniform((-0.35, 0.4), (0.1, 0.75), (5, 2)), 2), patch, 0.85, atop=True)
    if rng.random() < 0.5:
        a = neck + (0.01, 0.1)
        canvas.stroke([a + (-0.12, 0.05), a + (0.13, -0.05)], 0.04, pick(rng, "d02028 2060c0 e0b020"), atop=True)
