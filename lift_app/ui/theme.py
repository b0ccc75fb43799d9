"""The theme: system fonts, paper and ink, one accent. Nothing is fetched from anywhere."""

from __future__ import annotations

from gradio.themes import Base, Color

ACCENT = Color(
    name="cloth",
    c50="#eef5f2",
    c100="#d8e8e1",
    c200="#b4d2c6",
    c300="#88b7a5",
    c400="#5f9a85",
    c500="#437d6a",
    c600="#2f6553",
    c700="#275143",
    c800="#204137",
    c900="#1b362e",
    c950="#0e201b",
)
PAPER = Color(
    name="paper",
    c50="#fbfaf7",
    c100="#f4f2ec",
    c200="#e7e3d9",
    c300="#d3cec1",
    c400="#a8a294",
    c500="#79746a",
    c600="#5b574f",
    c700="#45423c",
    c800="#2b2a27",
    c900="#1e1d1b",
    c950="#151412",
)
SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace"]


def theme() -> Base:
    """The reading room's theme, light and dark."""
    room = Base(primary_hue=ACCENT, neutral_hue=PAPER, font=SANS, font_mono=MONO)
    return room.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        block_title_text_size="*text_sm",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_border_width="1px",
        input_border_color_focus="*primary_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_text_color="white",
        button_primary_text_color_dark="#0b1512",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_large_radius="8px",
        button_small_radius="8px",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
    )
