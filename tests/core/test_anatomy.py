from openlumbar.core import anatomy


def test_codes_are_those_of_totalspineseg_and_musclemap():
    # design.md, section 2: the integers that other tools already use.
    names = {code: structure.name for code, structure in anatomy.BY_CODE.items()}
    assert [names[code] for code in (1, 2, 50)] == ["spinal cord", "spinal canal", "sacrum"]
    assert [names[20 + n] for n in range(1, 13)] == [f"T{n}" for n in range(1, 13)]
    assert [names[40 + n] for n in range(1, 6)] == [f"L{n}" for n in range(1, 6)]
    assert [names[code] for code in (91, 92, 95, 100)] == ["T12-L1", "L1-L2", "L4-L5", "L5-S1"]
    assert [names[code] for code in (33, 46, 51, 52, 96, 101)] == [
        "T13",
        "L6",
        "S1",
        "S2",
        "L5-L6",
        "S1-S2",
    ]
    assert anatomy.BY_CODE[5101].side == "left"
    assert anatomy.BY_CODE[5132].side == "right"


def test_every_code_is_used_once():
    codes = [structure.code for structure in anatomy.STRUCTURES]
    assert len(codes) == len(set(codes))


def test_every_vertebra_but_the_last_has_a_disc_below_it():
    # T13 and L6 are variants: their neighbours' discs keep the usual codes.
    for upper, lower in [("T11", "T12"), ("T12", "L1"), ("L4", "L5"), ("L5", "L6"), ("S1", "S2")]:
        assert anatomy.disc_code(f"{upper}-{lower}") in anatomy.BY_CODE


def test_the_disc_above_s1_is_100_whatever_stands_on_it():
    assert anatomy.disc_code("L6-S1") == anatomy.disc_code("L4-S1") == 100
