import pytest
import typst

from openlumbar.report.fonts import FAMILIES, font_folders, legible


def test_the_fonts_are_there_without_being_installed():
    fonts = typst.Fonts(include_system_fonts=False, font_paths=list(font_folders()))
    assert set(FAMILIES) <= set(fonts.families())


@pytest.mark.parametrize("text", ["L4-L5: −0.8 ± 0.3°", "Müller_Ωμέγα_Ж", "≥ 3 mm → 80 % · “S1”"])
def test_what_the_fonts_have_is_left_alone(text):
    assert legible(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [("환_T2w", "[U+D658]_T2w"), ("a\tb\x00", "a[U+0009]b[U+0000]"), ("soft\u00adhyphen", None)],
)
def test_what_the_fonts_lack_is_written_as_its_number(text, written):
    assert legible(text) == (written or "soft[U+00AD]hyphen")
